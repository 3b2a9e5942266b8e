"""HTML pages read back: elements as they open and close, and their texts."""

from __future__ import annotations

from html.parser import HTMLParser

MACHINE = {
    "cpu": "Abacus <9000> & sons",
    "target": "x86-64-v3",
    "caches": [32768, 524288],
    "binary_gmacs_per_s": 540.0,
    "gb_per_s": {"L1 read": 200.0, "L1 write": 100.0, "memory read": 20.0, "memory write": 15.0},
    "peers": {"torch": "2.13.0"},
}
VOID = {"meta"}


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
