"""Concat, Split, Slice, Gather, Tile and Expand: elements that move.

Codes stay codes, with their scale; the rows of a scale along an axis are cut with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import MAX_ELEMENTS, Node
from lowbit_dialect.importers.onnx_shapes import axis_of, different, integers, to_shape
from lowbit_dialect.importers.onnx_tensor import ONE, Tensor, Value, code_for
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.elementwise import RequantizeOp
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, RepeatOp

MOST_RUNS = 64
"""Runs of evenly spaced places that a Gather may be made of."""


def in_order(b: Builder, node: Node, x: Tensor) -> Tensor:
    """`x` with columns in ONNX order if it is a flattened image."""
    return b.row_major(node, x) if x.flattened else x


# Parts


def cut(b: Builder, node: Node, x: Tensor, places: Mapping[int, range]) -> Tensor:
    """The elements of `x` at evenly spaced places along some ONNX axes."""
    x = in_order(b, node, x)
    if any(len(kept) == 0 for kept in places.values()):
        raise node.fail(f"takes nothing of {list(x.shape)}: one element or more is imported")
    if all(kept == range(x.shape[axis]) for axis, kept in places.items()):
        return x
    kept = [places.get(axis, range(x.shape[axis])) for axis in x.axes]
    starts, sizes, steps = zip(*((one.start, len(one), one.step) for one in kept))
    value = b.emit(node, ExtractSliceOp(x.value, starts, sizes, steps))
    shape = tuple(len(places.get(axis, range(extent))) for axis, extent in enumerate(x.shape))

    def rows(row: Array | None) -> Array | None:
        if row is None or row.size == 1 or x.axis not in places:
            return row
        return row[list(places[x.axis])]

    return replace(x, value=value, base=shape, shape=shape, scale=rows(x.scale), bias=rows(x.bias))


def slice_(b: Builder, node: Node) -> Value:
    """Slice by attributes up to opset 9, by inputs after."""
    x = b.tensor(node)
    rank = len(x.shape)
    if node.has(1):
        starts, ends = integers(b, node, 1), integers(b, node, 2)
        axes = integers(b, node, 3) if node.has(3) else list(range(len(starts)))
        steps = integers(b, node, 4) if node.has(4) else [1] * len(starts)
    else:
        starts, ends = (list(attribute(node, name)) for name in ("starts", "ends"))
        axes = list(attribute(node, "axes")) or list(range(len(starts)))
        steps = [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise node.fail("its starts, ends, axes and steps are as many")
    axes = different(node, axes, rank)
    if 0 in steps:
        raise node.fail("a step is not 0")
    places = {
        axis: range(*slice(start, end, step).indices(x.shape[axis]))
        for start, end, axis, step in zip(starts, ends, axes, steps)
    }
    return cut(b, node, x, places)


def attribute(node: Node, name: str) -> tuple[int, ...]:
    """A list of integers of any length; empty if it is not there."""
    given = node.attributes.get(name, ())
    if not isinstance(given, tuple) or not all(isinstance(v, int) for v in given):
        raise node.fail(f"attribute '{name}' is a list of integers")
    return tuple(int(v) for v in given)


def split(b: Builder, node: Node) -> tuple[Value, ...]:
    """Split in parts of given sizes, or of equal ones."""
    x = b.tensor(node)
    axis, count = axis_of(node, len(x.shape), 0), len(node.outputs)
    extent = x.shape[axis]
    sizes = integers(b, node, 1) if node.has(1) else list(attribute(node, "split"))
    if not sizes:
        each = -(-extent // count)
        sizes = [*[each] * (count - 1), extent - each * (count - 1)]
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 1:
        raise node.fail(f"parts of {sizes} do not make {count} of {extent}")
    ends = np.cumsum(sizes).tolist()
    return tuple(cut(b, node, x, {axis: range(e - s, e)}) for s, e in zip(sizes, ends))


def gather(b: Builder, node: Node) -> Value:
    """Gather at known places along an axis, as a few slices."""
    x, found = b.tensor(node), b.constant(node, 1).values
    axis = axis_of(node, len(x.shape), 0)
    extent = x.shape[axis]
    if found.ndim > 1 or found.dtype.kind != "i" or found.size == 0:
        raise node.fail("its indices are known integers, one or a list")
    places = [int(v) for v in found.ravel()]
    if not all(-extent <= v < extent for v in places):
        raise node.fail(f"an index lies outside the {extent} of axis {axis}")
    runs = evenly_spaced([v % extent for v in places])
    if len(runs) > MOST_RUNS:
        raise node.fail(f"its indices are not evenly spaced, nor in {MOST_RUNS} runs that are")
    y = join(b, node, [cut(b, node, x, {axis: run}) for run in runs], axis)
    if found.ndim:
        return y
    shape = y.shape[:axis] + y.shape[axis + 1 :]
    if not shape:
        raise node.fail("gives one number without axes: gather a list of one index")
    return to_shape(b, node, y, shape)


def evenly_spaced(places: Sequence[int]) -> list[range]:
    """The ranges that give these places one after another."""
    runs: list[list[int]] = []
    for place in places:
        last = runs[-1] if runs else []
        step = last[1] - last[0] if len(last) > 1 else place - last[0] if last else 0
        if step and place - last[-1] == step:
            last.append(place)
        else:
            runs.append([place])
    steps = [next((after - one for one, after in pairwise(run)), 1) for run in runs]
    return [range(run[0], run[-1] + (1 if s > 0 else -1), s) for run, s in zip(runs, steps)]


# Wholes


def concat(b: Builder, node: Node) -> Value:
    """Concat; tensors of codes stay codes if all have one scale."""
    parts = [b.tensor(node, index) for index in range(len(node.inputs))]
    axis = axis_of(node, len(parts[0].shape), 1)
    others = {(*one.shape[:axis], *one.shape[axis + 1 :]) for one in parts}
    if len(others) > 1 or len({len(one.shape) for one in parts}) > 1:
        shapes = ", ".join(str(list(one.shape)) for one in parts)
        raise node.fail(f"joins {shapes} along axis {axis}: the other extents differ")
    return join(b, node, parts, axis)


def join(b: Builder, node: Node, parts: Sequence[Tensor], axis: int) -> Tensor:
    """Tensors one after another along an ONNX axis."""
    if len(parts) == 1:
        return parts[0]
    parts = alike(b, node, [in_order(b, node, one) for one in parts])
    first = parts[0]
    parts = [b.arranged(node, one, first.axes) for one in parts]
    shape = list(first.shape)
    shape[axis] = sum(one.shape[axis] for one in parts)
    bounded(node, shape)
    value = b.emit(node, ConcatOp([one.value for one in parts], first.stored_axis(axis)))
    return replace(first, value=value, base=tuple(shape), shape=tuple(shape))


def alike(b: Builder, node: Node, parts: Sequence[Tensor]) -> list[Tensor]:
    """Tensors as codes of one type if they have one scale and zero point, else in f32."""
    if all(one.is_integers for one in parts) and len({one.element for one in parts}) == 1:
        return list(parts)
    codes = [one for one in parts if one.is_codes and one.scale is not None]
    if len({(*one.scale, one.zero) for one in codes if one.scale is not None}) != 1 or (
        len(codes) < len(parts) or codes[0].scale is None or codes[0].scale.size > 1
    ):
        return [b.to_float(node, one) for one in parts]
    if len({one.element for one in codes}) == 1:
        return codes
    ends = [value_range(one.element) for one in codes]
    wide = code_for(min(low for low, _ in ends), max(high for _, high in ends))
    if wide is None:
        return [b.to_float(node, one) for one in parts]
    return [
        one
        if one.element == wide
        else replace(
            one, value=b.emit(node, RequantizeOp(one.value, b.known(node, ONE, f32, "one"), wide))
        )
        for one in codes
    ]


def bounded(node: Node, shape: Sequence[int]) -> None:
    """Refuse a shape that is too large."""
    if prod(shape) > MAX_ELEMENTS:
        raise node.fail(f"gives {list(shape)}, more than {MAX_ELEMENTS} elements, the limit here")


def repeated(b: Builder, node: Node, x: Tensor, factors: Sequence[int]) -> Tensor:
    """Each element of `x` several times in a row, by ONNX axis."""
    x = in_order(b, node, x)
    if all(factor == 1 for factor in factors):
        return x
    shape = tuple(extent * factor for extent, factor in zip(x.shape, factors))
    bounded(node, shape)
    if x.has_rows and factors[x.axis] > 1:
        x = b.to_float(node, x)
    value = b.emit(node, RepeatOp(x.value, [factors[axis] for axis in x.axes]))
    return replace(x, value=value, base=shape, shape=shape)


def expand(b: Builder, node: Node) -> Value:
    """Expand what is one long."""
    x, target = b.tensor(node), integers(b, node, 1)
    try:
        shape = np.broadcast_shapes(x.shape, tuple(target))
    except ValueError:
        raise node.fail(f"cannot expand {list(x.shape)} to {target}") from None
    bounded(node, shape)
    if len(shape) > 6:
        raise node.fail(f"gives rank {len(shape)}; up to 6 is imported")
    x = to_shape(b, node, x, (1,) * (len(shape) - len(x.shape)) + x.shape)
    return repeated(b, node, x, [want // have for want, have in zip(shape, x.shape)])


def tile(b: Builder, node: Node) -> Value:
    """Tile: the whole several times along each axis."""
    x, times = b.tensor(node), integers(b, node, 1)
    if len(times) != len(x.shape) or min(times) < 1:
        raise node.fail(f"repeats {times} are a number of at least 1 for each axis")
    bounded(node, [extent * count for extent, count in zip(x.shape, times)])
    single = [extent == 1 for extent in x.shape]
    x = repeated(b, node, x, [n if one else 1 for n, one in zip(times, single)])
    for axis, (count, one) in enumerate(zip(times, single)):
        if count > 1 and not one:
            rows = x.has_rows
            x = b.to_float(node, x) if rows and x.axis == axis else x
            x = copies(b, node, x, axis, count)
    return x


def copies(b: Builder, node: Node, x: Tensor, axis: int, count: int) -> Tensor:
    """`x` so many times along an axis, by doubling: few ops, each of few operands."""
    parts: list[Tensor] = []
    while count:
        if count % 2:
            parts.append(x)
        count //= 2
        x = join(b, node, [x, x], axis) if count else x
    return join(b, node, parts, axis)


OPS: dict[str, Callable[[Builder, Node], Value | tuple[Value, ...]]] = {
    "Concat": concat,
    "Expand": expand,
    "Gather": gather,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
}
