"""Conv, Gemm and MatMul: integer sums of codes with codes, f32 otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import TensorType, f32, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_lines import over_lines
from lowbit_dialect.importers.onnx_model import Constant, Node, shown
from lowbit_dialect.importers.onnx_quantisers import filled, positive
from lowbit_dialect.importers.onnx_tensor import NHWC, Tensor, constant_code, in_signs
from lowbit_dialect.importers.onnx_window import read_window, slide
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import I32_MAX
from lowbit_dialect.ops.elementwise import AddOp
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp, LinearOp
from lowbit_dialect.ranges import accumulator_range

Make = Callable[[Tensor, SSAValue, Attribute], LinearOp]
"""Builds the op from its input, its weights and the element type of its result."""


@over_lines
def conv(b: Builder, node: Node) -> Tensor:
    """Convolution: NCHW and OIHW become NHWC and HWIO."""
    x, w = b.tensor(node), b.constant(node, 1)
    if len(x.shape) != 4 or w.values.ndim != 4 or w.values.size == 0:
        raise node.fail(f"takes rank 3 or 4, not {list(x.shape)} and weights {list(w.shape)}")
    top, left, bottom, right = x.pads
    padded = (x.shape[2] + top + bottom, x.shape[3] + left + right)
    window = read_window(node, padded, w.shape[2:])
    groups = node.integer("group", 1)
    if window.kernel != w.shape[2:]:
        raise node.fail(
            f"kernel_shape {list(window.kernel)} is not that of weights {list(w.shape)}"
        )
    outputs, inputs = w.shape[:2]
    if groups < 1 or inputs * groups != x.shape[1] or outputs % groups:
        raise node.fail(
            f"weights {list(w.shape)} in {groups} groups do not fit {x.shape[1]} input channels"
        )
    padding = tuple(p + q for p, q in zip(window.padding, x.pads))
    result = slide(node, window, padding, x.shape, outputs)
    x = b.arranged(node, x, NHWC)
    shape = [result[axis] for axis in NHWC]

    def make(x: Tensor, weights: SSAValue, element: Attribute) -> LinearOp:
        return Conv2dOp(
            x.value,
            weights,
            TensorType(element, shape),
            strides=window.strides,
            padding=padding,
            dilations=window.dilations,
            groups=groups,
            pad_value=x.zero,
        )

    bias = b.vector(node, 2, outputs) if node.has(2) else None
    return contract(b, node, x, w, (2, 3, 1, 0), make, (result, NHWC), bias, groups)


def gemm(b: Builder, node: Node) -> Tensor:
    """`alpha A B + beta C` with known B and C."""
    if node.integer("transA", 0):
        raise node.fail("transA is 0: transpose the activation instead")
    if node.number("alpha", 1.0) != 1.0:
        raise node.fail(f"alpha is 1, not {node.number('alpha', 1.0)}: fold it into the weights")
    axes = (1, 0) if node.integer("transB", 0) else (0, 1)
    bias = None
    if node.has(2):
        values = b.reals(node, 2)
        if values.ndim > 2 or values.size != (values.shape[-1] if values.ndim else 1):
            raise node.fail(f"C of shape {list(values.shape)} is not one row")
        bias = values.reshape(-1) * np.float32(node.number("beta", 1.0))
    return product(b, node, axes, bias)


def matmul(b: Builder, node: Node) -> Tensor:
    """Product with a known matrix."""
    return product(b, node, (0, 1), None)


def product(b: Builder, node: Node, axes: tuple[int, int], bias: Array | None) -> Tensor:
    """`lowbit.dense`; rows of the weights follow the columns of a flattened image."""
    x, w = b.tensor(node), b.constant(node, 1)
    if len(x.shape) != 2 or w.values.ndim != 2:
        raise node.fail(f"takes rank 2, not {list(x.shape)} and {list(w.shape)}: flatten first")
    depth, outputs = (w.shape[axis] for axis in axes)
    if depth != x.shape[1] or outputs == 0:
        raise node.fail(f"an input {list(x.shape)} does not fit weights of {depth} rows")
    if bias is not None and bias.size not in (1, outputs):
        raise node.fail(f"C has {bias.size} columns, not {outputs}")
    if x.flattened:
        w = select(w, axes[0], x.columns)
    else:
        x = b.row_major(node, x)
    shape = (x.shape[0], outputs)

    def make(x: Tensor, weights: SSAValue, element: Attribute) -> LinearOp:
        return DenseOp(x.value, weights, TensorType(element, shape))

    if bias is not None:
        bias = np.broadcast_to(bias, (outputs,)).copy()
    return contract(b, node, x, w, axes, make, (shape, (0, 1)), bias)


def select(w: Constant, axis: int, order: Array) -> Constant:
    """`w` with the positions of one axis in another order."""
    scale = w.scale
    if scale is not None and scale.shape[axis] != 1:
        scale = np.take(scale, order, axis)
    return Constant(np.take(w.values, order, axis), w.bounds, scale)


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
    scale = sum_scale(node, x, w, axes[-1], groups)
    if scale is not None:
        value = integer_sum(b, node, x, w, axes, make)
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
    if not x.is_codes or x.scale is None or w.scale is None:
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
    b: Builder, node: Node, x: Tensor, w: Constant, axes: tuple[int, ...], make: Make
) -> SSAValue:
    """The i32 sums, free of the zero point."""
    code: Attribute = constant_code(w) or i16
    values = w.values.astype(np.int32).transpose(axes)
    weights = b.known(node, values, code, node.inputs[1])
    value = b.emit(node, make(x, weights, i32))
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


OPS = {"Conv": conv, "Gemm": gemm, "MatMul": matmul}
