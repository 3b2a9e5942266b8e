"""Reshape, Flatten, Transpose, Pad, Identity, Dropout and Constant: mostly no op at all."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import TensorType

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_tensor import Tensor, Value, is_row_major
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.layout import ReshapeOp


def integers(b: Builder, node: Node, index: int) -> list[int]:
    """Input `index`, a short list of known integers."""
    values = b.constant(node, index).values
    if values.dtype.name not in ("int64", "int32") or values.ndim != 1 or values.size > 16:
        raise node.fail(f"input {index} is a short list of known integers")
    return [int(v) for v in values]


def reshape(b: Builder, node: Node) -> Value:
    """Reshape to a known shape."""
    x = b.operand(node, 0)
    target = integers(b, node, 1)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    if not node.integer("allowzero", 0):
        if any(v == 0 and at >= len(x.shape) for at, v in enumerate(target)):
            raise node.fail(f"the shape {target} copies an extent that {list(x.shape)} lacks")
        target = [x.shape[at] if v == 0 else v for at, v in enumerate(target)]
    if target.count(-1) == 1:
        known = -prod(target)
        target = [prod(x.shape) // max(known, 1) if v == -1 else v for v in target]
    if any(v < 1 for v in target) or prod(target) != prod(x.shape):
        raise node.fail(f"the shape {target} does not hold the elements of {list(x.shape)}")
    if not 1 <= len(target) <= 6:
        raise node.fail(f"gives rank {len(target)}; 1 to 6 are imported")
    return to_shape(b, node, x, tuple(target))


def flatten(b: Builder, node: Node) -> Value:
    """Flatten to two axes."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    rank, axis = len(x.shape), node.integer("axis", 1)
    if not -rank <= axis <= rank:
        raise node.fail(f"axis {axis} is not one of {rank}")
    axis += rank if axis < 0 else 0
    return to_shape(b, node, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def to_shape(
    b: Builder, node: Node, x: Tensor | Constant, shape: tuple[int, ...]
) -> Tensor | Constant:
    """`x` in another shape of as many elements."""
    if x.shape == shape:
        return x
    if isinstance(x, Constant):
        return Constant(x.values.reshape(shape), x.bounds, reshaped_scale(node, x, shape))
    if any(row is not None and row.size > 1 for row in (x.scale, x.bias)):
        x = b.to_float(node, x)
    flat = len(shape) == 2 and shape[0] == x.base[0] and x.axes[0] == 0
    if not flat and not is_row_major(x.base, x.axes):
        x = b.row_major(node, x)
    value = b.emit(node, ReshapeOp(x.value, TensorType(x.element, shape)))
    if is_row_major(x.base, x.axes):
        return replace(x, value=value, base=shape, axes=tuple(range(len(shape))), shape=shape)
    return replace(x, value=value, shape=shape)


def reshaped_scale(node: Node, x: Constant, shape: tuple[int, ...]) -> Array | None:
    """The scale of reshaped weights: one number, or one for each position of an axis 0 that stays."""
    if x.scale is None:
        return None
    if x.scale.size == 1:
        return x.scale.reshape((1,) * len(shape))
    if x.scale.size == x.scale.shape[0] == shape[0]:
        return x.scale.reshape((-1, *[1] * (len(shape) - 1)))
    raise node.fail("reshapes weights quantised per channel: quantise after the reshape")


def transpose(b: Builder, node: Node) -> Value:
    """Transpose: a new name for the axes, until something needs another order."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    rank = len(x.shape)
    order = node.integers("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        raise node.fail(f"perm {list(order)} permutes no {rank} axes")
    if isinstance(x, Constant):
        scale = None if x.scale is None else x.scale.transpose(order)
        return Constant(x.values.transpose(order), x.bounds, scale)
    x = b.row_major(node, x) if x.flattened else x
    shape = tuple(x.shape[axis] for axis in order)
    axes = tuple(order.index(axis) for axis in x.axes)
    axis = order.index(x.axis) if x.axis < rank else x.axis
    return replace(x, base=shape, shape=shape, axes=axes, axis=axis)


def pad(b: Builder, node: Node) -> Value:
    """Zeros round an image, which the next Conv takes over."""
    x = b.tensor(node)
    if node.text("mode", "constant") != "constant" or node.has(3):
        raise node.fail("mode is constant, over all axes")
    if node.has(2) and (b.reals(node, 2).size != 1 or b.reals(node, 2).ravel()[0] != 0):
        raise node.fail("pads with 0")
    pads = integers(b, node, 1) if node.has(1) else list(node.integers("pads", (0,) * 8))
    if len(x.shape) != 4 or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)):
        raise node.fail("pads the height and width of an image of rank 4")
    if not all(0 <= p < 2**20 for p in pads):
        raise node.fail("pads are not negative")
    top, left, bottom, right = (pads[i] for i in (2, 3, 6, 7))
    return replace(x, pads=(top, left, bottom, right))


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
            return Constant(np.asarray(value, np.int64), (-(2**63), 2**63 - 1))
    raise node.fail("holds no tensor or numbers")


OPS = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Pad": pad,
    "Identity": identity,
    "Dropout": dropout,
    "Constant": constant,
}
