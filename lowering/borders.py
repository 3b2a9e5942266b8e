"""How a window is cut in tiles, and what its borders leave out."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.ir import SSAValue

from lowbit_dialect.geometry import WindowAxis
from microkernels.emit import Emitter


def runs(axis: WindowAxis, start: int, stop: int, pixels: int) -> Iterator[tuple[int, int, int]]:
    """Cut outputs `[start, stop)` in tiles; yield `(first, last, pixels)` of runs of equal ones.

    Neighbouring tiles of one size join into a run if every tap of them is inside.
    """
    first = start
    inside = range(axis.head, axis.out - axis.tail + 1)
    sizes = tile_sizes(
        stop - start, pixels, max(axis.head - start, stop + axis.tail - axis.out) > 0
    )
    while sizes:
        size = sizes.pop(0)
        last = first + size
        while first in inside and sizes and sizes[0] == size and last + size in inside:
            last += sizes.pop(0)
        yield first, last, size
        first = last


def tile_sizes(total: int, most: int, borders: bool) -> list[int]:
    """The fewest tiles of at most `most` outputs, none much smaller than the others.

    A register block of few pixels waits for its own sums: 14 outputs by 6 are 5 + 5 + 4, not 6 + 6 + 2. Tiles
    on borders have code of their own anyway, so both take what the others leave: 56 by 6 are 4 + 8 x 6 + 4.
    """
    if total <= 0:
        return []
    count = -(-total // most)
    size = -(-total // count)
    if not borders or count == 1:
        return [size] * (count - 1) + [total - size * (count - 1)]
    ends = total - size * (count - 2)
    return [ends - ends // 2, *[size] * (count - 2), ends // 2]


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
