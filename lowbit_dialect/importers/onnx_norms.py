"""Softmax and the normalisations that are computed at run time, step by step as ONNX defines them in f32."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from lowbit_dialect.importers.onnx_binary import combine, with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_rows import reduced
from lowbit_dialect.importers.onnx_shapes import axis_of, to_shape
from lowbit_dialect.importers.onnx_tensor import Tensor
from lowbit_dialect.ops.elementwise import AddOp, ApplyOp, DivOp, MulOp

EACH_AXIS_FROM = 13
"""Opset from which a Softmax runs along one axis, the last by default; before, along all from axis 1 on."""
SCALE_A_CHANNEL_FROM = 21
"""Opset from which a GroupNormalization has a scale for each channel, not each group."""


def applied(b: Builder, node: Node, function: str, x: Tensor) -> Tensor:
    """A function of each number."""
    return x.holding(b.emit(node, ApplyOp(function, x.value), function))


def less(b: Builder, node: Node, x: Tensor, y: Tensor) -> Tensor:
    """`x - y`."""
    return combine(b, node, x, applied(b, node, "neg", y), AddOp)


def shifted(b: Builder, node: Node) -> tuple[Tensor, list[int]]:
    """The input less its largest numbers, and the axes of a Softmax."""
    x = b.to_float(node, b.tensor(node))
    each = b.folder.opset >= EACH_AXIS_FROM
    axis = axis_of(node, len(x.shape), -1 if each else 1)
    axes = [axis] if each else list(range(axis, len(x.shape)))
    return less(b, node, x, reduced(b, node, x, axes, "max")), axes


def softmax(b: Builder, node: Node) -> Tensor:
    """Softmax."""
    x, axes = shifted(b, node)
    powers = applied(b, node, "exp", x)
    return combine(b, node, powers, reduced(b, node, powers, axes, "sum"), DivOp)


def log_softmax(b: Builder, node: Node) -> Tensor:
    """LogSoftmax."""
    x, axes = shifted(b, node)
    total = reduced(b, node, applied(b, node, "exp", x), axes, "sum")
    return less(b, node, x, applied(b, node, "log", total))


def by_root(b: Builder, node: Node, x: Tensor, axes: Sequence[int], reciprocal: bool) -> Tensor:
    """`x` by the root of its mean square plus epsilon, which is divided by or multiplied as its inverse."""
    square = x.holding(b.emit(node, MulOp(x.value, x.value), "square"))
    mean = reduced(b, node, square, axes, "mean")
    epsilon = np.array(node.number("epsilon", 1e-5), np.float32)
    root = applied(b, node, "sqrt", with_known(b, node, mean, epsilon, AddOp))
    if reciprocal:
        return combine(b, node, x, applied(b, node, "reciprocal", root), MulOp)
    return combine(b, node, x, root, DivOp)


def normalised(b: Builder, node: Node, x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x` less its mean, by its deviation."""
    centred = less(b, node, x, reduced(b, node, x, axes, "mean"))
    return by_root(b, node, centred, axes, reciprocal=True)


def scaled(b: Builder, node: Node, x: Tensor, shape: Sequence[int]) -> Tensor:
    """`x` by the scale and plus the bias of a node, which have as many numbers as `shape`."""
    for index, kind in ((1, MulOp), (2, AddOp)):
        if node.has(index):
            values = b.reals(node, index)
            if values.size not in (1, prod(shape)):
                raise node.fail(f"its input {index} of shape {list(values.shape)} is not {shape}")
            values = values.reshape(shape if values.size > 1 else ())
            x = with_known(b, node, x, values, kind)
    return x


def last_axes(node: Node, x: Tensor) -> list[int]:
    """The axes that a normalisation runs along: all from attribute `axis` on."""
    if any(node.outputs[1:]):
        raise node.fail("its outputs beside the first are for training and not imported")
    return list(range(axis_of(node, len(x.shape), -1), len(x.shape)))


def layer_norm(b: Builder, node: Node) -> Tensor:
    """LayerNormalization."""
    x = b.to_float(node, b.tensor(node))
    axes = last_axes(node, x)
    return scaled(b, node, normalised(b, node, x, axes), [x.shape[axis] for axis in axes])


def rms_norm(b: Builder, node: Node) -> Tensor:
    """RMSNormalization."""
    x = b.to_float(node, b.tensor(node))
    axes = last_axes(node, x)
    y = by_root(b, node, x, axes, reciprocal=False)
    return scaled(b, node, y, [x.shape[axis] for axis in axes])


def instance_norm(b: Builder, node: Node) -> Tensor:
    """InstanceNormalization: each channel of each image."""
    x = b.to_float(node, b.tensor(node))
    rank = len(x.shape)
    if rank < 3:
        raise node.fail(f"takes rank 3 or more, not {list(x.shape)}")
    y = normalised(b, node, x, range(2, rank))
    return scaled(b, node, y, [x.shape[1], *[1] * (rank - 2)])


def group_norm(b: Builder, node: Node) -> Tensor:
    """GroupNormalization: channels in groups."""
    x, groups = b.to_float(node, b.tensor(node)), node.integer("num_groups", 0)
    if len(x.shape) < 3 or groups < 1 or x.shape[1] % groups:
        raise node.fail(f"has {groups} groups, which {list(x.shape)} has no channels for")
    rest = prod(x.shape[1:]) // groups
    y = normalised(b, node, to_shape(b, node, x, (x.shape[0], groups, rest)), [2])
    if b.folder.opset < SCALE_A_CHANNEL_FROM:
        return to_shape(b, node, scaled(b, node, y, [groups, 1]), x.shape)
    return scaled(b, node, to_shape(b, node, y, x.shape), [x.shape[1], *[1] * len(x.shape[2:])])


OPS = {
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LogSoftmax": log_softmax,
    "RMSNormalization": rms_norm,
    "Softmax": softmax,
}
