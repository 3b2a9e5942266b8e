"""QuantizeLinear, Clip and DequantizeLinear in a row (QCDQ), and DequantizeLinear of known integers.

QuantizeLinear rounds before it adds the zero point, so its integers less the zero point are
`clamp(round(x / scale))` with bounds less the zero point: a quantiser without one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_quantisers import (
    Grid,
    broadcast_scale,
    quantise,
    quantise_constant,
    tensor_or_constant,
    whole,
)
from lowbit_dialect.importers.onnx_tensor import Quantised, Tensor, code_for
from lowbit_dialect.layout import Array

UINT8 = 2
"""Number of the type in ONNX."""
BYTE_SPANS = (3, 15, 255)
"""Largest less smallest integer of the types of 2, 4 and 8 bits."""


def quantize_linear(b: Builder, node: Node) -> Quantised:
    """ONNX `saturate(round(x / scale) + zero point)`; what it computes waits for its DequantizeLinear."""
    x = tensor_or_constant(b, node)
    point = b.constant(node, 2) if node.has(2) else None
    zero, bounds = zero_point(node, point), (0, 255)
    if point is not None and point.bounds is not None:
        bounds = point.bounds
    elif node.integer("output_dtype", 0) not in (0, UINT8):
        raise node.fail("output_dtype is that of a zero point, which is missing")
    if isinstance(x, Constant):
        b.reals(node, 0)
    return Quantised(x, linear_scale(b, node, x), zero, bounds, node.inputs[0])


def zero_point(node: Node, point: Constant | None) -> int:
    """The one integer of a zero point of 8 bits or fewer, which may be absent."""
    if point is None:
        return 0
    low, high = point.bounds or (0, -1)
    if high - low not in BYTE_SPANS:
        raise node.fail("its zero point is of an 8-bit type or narrower")
    return whole(node, point.values, "zero point")


def linear_scale(b: Builder, node: Node, x: Tensor | Constant) -> Array:
    """The scale of a (De)QuantizeLinear with as many axes as `x`."""
    rank, scale = len(x.shape), b.reals(node, 1)
    if scale.size == 1:
        return broadcast_scale(node, scale, rank)
    axis = node.integer("axis", 1)
    if scale.ndim != 1 or not -rank <= axis < rank or node.integer("block_size", 0):
        raise node.fail("its scale is per tensor, or a row along 'axis'")
    axis %= rank
    if x.shape[axis] != scale.size:
        raise node.fail(f"has {scale.size} scales for {x.shape[axis]} positions of axis {axis}")
    return broadcast_scale(node, scale.reshape([-1 if i == axis else 1 for i in range(rank)]), rank)


def dequantize_linear(b: Builder, node: Node) -> Tensor | Constant:
    """Codes with their scale, from the QuantizeLinear before or from known integers."""
    source = b.operand(node, 0)
    if isinstance(source, Constant):
        return known_integers(b, node, source)
    if not isinstance(source, Quantised):
        raise node.fail("takes integers: a QuantizeLinear belongs before it")
    scale = linear_scale(b, node, source.x)
    zero = zero_point(node, b.constant(node, 2) if node.has(2) else None)
    if not np.array_equal(scale, source.scale) or zero != source.zero:
        raise node.fail("its scale and zero point are those of the QuantizeLinear before it")
    low, high = source.bounds
    grid = Grid(scale, 0, (low - zero, high - zero))
    if isinstance(source.x, Constant):
        return quantise_constant(b, replace(node, inputs=(source.name, *node.inputs[1:])), grid)
    if code_for(*grid.bounds) is None:
        raise node.fail(
            f"zero point {zero} leaves integers of {low - zero}..{high - zero}, more than 8 bits "
            "hold: clip further or use a symmetric quantiser"
        )
    return quantise(b, node, source.x, grid)


def known_integers(b: Builder, node: Node, source: Constant) -> Constant:
    """Weights as integers with their scale; biases of more than 8 bits as f32."""
    if source.bounds is None or source.scale is not None:
        raise node.fail("takes integers, not float32")
    scale = linear_scale(b, node, source)
    if source.values.dtype.itemsize > 1:
        if node.has(2) and np.any(b.constant(node, 2).values):
            raise node.fail("integers of more than 8 bits have a zero point of 0")
        return Constant(source.values.astype(np.float32) * scale)
    zero = zero_point(node, b.constant(node, 2) if node.has(2) else None)
    low, high = source.bounds
    return Constant(source.values.astype(np.int32) - zero, (low - zero, high - zero), scale)


def clip_integers(b: Builder, node: Node, source: Quantised | Constant) -> Quantised | Constant:
    """The Clip of a QCDQ: it narrows the range of the integers."""
    assert source.bounds is not None
    low, high = source.bounds
    if node.has(1):
        low = max(low, whole(node, b.constant(node, 1).values, "lower bound"))
    if node.has(2):
        high = min(high, whole(node, b.constant(node, 2).values, "upper bound"))
    if low > high:
        raise node.fail(f"its bounds {low} and {high} leave nothing")
    if isinstance(source, Quantised):
        return replace(source, bounds=(low, high))
    return Constant(np.clip(source.values, low, high), (low, high))


OPS = {"QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear}
