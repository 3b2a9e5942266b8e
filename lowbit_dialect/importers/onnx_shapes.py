"""Reshape and its kin, Transpose, Shape, Identity, Dropout and Constant: mostly no op at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import TensorType

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_regroup import regrouped
from lowbit_dialect.importers.onnx_tensor import Tensor, Value, is_row_major
from lowbit_dialect.ops.reshaping import ReshapeOp


def integers(b: Builder, node: Node, index: int) -> list[int]:
    """Input `index`, a short list of known integers."""
    values = b.constant(node, index).values
    if values.dtype.name not in ("int64", "int32") or values.ndim != 1 or values.size > 16:
        raise node.fail(f"input {index} is a short list of known integers")
    return [int(v) for v in values]


def reshape(b: Builder, node: Node) -> Value:
    """Reshape to a known shape."""
    x, target = b.tensor(node), integers(b, node, 1)
    if not node.integer("allowzero", 0):
        if any(v == 0 and at >= len(x.shape) for at, v in enumerate(target)):
            raise node.fail(f"the shape {target} copies an extent that {list(x.shape)} lacks")
        target = [x.shape[at] if v == 0 else v for at, v in enumerate(target)]
    if b.batch is not None and x.shape[:1] == (b.batch,) and target[:1] != [-1]:
        # The file was traced with a batch of its own, which its constant shapes hold.
        batched = filled([b.batch, *target[1:]], x.shape)
        target = batched if prod(batched) == prod(x.shape) else target
    target = filled(target, x.shape)
    if any(v < 1 for v in target) or prod(target) != prod(x.shape):
        raise node.fail(f"the shape {target} does not hold the elements of {list(x.shape)}")
    if not 1 <= len(target) <= 6:
        raise node.fail(f"gives rank {len(target)}; 1 to 6 are imported")
    return to_shape(b, node, x, tuple(target))


def filled(target: list[int], shape: tuple[int, ...]) -> list[int]:
    """`target` with the one extent that it leaves open."""
    if target.count(-1) != 1:
        return target
    return [prod(shape) // max(-prod(target), 1) if v == -1 else v for v in target]


def squeeze(b: Builder, node: Node) -> Value:
    """Squeeze: axes of extent 1 go."""
    x = b.tensor(node)
    every = [axis for axis, extent in enumerate(x.shape) if extent == 1]
    axes = listed_axes(b, node, len(x.shape), every)
    if any(x.shape[axis] != 1 for axis in axes):
        raise node.fail(f"axes {axes} of {list(x.shape)} are not all of extent 1")
    kept = [extent for axis, extent in enumerate(x.shape) if axis not in axes]
    if not kept:
        raise node.fail("gives one number without axes: keep one axis of extent 1")
    return to_shape(b, node, x, tuple(kept))


def unsqueeze(b: Builder, node: Node) -> Value:
    """Unsqueeze: axes of extent 1 come."""
    x = b.tensor(node)
    count = len(b.constant(node, 1).values.ravel()) if node.has(1) else 0
    given = node.attributes.get("axes")
    rank = len(x.shape) + (count if node.has(1) else len(given) if isinstance(given, tuple) else 0)
    if rank > 6:
        raise node.fail(f"gives rank {rank}; up to 6 is imported")
    axes = listed_axes(b, node, rank, None)
    rest = iter(x.shape)
    return to_shape(b, node, x, tuple(1 if a in axes else next(rest) for a in range(rank)))


def listed_axes(b: Builder, node: Node, rank: int, default: list[int] | None) -> list[int]:
    """The axes of a node, an input or an attribute, not negative; all different."""
    given = node.attributes.get("axes")
    if node.has(1):
        axes = integers(b, node, 1)
    elif isinstance(given, tuple):
        axes = list(node.integers("axes", (0,) * len(given)))
    elif default is not None:
        axes = default
    else:
        raise node.fail("its axes are missing")
    return different(node, axes, rank)


def different(node: Node, axes: Sequence[int], rank: int) -> list[int]:
    """Axes that are all different, not negative."""
    if not all(-rank <= axis < rank for axis in axes) or len({a % rank for a in axes}) < len(axes):
        raise node.fail(f"axes {list(axes)} are not different ones of {rank}")
    return [axis % rank for axis in axes]


def axis_of(node: Node, rank: int, default: int) -> int:
    """Attribute `axis`, not negative."""
    axis = node.integer("axis", default)
    if not -rank <= axis < rank:
        raise node.fail(f"axis {axis} is not one of {rank}")
    return axis % rank


def shape(b: Builder, node: Node) -> Constant:
    """Shape, which is static."""
    extents = b.tensor(node).shape
    rank = len(extents)
    ends = node.integer("start", 0), node.integer("end", rank)
    start, end = (min(max(at + rank if at < 0 else at, 0), rank) for at in ends)
    return whole_numbers(extents[start:end])


def size(b: Builder, node: Node) -> Constant:
    """Size, which is static."""
    return whole_numbers(prod(b.tensor(node).shape))


def whole_numbers(values: int | tuple[int, ...]) -> Constant:
    """Known numbers of i64."""
    return Constant(np.asarray(values, np.int64), (-(2**63), 2**63 - 1))


def flatten(b: Builder, node: Node) -> Value:
    """Flatten to two axes."""
    x = b.tensor(node)
    rank, axis = len(x.shape), node.integer("axis", 1)
    if not -rank <= axis <= rank:
        raise node.fail(f"axis {axis} is not one of {rank}")
    axis += rank if axis < 0 else 0
    return to_shape(b, node, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def to_shape(b: Builder, node: Node, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` in another shape of as many elements."""
    if x.shape == shape:
        return x
    if x.has_rows:
        axis = same_axis(x, shape)
        x = b.to_float(node, x) if axis is None else replace(x, axis=axis)
    flat = len(shape) == 2 and shape[0] == x.base[0] and x.axes[0] == 0
    if not flat or is_row_major(x.base, x.axes):
        return regrouped(b, node, b.row_major(node, x) if x.flattened else x, shape)
    value = b.emit(node, ReshapeOp(x.value, TensorType(x.element, shape)))
    return replace(x, value=value, shape=shape)


def ranked(b: Builder, node: Node, x: Tensor, rank: int) -> Tensor:
    """`x` with at least so many axes: what broadcasting adds comes first and is one long."""
    return to_shape(b, node, x, (1,) * (rank - len(x.shape)) + x.shape)


def same_axis(x: Tensor, shape: tuple[int, ...]) -> int | None:
    """Where the axis of the scale lies in another shape, if it stays one."""
    before, extent = prod(x.shape[: x.axis]), x.shape[x.axis]
    for axis in range(len(shape)):
        if shape[axis] == extent and prod(shape[:axis]) == before:
            return axis
    return None


def transpose(b: Builder, node: Node) -> Value:
    """Transpose: a new name for the axes, until something needs another order."""
    x = b.tensor(node)
    rank = len(x.shape)
    order = node.integers("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        raise node.fail(f"perm {list(order)} permutes no {rank} axes")
    x = b.row_major(node, x) if x.flattened else x
    shape = tuple(x.shape[axis] for axis in order)
    axes = tuple(order.index(axis) for axis in x.axes)
    axis = order.index(x.axis) if x.axis < rank else x.axis
    return replace(x, base=shape, shape=shape, axes=axes, axis=axis)


def identity(b: Builder, node: Node) -> Value:
    """The input itself."""
    return b.operand(node, 0)


def dropout(b: Builder, node: Node) -> Value:
    """Nothing at inference."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.fail("its second output, the mask, is not imported")
    if node.has(2) and np.any(b.constant(node, 2).values):
        raise node.fail("is in training form: export the model for inference")
    return b.operand(node, 0)


def constant(b: Builder, node: Node) -> Constant:
    """A known tensor in an attribute."""
    if isinstance(value := node.attributes.get("value"), Constant):
        return value
    for name, dtype in (("value_float", np.float32), ("value_floats", np.float32)):
        if isinstance(value := node.attributes.get(name), float | tuple):
            return Constant(np.asarray(value, dtype))
    for name in ("value_int", "value_ints"):
        if isinstance(value := node.attributes.get(name), int | tuple):
            return whole_numbers(value)  # pyright: ignore[reportArgumentType]
    raise node.fail("holds no tensor or numbers")


OPS = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Shape": shape,
    "Size": size,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Identity": identity,
    "Dropout": dropout,
    "Constant": constant,
}
