"""Runs: the bits of a window that follow each other in a line, as vectors of words take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LANES = 8
"""Words of 32 bits that are moved at a time."""
STORE = 8
"""Bytes of one store of a line's planes."""


@dataclass(frozen=True)
class Run:
    """Bits that follow each other both in a line and in a row of the result."""

    line: int
    """Lines below the first one of the window."""
    bit: int
    """The first bit, of output 0 in its line."""
    step: int
    """Bits between the runs of neighbouring outputs."""
    place: int
    """Bit of the row of the result where it begins."""
    length: int

    @property
    def start(self) -> int:
        """Bit of the line that the first word of the result that it reaches begins with."""
        return self.bit - self.place % 32

    @property
    def chunks(self) -> Iterator[tuple[int, int]]:
        """`(first word of the result, lanes)` of each vector that takes part of the run."""
        word, last = self.place // 32, (self.place + self.length - 1) // 32
        while word <= last:
            lanes = min(LANES, 1 << (last - word).bit_length())
            yield word, lanes
            word += lanes

    def last_byte(self, columns: int) -> int:
        """Bytes of a line up to the end of the last load for the last of so many outputs."""
        word, lanes = list(self.chunks)[-1]
        begin = (self.start + (columns - 1) * self.step) // 8 + 4 * (word - self.place // 32)
        return begin + max(8, 4 * lanes + 1)

    def mask(self, word: int, lanes: int) -> list[int]:
        """The bits of words of the result that belong to the run."""
        ones = ((1 << self.length) - 1) << self.place
        return [(ones >> 32 * (word + lane)) & 0xFFFFFFFF for lane in range(lanes)]


def runs_of(
    channels: int, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[Run]:
    """The runs of one window: one for each row of it, or for each tap where columns are apart."""
    joined = kernel[1] if dilations[1] == 1 else 1
    length = joined * channels
    return [
        Run(
            line=row * dilations[0],
            bit=column * dilations[1] * channels,
            step=strides[1] * channels,
            place=(row * kernel[1] + column) * channels,
            length=length,
        )
        for row in range(kernel[0])
        for column in range(0, kernel[1], joined)
    ]


def line_pixels(least: int, written: int, channels: int, runs: Sequence[Run], columns: int) -> int:
    """Pixels, at least so many, of a line that lets bits be moved in whole vectors.

    The first `written` of them are written one by one, and `runs` are read for `columns` outputs.
    """
    last = written * channels // 8 + STORE if written else 0
    bytes = max(last, *(run.last_byte(columns) for run in runs))
    return max(least, -(-bytes * 8 // channels))
