"""The page is well formed, alone, and shows every layer."""

from __future__ import annotations

from pages import MACHINE, read

from lowbit.bench.benchmark import PeerTime, Result
from lowbit.bench.limits import Work
from lowbit.bench.report import page


def result(name: str, time: float, window: int, *peers: PeerTime) -> Result:
    return Result(
        layer=name,
        op="conv2d",
        shape="4 4 8 8 3 1 1",
        activation="uint1",
        weight="odd1",
        schedule="pixels = 1",
        threads=1,
        macs=1_000_000,
        time_us=time,
        time_with_packing_us=time + 1,
        spread_us=0.1,
        runs_us=(time, time),
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
