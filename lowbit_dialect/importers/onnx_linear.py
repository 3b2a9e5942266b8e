"""Conv and ConvTranspose, and what every product does: integer sums of codes, f32 otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import TensorType, f32, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_fold import narrowed
from lowbit_dialect.importers.onnx_lines import over_lines
from lowbit_dialect.importers.onnx_model import Constant, ImportFailed, Node, shown
from lowbit_dialect.importers.onnx_moves import cut
from lowbit_dialect.importers.onnx_pads import Border, surrounded
from lowbit_dialect.importers.onnx_quantisers import filled, positive
from lowbit_dialect.importers.onnx_sums import as_sums
from lowbit_dialect.importers.onnx_tensor import NHWC, Tensor, constant_code, in_signs
from lowbit_dialect.importers.onnx_window import OnnxWindow, read_window, slide
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import I32_MAX, ints, value_range
from lowbit_dialect.ops.elementwise import AddOp
from lowbit_dialect.ops.linear import Conv2dOp, LinearOp
from lowbit_dialect.ranges import accumulator_range, bounds_of_sums

Make = Callable[[Tensor, SSAValue, Attribute], LinearOp]
"""Builds the op from its input, its weights and the element type of its result."""


@over_lines
def conv(b: Builder, node: Node) -> Tensor:
    """Convolution: NCHW and OIHW become NHWC and HWIO."""
    x, w, groups = operands(b, node)
    outputs, inputs = w.shape[:2]
    if groups < 1 or inputs * groups != x.shape[1] or outputs % groups:
        raise unfit(node, x, w, groups)
    top, left, bottom, right = x.pads
    window = read_kernel(node, (x.shape[2] + top + bottom, x.shape[3] + left + right), w)
    around = tuple(p + q for p, q in zip(window.padding, x.pads))
    return convolve(b, node, x, w, replace(window, padding=around), groups)


@over_lines
def conv_transpose(b: Builder, node: Node) -> Tensor:
    """ConvTranspose: the Conv by the kernel turned round over an image with zeros between its pixels."""
    x, w, groups = operands(b, node)
    if groups < 1 or w.shape[0] != x.shape[1] or w.shape[0] % groups:
        raise unfit(node, x, w, groups)
    window = read_kernel(node, x.shape[2:], w)
    if node.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID", ""):
        raise node.fail("auto_pad is NOTSET: export with pads")
    if "output_shape" in node.attributes:
        raise node.fail("output_shape is not there: export with pads and output_padding")
    more = node.integers("output_padding", (0, 0))
    if not all(0 <= one < max(s, d) for one, s, d in zip(more, window.strides, window.dilations)):
        raise node.fail("output_padding is less than the stride or the dilation")
    between = (0, 0, *(stride - 1 for stride in window.strides))
    x = surrounded(b, node, x, Border((0,) * 4, (0,) * 4, 0.0), between)
    reach = [dilation * (size - 1) for dilation, size in zip(window.dilations, window.kernel)]
    top, left, bottom, right = (r - p for r, p in zip(reach * 2, window.padding))
    ends = (top, left, bottom + more[0], right + more[1])
    around = tuple(max(end, 0) for end in ends)
    still = replace(window, strides=(1, 1), padding=around)
    y = convolve(b, node, x, turned(w, groups), still, groups)
    # A padding that is wider than the kernel reaches crops.
    kept = {
        axis: range(max(-ends[axis - 2], 0), y.shape[axis] + min(ends[axis], 0)) for axis in (2, 3)
    }
    return cut(b, node, y, kept)


def turned(w: Constant, groups: int) -> Constant:
    """Weights IOHW of a ConvTranspose as those of the Conv, OIHW, turned round."""

    def turn(values: Array) -> Array:
        inputs, each, *kernel = values.shape
        split = values.reshape(groups, inputs // groups, each, *kernel).swapaxes(1, 2)
        return split.reshape(groups * each, inputs // groups, *kernel)[:, :, ::-1, ::-1]

    scale = w.scale
    if scale is not None:
        scale = narrowed(turn(np.broadcast_to(scale, w.shape)))
    return Constant(turn(w.values), w.bounds, scale)


def operands(b: Builder, node: Node) -> tuple[Tensor, Constant, int]:
    """The image, the weights, and the number of groups."""
    x, w = b.tensor(node), b.constant(node, 1)
    if len(x.shape) != 4 or w.values.ndim != 4 or w.values.size == 0:
        raise node.fail(f"takes rank 3 or 4, not {list(x.shape)} and weights {list(w.shape)}")
    return x, w, node.integer("group", 1)


def unfit(node: Node, x: Tensor, w: Constant, groups: int) -> ImportFailed:
    """The error of weights for another number of channels."""
    return node.fail(
        f"weights {list(w.shape)} in {groups} groups do not fit {x.shape[1]} input channels"
    )


def read_kernel(node: Node, size: Sequence[int], w: Constant) -> OnnxWindow:
    """The window of a node, whose kernel is that of its weights."""
    window = read_window(node, size, w.shape[2:])
    if window.kernel != w.shape[2:]:
        raise node.fail(
            f"kernel_shape {list(window.kernel)} is not that of weights {list(w.shape)}"
        )
    return window


def convolve(
    b: Builder, node: Node, x: Tensor, w: Constant, window: OnnxWindow, groups: int
) -> Tensor:
    """The convolution of an image by weights OIHW and the bias of a node; the window pads all of it."""
    outputs = w.shape[0]
    result = slide(node, window, window.padding, x.shape, outputs)
    x = replace(b.arranged(node, x, NHWC), pads=(0, 0, 0, 0))
    low, high = value_range(x.element) if x.zero else (0, 0)
    if not low <= x.zero <= high:
        x = b.to_float(node, x)  # of a MultiThreshold none of whose codes mean 0, as padding does
    shape = [result[axis] for axis in NHWC]

    def make(x: Tensor, weights: SSAValue, element: Attribute) -> LinearOp:
        return Conv2dOp(
            x.value,
            weights,
            TensorType(element, shape),
            strides=window.strides,
            padding=window.padding,
            dilations=window.dilations,
            groups=groups,
            pad_value=x.zero,
        )

    bias = b.vector(node, 2, outputs) if node.has(2) else None
    return contract(b, node, x, w, (2, 3, 1, 0), make, (result, NHWC), bias, groups)


def contract(
    b: Builder,
    node: Node,
    x: Tensor,
    w: Constant,
    axes: tuple[int, ...],
    make: Make,
    result: tuple[tuple[int, ...], tuple[int, ...]],
    bias: Array | None,
    groups: int = 1,
) -> Tensor:
    """The product itself; `axes` puts the weights in order, `result` is the ONNX shape and axes."""
    shape, order = result
    w = in_signs(w, axes[-1])
    ends = None
    if not x.is_codes and (sums := as_sums(b, node, x, w, axes[-1])):
        x, ends = sums
    scale = sum_scale(node, x, w, axes[-1], groups) if x.is_codes or ends else None
    if scale is not None:
        value = integer_sum(b, node, x, w, axes, make, ends)
        return Tensor(value, shape, order, shape, scale, bias)
    x = b.to_float(node, x)
    weights = w.real
    if weights.dtype != np.float32 or not np.isfinite(weights).all():
        raise node.fail(f"weights {shown(node.inputs[1])} are not finite float32")
    table = b.known(node, weights.transpose(axes), f32, node.inputs[1])
    y = Tensor(b.emit(node, make(x, table, f32)), shape, order, shape)
    if bias is None:
        return y
    row, axis = b.row(node, y, bias, f"{node.outputs[0]}_bias")
    return y.holding(b.emit(node, AddOp(y.value, row, axis=axis)))


def sum_scale(node: Node, x: Tensor, w: Constant, outputs: int, groups: int) -> Array | None:
    """What sums of integers are scaled by; None if no number of each output is it, or no integers hold them.

    `outputs` is the axis of the weights that counts outputs.
    """
    if x.scale is None or w.scale is None:
        return None
    if any(extent != 1 for axis, extent in enumerate(w.scale.shape) if axis != outputs):
        return None
    limits = np.iinfo(np.int16)
    if not np.all((w.values >= limits.min) & (w.values <= limits.max)):
        return None
    scale = x.scale.astype(np.float64)
    if scale.size > 1:
        each = scale.reshape(groups, -1) if x.axis == 1 else scale.reshape(1, -1)
        if np.any(each != each[:, :1]):
            return None
        scale = np.repeat(each[:, 0], w.shape[outputs] // groups)
    scale = scale * w.scale.ravel().astype(np.float64)
    return filled(positive(node, scale.astype(np.float32)), 1)


def integer_sum(
    b: Builder,
    node: Node,
    x: Tensor,
    w: Constant,
    axes: tuple[int, ...],
    make: Make,
    ends: tuple[int, int] | None,
) -> SSAValue:
    """The i32 sums, free of the zero point; `ends` are those of `x` if its type has wider ones."""
    code: Attribute = constant_code(w) or i16
    values = w.values.astype(np.int32).transpose(axes)
    weights = b.known(node, values, code, node.inputs[1])
    op = make(x, weights, i32)
    if ends is not None:
        low, high = bounds_of_sums(values, tuple(range(values.ndim - 1)), ends)
        op.range = ints((min(0, int(low.min())), max(0, int(high.max()))))
    value = b.emit(node, op)
    return subtract_zero(b, node, x.zero, value, values) if x.zero else value


def subtract_zero(b: Builder, node: Node, zero: int, value: SSAValue, weights: Array) -> SSAValue:
    """Take `zero * sum w` off each channel; outside the image the zero point was summed as well."""
    op = value.owner
    assert isinstance(op, LinearOp)
    correction = -zero * weights.reshape(-1, weights.shape[-1]).astype(np.int64).sum(axis=0)
    bounds = accumulator_range(op.contraction, op.weights)
    assert bounds is not None
    reach = max(abs(int(v)) for table in bounds for v in (table.min(), table.max()))
    if reach + int(np.abs(correction).max()) > I32_MAX:
        raise node.fail("the sum less the zero point can wrap in i32: use fewer bits")
    row = b.known(node, correction, i32, "zero_point_sum")
    return b.emit(node, AddOp(value, row))


OPS = {"Conv": conv, "ConvTranspose": conv_transpose}
