"""The loop nest of a `conv2d`, `dense` or pool as a value: what the emitter builds and the cost model reads.

Outermost come images and groups, then the loops of the schedule: over steps of an axis (rows of outputs,
blocks of output channels, tiles of pixels in a row), or over cache tiles of so many steps. A row is cut in
runs: neighbouring tiles alike, border pixels peeled off with the taps that they have inside, or in loops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from operator import itemgetter

from lowbit_dialect.geometry import Window, WindowAxis
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import AXES, Loop, Schedule
from microkernels.interface import Microkernel

PLAIN = tuple(map(Loop, AXES))


@dataclass(frozen=True)
class Run:
    """`count` tiles of `pixels` outputs of a row, side by side from output `first` on, with one code."""

    first: int
    count: int
    pixels: int
    taps: tuple[tuple[int, int], ...] | None
    """`[low, high)` of the kernel columns inside for each pixel; None if the tile computes them."""

    @property
    def outputs(self) -> int:
        """Outputs of all tiles."""
        return self.count * self.pixels

    def taps_inside(self, columns: WindowAxis) -> float:
        """Kernel columns inside the image, on average over its pixels."""
        if self.taps is not None:
            return sum(high - low for low, high in self.taps) / self.pixels
        outputs = range(self.first, self.first + self.count)
        return sum(columns.high(o) - columns.low(o) for o in outputs) / self.count


@dataclass(frozen=True)
class Nest:
    """The loops around the tiles of one op."""

    window: Window
    batch: int
    groups: int
    channels: int
    """Output channels of one group."""
    lanes: int
    vectors: int
    """Vectors of output channels of a block."""
    runs: tuple[Run, ...]
    loops: tuple[Loop, ...] = PLAIN

    @property
    def block(self) -> int:
        """Output channels of a whole block."""
        return self.vectors * self.lanes

    @property
    def blocks(self) -> int:
        """Blocks of output channels of one group, the last one with what is left."""
        return -(-self.channels // self.block)

    @property
    def straight(self) -> bool:
        """Whether all outputs lie in one row without borders, so that tiles of pixels are shared out."""
        columns = self.window.columns
        return self.batch * self.window.rows.out == 1 and columns.head == columns.tail == 0

    @cached_property
    def tiles(self) -> int:
        """Tiles of a row."""
        return sum(run.count for run in self.runs)

    @cached_property
    def taps_inside(self) -> tuple[float, ...]:
        """Kernel columns inside the image, on average over the pixels of each run."""
        return tuple(run.taps_inside(self.window.columns) for run in self.runs)

    @cached_property
    def alike(self) -> tuple[tuple[int, int, int, float], ...]:
        """Tiles that are alike: how many, pixels and vectors of each, kernel columns inside the image."""
        whole, rest = divmod(-(-self.channels // self.lanes), self.vectors)
        rows = self.window.rows.out * self.batch * self.groups
        return tuple(
            (rows * run.count * count, run.pixels, size, taps)
            for run, taps in zip(self.runs, self.taps_inside)
            for size, count in ((self.vectors, whole), (rest, 1))
            if size and count
        )

    def steps(self, axis: str) -> int:
        """Steps of an axis in one image and group."""
        return {"channels": self.blocks, "rows": self.window.rows.out, "pixels": self.tiles}[axis]

    def units(self, parallel: str) -> int:
        """What threads share out of a parallel axis, `none`, `rows` or `channels`."""
        match parallel:
            case "rows" if self.straight:
                return self.tiles
            case "rows":
                return self.batch * self.window.rows.out
            case "channels":
                return self.groups * self.blocks
            case _:
                return 1


def window_of(work: Contraction) -> tuple[Window, int]:
    """The window and images that an op is walked by: pixels that are the input's are one straight line."""
    if not work.window.pointwise:
        return work.window, work.batch
    pixels = work.batch * work.window.rows.out * work.window.columns.out
    return Window.of((1, pixels), (1, 1)), 1


def nest_of(work: Contraction, schedule: Schedule, kernel: Microkernel) -> Nest:
    """The nest of a contraction by a complete schedule."""
    assert schedule.pixels and schedule.vectors and schedule.loops
    window, batch = window_of(work)
    groups, outputs = kernel.channels(work)
    runs = runs_of(window.columns, schedule.pixels, peeled=schedule.borders == "peeled")
    return Nest(
        window, batch, groups, outputs, kernel.lanes, schedule.vectors, runs, schedule.loops
    )


@lru_cache(4096)
def runs_of(axis: WindowAxis, pixels: int, *, peeled: bool) -> tuple[Run, ...]:
    """The runs of a row in tiles of at most `pixels` outputs."""
    if peeled or not axis.head + axis.tail:
        return tuple(_runs(axis, 0, axis.out, pixels))
    stop = axis.out - axis.tail
    borders = Run(0, axis.head, 1, None), Run(stop, axis.tail, 1, None)
    inside = _runs(axis, axis.head, stop, pixels)
    return tuple(run for run in (borders[0], *inside, borders[1]) if run.count)


def _runs(axis: WindowAxis, start: int, stop: int, pixels: int) -> Iterator[Run]:
    """Cut outputs `[start, stop)` in tiles; neighbours of one size join if every tap of them is inside."""
    first, end = start, axis.out - axis.tail
    borders = max(axis.head - start, stop + axis.tail - axis.out) > 0
    for size, count in tile_sizes(stop - start, pixels, borders):
        while count:
            joined = min(count, (end - first) // size) if axis.head <= first else 1
            joined = max(1, joined)
            outputs = range(first, first + size)
            yield Run(first, joined, size, tuple((axis.low(o), axis.high(o)) for o in outputs))
            count -= joined
            first += joined * size


def tile_sizes(total: int, most: int, borders: bool) -> list[tuple[int, int]]:
    """The fewest tiles of at most `most` outputs, none much smaller than the others.

    Returns `(outputs of a tile, tiles)` of those that are alike and neighbours.

    A register block of few pixels waits for its own sums: 14 outputs by 6 are 5 + 5 + 4, not 6 + 6 + 2. Tiles
    on borders have code of their own anyway, so both take what the others leave: 56 by 6 are 4 + 8 x 6 + 4.
    """
    if total <= 0:
        return []
    count = -(-total // most)
    size = -(-total // count)
    if not borders or count == 1:
        sizes = [(size, count - 1), (total - size * (count - 1), 1)]
    else:
        ends = total - size * (count - 2)
        sizes = [(ends - ends // 2, 1), (size, count - 2), (ends // 2, 1)]
    alike = ((size, sum(n for _, n in group)) for size, group in groupby(sizes, itemgetter(0)))
    return [(size, count) for size, count in alike if count]
