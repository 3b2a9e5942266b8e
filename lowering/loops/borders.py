"""How a window is cut in tiles, and what its borders leave out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from xdsl.ir import SSAValue

from lowbit_dialect.geometry import WindowAxis
from microkernels.emit import Emitter


def runs(axis: WindowAxis, start: int, stop: int, pixels: int) -> Iterator[tuple[int, int, int]]:
    """Cut outputs `[start, stop)` in tiles; yield `(first, last, pixels)` of runs of equal ones.

    Neighbouring tiles of one size join into a run if every tap of them is inside.
    """
    first, end = start, axis.out - axis.tail
    borders = max(axis.head - start, stop + axis.tail - axis.out) > 0
    for size, count in tile_sizes(stop - start, pixels, borders):
        while count:
            joined = min(count, (end - first) // size) if axis.head <= first else 1
            last = first + max(1, joined) * size
            yield first, last, size
            count -= (last - first) // size
            first = last


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


def tap_bounds(emit: Emitter, axis: WindowAxis, output: SSAValue) -> tuple[SSAValue, SSAValue]:
    """`[low, high)` of the taps of `output` inside the input, as index values."""
    low, high = emit.index(0), emit.index(axis.kernel)
    start = emit.at("mul", output, axis.stride)
    step = axis.dilation
    if axis.head:
        outside = emit.at("max", emit.at("sub", emit.index(axis.before), start), 0)
        low = emit.at("div", emit.at("add", outside, step - 1), step)
    if axis.head == axis.out or axis.tail:
        inside = emit.at("sub", emit.index(axis.size - 1 + axis.before + step), start)
        high = emit.at("min", emit.at("div", emit.at("max", inside, 0), step), axis.kernel)
    return low, high


def border_class(emit: Emitter, axis: WindowAxis, output: SSAValue) -> SSAValue:
    """Border class of an output, `min(o, head) + max(0, o - (out - tail - 1))`."""
    first = emit.at("min", output, axis.head)
    if not axis.tail:
        return first
    last = emit.at("max", emit.at("sub", output, axis.out - axis.tail - 1), 0)
    return emit.at("add", first, last)
