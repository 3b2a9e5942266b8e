"""MaxPool, AveragePool and GlobalAveragePool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_lines import over_lines
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_tensor import NHWC, Tensor
from lowbit_dialect.importers.onnx_window import OnnxWindow, read_window, slide
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.elementwise import DivOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp

MOST_SUMS = 1 << 20
"""Sums of all channels together that are tried one by one."""


def image(b: Builder, node: Node) -> Tensor:
    """The input, an image of rank 4."""
    x = b.tensor(node)
    if len(x.shape) != 4:
        raise node.fail(f"takes images of rank 4, or 3, not {list(x.shape)}")
    return x


def pool_window(node: Node, x: Tensor) -> tuple[OnnxWindow, tuple[int, ...]]:
    """The window and the ONNX shape of the result."""
    if "kernel_shape" not in node.attributes:
        raise node.fail("attribute 'kernel_shape' is missing")
    if node.integer("ceil_mode", 0):
        raise node.fail("ceil_mode is 0: pad the image instead")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.fail("its second output, the indices, is not imported")
    window = read_window(node, x.shape[2:], (1, 1))
    return window, slide(node, window, window.padding, x.shape, x.shape[1])


@over_lines
def max_pool(b: Builder, node: Node) -> Tensor:
    """Largest element; on integers too, since their scale is positive."""
    x = image(b, node)
    window, shape = pool_window(node, x)
    x = b.arranged(node, x, NHWC)
    op = MaxPoolOp(
        x.value,
        window.kernel,
        strides=window.strides,
        padding=window.padding,
        dilations=window.dilations,
    )
    return replace(x, value=b.emit(node, op), base=shape, shape=shape)


@over_lines
def average_pool(b: Builder, node: Node) -> Tensor:
    """Mean; padding counts, or is absent."""
    x = image(b, node)
    window, shape = pool_window(node, x)
    if window.dilations != (1, 1):
        raise node.fail("has dilations; average pools have none")
    if any(window.padding) and not node.integer("count_include_pad", 0):
        raise node.fail("pads without count_include_pad: pad with a Pad node, or set it to 1")
    return average(b, node, x, window, shape)


@over_lines
def global_average_pool(b: Builder, node: Node) -> Tensor:
    """Mean of each channel."""
    return mean_of_image(b, node, image(b, node))


def mean_of_image(b: Builder, node: Node, x: Tensor) -> Tensor:
    """Mean over height and width, which become 1."""
    window = OnnxWindow(x.shape[2:], (1, 1), (1, 1), (0, 0, 0, 0))
    return average(b, node, x, window, (*x.shape[:2], 1, 1))


def average(
    b: Builder, node: Node, x: Tensor, window: OnnxWindow, shape: tuple[int, ...]
) -> Tensor:
    """Of codes the exact sum, scaled and divided as in the file; of anything else the f32 mean.

    ONNX leaves the order of a sum open: the exact one stands for all. Its scale takes the division where that
    gives the same f32 for every sum.
    """
    if not x.is_codes or (x.zero and any(window.padding)):
        x = b.to_float(node, x)
    x = b.arranged(node, x, NHWC)
    count = window.kernel[0] * window.kernel[1]
    op = AvgPoolOp(
        x.value,
        window.kernel,
        strides=window.strides,
        padding=window.padding,
        divisor=1 if x.scale is not None else None,
    )
    value = b.emit(node, op)
    if x.scale is None:
        return replace(x, value=value, base=shape, shape=shape)
    total = replace(x, value=value, base=shape, shape=shape, zero=x.zero * count)
    scale = divided(x, count)
    if scale is not None:
        return replace(total, scale=scale)
    total = b.to_float(node, total)
    number = b.known(node, np.array([count], np.float32), f32, "count")
    return total.holding(b.emit(node, DivOp(total.value, number)))


def divided(x: Tensor, count: int) -> Array | None:
    """The scale of the mean of `count` codes, with which `sum * scale` is the f32 `sum * x.scale / count`."""
    assert x.scale is not None
    scale = (x.scale.astype(np.float64) / count).astype(np.float32)
    if count & (count - 1) == 0:
        return scale
    low, high = (count * (end - x.zero) for end in value_range(x.element))
    sums = np.arange(min(low, 0), max(high, 0) + 1).astype(np.float32)
    if sums.size * x.scale.size > MOST_SUMS:
        return None
    pairs = zip(x.scale, scale)
    return (
        scale
        if all(np.array_equal(sums * a / np.float32(count), sums * b) for a, b in pairs)
        else None
    )


OPS = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
}
