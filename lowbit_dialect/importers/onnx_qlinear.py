"""Ops that take and give integers: QLinearConv and its kin, ConvInteger, MatMulInteger.

A product is the exact i32 sum of the op on dequantised tensors, times one f32 number as in onnxruntime:
`saturate(round(sum * (x scale * w scale / y scale)) + zero point)`. Any other op is that of f32 between
DequantizeLinear and QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_linear import conv
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_pads import settled
from lowbit_dialect.importers.onnx_products import gemm, matmul
from lowbit_dialect.importers.onnx_qcdq import dequantize_linear, quantize_linear
from lowbit_dialect.importers.onnx_quantisers import positive
from lowbit_dialect.importers.onnx_tensor import Quantised, Tensor, Value
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.elementwise import AddOp

Handler = Callable[[Builder, Node], Value | tuple[Value, ...]]

FLOATS = {
    "QLinearAdd": ("Add", 2),
    "QLinearAveragePool": ("AveragePool", 1),
    "QLinearConcat": ("Concat", 0),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", 1),
    "QLinearLeakyRelu": ("LeakyRelu", 1),
    "QLinearMul": ("Mul", 2),
    "QLinearReduceMean": ("ReduceMean", 1),
    "QLinearSigmoid": ("Sigmoid", 1),
    "QLinearSoftmax": ("Softmax", 1),
}
"""The op of f32 that each is, and how many tensors it takes; each comes with a scale and a zero point.

The scale and the zero point of the result come last, but first where there are any number of tensors (0).
"""


def dequantised(b: Builder, node: Node, index: int, axis: int = 1) -> Value:
    """The tensor of inputs `index` and the two after, its scale and its zero point."""
    inputs = node.inputs[index : index + 3]
    value = dequantize_linear(b, replace(node, inputs=inputs, attributes={"axis": axis}))
    return settled(b, node, value) if isinstance(value, Tensor) else value


def quantised(b: Builder, node: Node, x: Value, index: int) -> Quantised:
    """`x` by the scale and the zero point at inputs `index` and after."""
    (name,) = (result := b.reading(node, x)).inputs
    inputs = (name, *node.inputs[index : index + 2])
    y = quantize_linear(b, replace(result, inputs=inputs, attributes={}))
    if isinstance(y, Constant):
        raise node.fail("computes known values: fold this node away first")
    return y


def between(handler: Handler, count: int) -> Handler:
    """The op of f32 `handler` on dequantised tensors, quantised again."""

    def handle(b: Builder, node: Node) -> Value:
        if node.integer("channels_last", 0):
            raise node.fail("channels_last is 0: transpose around it")
        first, last = (0, 3 * count) if count else (2, len(node.inputs))
        tensors = [dequantised(b, node, index) for index in range(first, last, 3)]
        y = handler(b, b.reading(node, *tensors))
        assert not isinstance(y, tuple)
        return quantised(b, node, y, last if count else 0)

    return handle


def qlinear_conv(b: Builder, node: Node) -> Value:
    """QLinearConv."""
    return product(b, node, conv, 0, 8)


def qlinear_matmul(b: Builder, node: Node) -> Value:
    """QLinearMatMul."""
    return product(b, node, matmul, 1, None)


def qgemm(b: Builder, node: Node) -> Value:
    """QGemm: real numbers where it has no scale for its result."""
    return product(b, node, gemm, 0 if node.integer("transB", 0) else 1, 6)


def product(
    b: Builder, node: Node, handler: Callable[[Builder, Node], Tensor], axis: int, bias: int | None
) -> Value:
    """The sums of `handler` with an i32 bias, times one number for each output, `axis` of the weights."""
    last = 7 if bias == 6 else 6
    x, w = dequantised(b, node, 0), dequantised(b, node, 3, axis)
    if not isinstance(w, Constant):
        raise node.fail(f"its weights {node.inputs[3]:.60} are not constant")
    # The factor alpha of a QGemm is part of the scale.
    attributes = {k: v for k, v in node.attributes.items() if k != "alpha"}
    y = handler(b, replace(b.reading(node, x, w), attributes=attributes))
    if y.scale is None:
        raise node.fail("its sums are no integers of 32 bits: use scales per tensor or per output")
    if bias is not None and node.has(bias):
        y = replace(y, value=add_bias(b, node, y, b.constant(node, bias)))
    alpha = np.float32(node.number("alpha", 1.0))
    ratio = alpha * b.reals(node, 1).reshape(-1)[:1] * b.reals(node, 4).reshape(-1)
    if not node.has(last):
        return replace(y, scale=positive(node, ratio))
    ratio = ratio / b.reals(node, last).reshape(-1)[:1]
    counted = quantised(b, node, replace(y, scale=positive(node, ratio)), last)
    return replace(counted, steps=np.ones_like(counted.steps))


def add_bias(b: Builder, node: Node, y: Tensor, bias: Constant) -> SSAValue:
    """The sums plus known i32, which wrap like them."""
    values = bias.values.reshape(-1)
    if bias.bounds != value_range(i32) or values.size not in (1, y.shape[1]):
        raise node.fail(f"its bias of shape {list(bias.shape)} is not {y.shape[1]} int32")
    row, axis = b.row(node, y, values, "bias", kind=i32)
    return b.emit(node, AddOp(y.value, row, axis=axis), "biased")


def as_integers(handler: Callable[[Builder, Node], Tensor], axis: int) -> Handler:
    """ConvInteger and MatMulInteger: i32 sums as such. The zero points are inputs 2 and 3."""

    def handle(b: Builder, node: Node) -> Value:
        operands: list[Value] = []
        for index in (0, 1):
            one = b.reading(node, Constant(np.ones((), np.float32))).inputs[0]
            zero = node.inputs[2 + index] if node.has(2 + index) else ""
            inputs = (node.inputs[index], one, zero)
            operands.append(
                dequantize_linear(b, replace(node, inputs=inputs, attributes={"axis": axis}))
            )
        y = handler(b, b.reading(node, *operands))
        if y.scale is None:
            raise node.fail(
                "its sums are no integers of 32 bits: its weights are constant integers"
            )
        return y.holding(y.value)

    return handle


OPS: dict[str, Handler] = {
    "ConvInteger": as_integers(conv, 0),
    "MatMulInteger": as_integers(matmul, 1),
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
}


def microsoft_ops(core: Mapping[str, Handler]) -> dict[str, Handler]:
    """The ops of onnxruntime's own domain; `core` are those of ONNX."""
    floats = {name: between(core[op], count) for name, (op, count) in FLOATS.items() if op in core}
    return {**OPS, **floats, "QGemm": qgemm}
