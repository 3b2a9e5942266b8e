"""What the borders of a window leave out, as index values."""

from __future__ import annotations

from xdsl.ir import SSAValue

from lowbit_dialect.geometry import WindowAxis
from microkernels.emit import Emitter


def tap_bounds(emit: Emitter, axis: WindowAxis, output: SSAValue) -> tuple[SSAValue, SSAValue]:
    """`[low, high)` of the taps of `output` inside the input, as index values."""
    low, high = emit.index(0), emit.index(axis.kernel)
    if any(axis.edges):
        return low, high
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
