"""Memory between pages that nobody may touch: what reads or writes past its end dies of it at once."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Literal, cast

PAGE = mmap.PAGESIZE
FILL = 0xA5
"""What every byte holds before a call, inside outs and arena too."""
Side = Literal["right", "left"]
SIDES: tuple[Side, ...] = ("right", "left")
"""Which guard a buffer lies against: the one behind it, or the one before."""

_libc = cast(Any, ctypes.CDLL(None, use_errno=True))
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Guarded:
    """Memory with an inaccessible page at either end, to be freed by hand."""

    def __init__(self, size: int, alignment: int, side: Side) -> None:
        """Raises `MemoryError`."""
        self.size, self._room = size, max(1, -(-size // PAGE)) * PAGE
        self._base: int = _libc.mmap(
            None, self._room + 2 * PAGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANON, -1, 0
        )
        if self._base in (None, ctypes.c_void_p(-1).value):
            raise MemoryError(f"no memory for a guarded buffer of {size} bytes")
        self._start = (self._room - size) // alignment * alignment if side == "right" else 0
        self.refill()

    @property
    def address(self) -> int:
        """Where the buffer begins."""
        return self._base + PAGE + self._start

    def refill(self) -> None:
        """Make every byte `FILL`, writable."""
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        ctypes.memset(self._base + PAGE, FILL, self._room)

    def write(self, data: bytes) -> None:
        """Fill the buffer and make it read-only."""
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        ctypes.memmove(self.address, data, self.size)
        self._protect(mmap.PROT_READ)

    def read(self) -> bytes:
        """The bytes of the buffer."""
        return ctypes.string_at(self.address, self.size)

    def untouched_around(self) -> bool:
        """Whether the bytes between the buffer and its guards are as they were."""
        before = ctypes.string_at(self._base + PAGE, self._start)
        rest = self._room - self._start - self.size
        behind = ctypes.string_at(self.address + self.size, rest)
        return not (before + behind).strip(bytes([FILL]))

    def free(self) -> None:
        """Give the memory back."""
        _libc.munmap(self._base, self._room + 2 * PAGE)

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self._base + PAGE, self._room, protection):
            raise OSError(ctypes.get_errno(), "mprotect")
