"""Windows over one dimension: those over images of height 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps

from xdsl.dialects.builtin import TensorType

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Attribute, Constant, Node
from lowbit_dialect.importers.onnx_tensor import Tensor, Value
from lowbit_dialect.ops.reshaping import ReshapeOp

HEIGHT = 2
"""ONNX axis of an image that lines lack."""
NUMBERS = ("kernel_shape", "strides", "dilations", "pads", "output_padding")
Handler = Callable[[Builder, Node], Tensor]


def over_lines(handler: Handler) -> Handler:
    """A handler of images that takes N x C x L too, and weights and windows of one dimension with it."""

    @wraps(handler)
    def handle(b: Builder, node: Node) -> Tensor:
        x = b.operand(node, 0)
        if len(x.shape) != 3:
            return handler(b, node)
        images: list[Value] = [heightened(b, node, b.tensor(node))]
        if node.has(1) and len((w := b.constant(node, 1)).shape) == 3:
            images.append(of_height_one(w))
        inputs = b.reading(node, *images).inputs + node.inputs[len(images) :]
        attributes = {name: widened(node, name, v) for name, v in node.attributes.items()}
        return flattened(b, node, handler(b, replace(node, inputs=inputs, attributes=attributes)))

    return handle


def widened(node: Node, name: str, value: Attribute) -> Attribute:
    """An attribute of a window over a line as one over an image."""
    if name not in NUMBERS or not isinstance(value, tuple):
        return value
    if name == "pads":
        before, after = node.integers(name, (0, 0))
        return 0, before, 0, after
    return (int(name != "output_padding"), *node.integers(name, (1,)))


def of_height_one(w: Constant) -> Constant:
    """Weights of one dimension as those of two."""
    scale = None if w.scale is None else w.scale[:, :, None]
    return Constant(w.values[:, :, None], w.bounds, scale)


def heightened(b: Builder, node: Node, x: Tensor) -> Tensor:
    """Lines as images of height 1."""
    x = b.row_major(node, x) if x.flattened else x
    at = x.axes.index(HEIGHT)
    axes = [axis + (axis >= HEIGHT) for axis in x.axes]
    axes.insert(at, HEIGHT)
    shape = (*x.shape[:HEIGHT], 1, *x.shape[HEIGHT:])
    return reshaped(b, node, x, shape, tuple(axes), x.axis + (x.axis >= HEIGHT))


def flattened(b: Builder, node: Node, x: Tensor) -> Tensor:
    """Images of height 1 as lines."""
    axes = tuple(axis - (axis > HEIGHT) for axis in x.axes if axis != HEIGHT)
    shape = x.shape[:HEIGHT] + x.shape[HEIGHT + 1 :]
    return reshaped(b, node, x, shape, axes, x.axis - (x.axis > HEIGHT))


def reshaped(
    b: Builder, node: Node, x: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], axis: int
) -> Tensor:
    """`x` with another number of axes, and no element moved."""
    type = TensorType(x.element, [shape[axis] for axis in axes])
    value = b.emit(node, ReshapeOp(x.value, type))
    return replace(x, value=value, base=shape, shape=shape, axes=axes, axis=axis)
