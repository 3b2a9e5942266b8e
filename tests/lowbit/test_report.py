"""The page is well formed, alone, and shows every layer."""

from __future__ import annotations

from html.parser import HTMLParser

from lowbit.benchmark import PeerTime, Result
from lowbit.limits import Work
from lowbit.report import page

MACHINE = {
    "cpu": "Abacus <9000> & sons",
    "target": "x86-64-v3",
    "caches": [32768, 524288],
    "binary_gmacs_per_s": 540.0,
    "gb_per_s": {"L1 read": 200.0, "L1 write": 100.0, "memory read": 20.0, "memory write": 15.0},
    "peers": {"torch": "2.13.0"},
}
VOID = {"meta"}


def result(name: str, time: float, window: int, *peers: PeerTime) -> Result:
    return Result(
        layer=name,
        activation="uint1",
        weight="odd1",
        threads=1,
        macs=1_000_000,
        time_us=time,
        time_with_packing_us=time + 1,
        spread_us=0.1,
        limit_us=2.0,
        output="i32",
        window=window,
        limited_by="binary",
        family="binary",
        work=Work({"binary": 1_000_000}, 5_000, 10_000, "L1"),
        peers=peers,
    )


RESULTS = [
    result(
        "A&1", 2.5, 3, PeerTime("torch", "f32", 30.0, 1.0), PeerTime("torch fbgemm", "i8", 9.0, 1.0)
    ),
    result("B2", 3.0, 1, PeerTime("torch", "f32", 2.0, 1.0)),
    result("B2 again", 3.0, 1),
]


class Reader(HTMLParser):
    """Elements as they open and close, texts, and everything that could be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "href", "style"} & {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_a_page_is_well_formed_and_alone():
    text = page(MACHINE, RESULTS)
    seen = read(text).seen
    assert not {"script", "link", "img", "iframe", "object"} & set(seen)
    assert "http" not in text and "url(" not in text and "@import" not in text


def test_every_layer_is_in_every_chart_and_in_the_table():
    texts = read(page(MACHINE, RESULTS)).texts
    for one, times in (("A&1", 5), ("B2", 5), ("B2 again", 4)):
        assert texts.count(one) == times  # a dot, a bar, bars of peers if any, two rows
    assert "Abacus <9000> & sons" in texts
    assert "1.25" in texts and "12.00" in texts


def test_without_peers_nothing_is_said_of_them():
    texts = read(page(MACHINE, [result("only", 3.0, 0)])).texts
    assert "Against peers" not in texts
    assert not any("peer" in one for one in texts if one.startswith("as fast"))
