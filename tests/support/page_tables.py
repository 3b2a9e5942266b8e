"""Page tables of four levels, as an x86-64 reads them."""

import struct
from itertools import pairwise

from lowering.emulation.memory import PAGE

WRITE, NO_EXECUTE = 1 << 1, 1 << 63
_PRESENT, _LARGE = 1 << 0, 1 << 7
_ENTRIES = 512


class PageTables:
    """A mapping of pages, and the tables that say so."""

    def __init__(self) -> None:
        # At each level, from pages up to 512 GiB: what an index stands for.
        self._entries: list[dict[int, int]] = [{}, {}, {}, {}]

    def map(self, virtual: int, physical: int, size: int, flags: int) -> None:
        """Map whole pages; they can be read, and written or not executed as `flags` say."""
        for offset in range(0, size, PAGE):
            self._entries[0][(virtual + offset) // PAGE] = physical + offset | flags | _PRESENT

    def map_gigabyte(self, virtual: int, physical: int, flags: int) -> None:
        """Map one page of 1 GiB."""
        self._entries[2][virtual >> 30] = physical | flags | _LARGE | _PRESENT

    def pack(self, base: int) -> bytes:
        """The bytes of the tables, which will lie at `base`, the root first."""
        levels = [dict(entries) for entries in self._entries]
        for lower, upper in pairwise(levels):
            upper.update(
                {index // _ENTRIES: 0 for index in lower if index // _ENTRIES not in upper}
            )
        # A table is named by its level and by the index that it stands for one level up.
        tables = [(n, i) for n in (3, 2, 1, 0) for i in sorted({k // _ENTRIES for k in levels[n]})]
        places = {table: base + n * PAGE for n, table in enumerate(tables)}
        packed = b""
        for level, table in tables:
            row = [0] * _ENTRIES
            for n in range(_ENTRIES):
                index = table * _ENTRIES + n
                row[n] = levels[level].get(index, 0)
                if index in levels[level] and not row[n]:
                    row[n] = places[level - 1, index] | WRITE | _PRESENT
            packed += struct.pack(f"<{_ENTRIES}Q", *row)
        return packed
