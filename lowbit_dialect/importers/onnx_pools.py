"""MaxPool and AveragePool, with what a window past the end counts for, and their global forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_lines import over_lines
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_tensor import NHWC, Tensor
from lowbit_dialect.importers.onnx_window import OnnxWindow, read_window, slide
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.elementwise import DivOp
from lowbit_dialect.ops.movement import RepeatOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp

MOST_SUMS = 1 << 20
"""Sums of all channels together that are tried one by one."""


def image(b: Builder, node: Node) -> Tensor:
    """The input, an image of rank 4."""
    x = b.tensor(node)
    if len(x.shape) != 4:
        raise node.fail(f"takes images of rank 4, or 3, not {list(x.shape)}")
    # Scales by row or column are not those of a window.
    return b.to_float(node, x) if x.has_rows and x.axis > 1 else x


@dataclass(frozen=True)
class Pool:
    """The window of a pool, padded as far as its outputs reach."""

    window: OnnxWindow
    shape: tuple[int, ...]
    """ONNX shape of the result."""
    file: OnnxWindow
    """The window as the file pads it: less where `ceil_mode` lets outputs begin that end outside."""

    def counts(self, size: Sequence[int], padding: bool) -> Array:
        """How many positions under each window are in an image of `size`, or in its `padding` too."""
        rows, columns = (self._axis(axis, extent, padding) for axis, extent in enumerate(size))
        return np.outer(rows, columns)

    def _axis(self, axis: int, size: int, padding: bool) -> Array:
        kernel, stride, step = (
            numbers[axis] for numbers in (self.file.kernel, self.file.strides, self.file.dilations)
        )
        before, after = self.file.padding[axis], self.file.padding[axis + 2]
        begin = stride * np.arange(self.shape[axis + 2]) - before
        low, high = (-before, size + after) if padding else (0, size)
        first, last = (np.clip(-((begin - end) // step), 0, kernel) for end in (low, high))
        return last - first


def pool_window(node: Node, x: Tensor) -> Pool:
    """The window of a pool and what it gives."""
    if "kernel_shape" not in node.attributes:
        raise node.fail("attribute 'kernel_shape' is missing")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.fail("its second output, the indices, is not imported")
    window = file = read_window(node, x.shape[2:], (1, 1))
    if node.integer("ceil_mode", 0):
        window = rounded_up(file, x.shape[2:])
    return Pool(window, slide(node, window, window.padding, x.shape, x.shape[1]), file)


def rounded_up(window: OnnxWindow, size: Sequence[int]) -> OnnxWindow:
    """A window that also gives the outputs that begin in the image, or before it, and end outside."""
    after: list[int] = []
    for axis in (0, 1):
        reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1
        begin, end, stride = *window.padding[axis::2], window.strides[axis]
        outputs = -(-(begin + size[axis] + end - reach) // stride)  # but one
        if outputs * stride >= begin + size[axis]:
            outputs -= 1
        after.append(max(end, outputs * stride + reach - begin - size[axis]))
    return replace(window, padding=(*window.padding[:2], *after))


@over_lines
def max_pool(b: Builder, node: Node) -> Tensor:
    """Largest element; on integers too, since their scale is positive."""
    x = image(b, node)
    pool = pool_window(node, x)
    return largest(b, node, x, pool.window, pool.shape)


@over_lines
def global_max_pool(b: Builder, node: Node) -> Tensor:
    """Largest element of each channel."""
    x = image(b, node)
    return largest(b, node, x, whole_image(x), (*x.shape[:2], 1, 1))


def largest(
    b: Builder, node: Node, x: Tensor, window: OnnxWindow, shape: tuple[int, ...]
) -> Tensor:
    """Largest element under a window."""
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
    """Mean; what the window sees of the padding counts, or does not."""
    x = image(b, node)
    pool = pool_window(node, x)
    if pool.window.dilations != (1, 1):
        raise node.fail("has dilations: average pools without are imported")
    counts = pool.counts(x.shape[2:], bool(node.integer("count_include_pad", 0)))
    if counts.min() < 1:
        raise node.fail("a window lies in the padding alone, where it has no mean")
    return average(b, node, x, pool.window, pool.shape, counts)


@over_lines
def global_average_pool(b: Builder, node: Node) -> Tensor:
    """Mean of each channel."""
    return mean_of_image(b, node, image(b, node))


def mean_of_image(b: Builder, node: Node, x: Tensor) -> Tensor:
    """Mean over height and width, which become 1."""
    count = np.array([[x.shape[2] * x.shape[3]]])
    return average(b, node, x, whole_image(x), (*x.shape[:2], 1, 1), count)


def whole_image(x: Tensor) -> OnnxWindow:
    """A window over all pixels."""
    return OnnxWindow(x.shape[2:], (1, 1), (1, 1), (0, 0, 0, 0))


def average(
    b: Builder,
    node: Node,
    x: Tensor,
    window: OnnxWindow,
    shape: tuple[int, ...],
    counts: Array,
) -> Tensor:
    """Of codes the exact sum, scaled and divided as in the file; of anything else the f32 mean.

    ONNX leaves the order of a sum open: the exact one stands for all. Its scale takes the division where that
    gives the same f32 for every sum, which is of as many elements everywhere. `counts` says of how many each
    window is the mean.
    """
    if not x.is_codes or (x.zero and any(window.padding)):
        x = b.to_float(node, x)
    x = b.arranged(node, x, NHWC)
    same = bool(np.all(counts == counts[0, 0]))
    count = int(counts[0, 0]) if same else 1
    op = AvgPoolOp(
        x.value,
        window.kernel,
        strides=window.strides,
        padding=window.padding,
        divisor=1 if x.scale is not None else count,
    )
    total = replace(x, value=b.emit(node, op), base=shape, shape=shape)
    if x.scale is not None:
        total = replace(total, zero=x.zero * window.kernel[0] * window.kernel[1])
        if same and (scale := divided(x, count)) is not None:
            return replace(total, scale=scale)
        total = b.to_float(node, total)
    elif same:
        return total
    return total.holding(b.emit(node, DivOp(total.value, divisors(b, node, total, counts))))


def divisors(b: Builder, node: Node, x: Tensor, counts: Array) -> SSAValue:
    """One divisor for all, or one for each pixel of an image stored NHWC."""
    if np.all(counts == counts[0, 0]):
        return b.known(node, counts[0, :1].astype(np.float32), f32, "count")
    image = b.known(node, counts[None, :, :, None].astype(np.float32), f32, "counts")
    return b.emit(node, RepeatOp(image, (x.shape[0], 1, 1, x.shape[1])), "counts")


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
    "GlobalMaxPool": global_max_pool,
}
