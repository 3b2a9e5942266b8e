"""QuantizeLinear, Clip and DequantizeLinear in a row (QCDQ), and each alone.

QuantizeLinear rounds before it adds the zero point, so its integers less the zero point are
`clamp(round(x / scale))` with bounds less the zero point: a quantiser without one, where 8 bits hold it.
Otherwise the codes keep their zero point.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lowbit_dialect.importers.onnx_binary import table, with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_pads import settled
from lowbit_dialect.importers.onnx_quantisers import (
    Grid,
    filled,
    moved,
    nearest,
    positive,
    quantise,
    rounded,
    whole,
)
from lowbit_dialect.importers.onnx_tensor import ONE, Quantised, Tensor, code_for
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import ClipOp, DivOp, MulOp

UINT8 = 2
"""Number of the type in ONNX."""
BYTE_SPAN = 255
"""Largest less smallest integer of a type that codes hold."""


def quantize_linear(b: Builder, node: Node) -> Quantised | Constant:
    """ONNX `saturate(round(x / scale) + zero point)`; what it computes waits for its DequantizeLinear."""
    point = b.constant(node, 2) if node.has(2) else None
    bounds = (0, 255)
    if point is not None:
        bounds = point.bounds or (0, -1)
        if bounds[1] - bounds[0] not in (3, 15, BYTE_SPAN, (1 << 16) - 1):
            raise node.fail("its zero point is of a type of 16 bits or fewer")
    elif node.integer("output_dtype", 0) not in (0, UINT8):
        raise node.fail("output_dtype is that of a zero point, which is missing")
    x = b.operand(node, 0)
    if isinstance(x, Constant):
        real = b.reals(node, 0)
        scale, zero = scale_and_zero(b, node, real.shape)
        low, high = (np.float32(bound) for bound in bounds)
        values = np.asarray(np.clip(np.round(real / scale) + zero, low, high))
        return Constant(values.astype(np.int32), bounds)
    x = b.tensor(node)
    if any(b.constant(node, index).values.size > 1 for index in (1, 2) if node.has(index)):
        x = settled(b, node, x)
    scale, zero = scale_and_zero(b, node, x.shape)
    return Quantised(x, scale, zero, bounds, scale)


def scale_and_zero(b: Builder, node: Node, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Scale and zero point of a (De)QuantizeLinear with as many axes as `shape`; f32 both."""
    scale = positive(node, b.reals(node, 1))
    zero = np.zeros(1, np.float32)
    if node.has(2):
        point = b.constant(node, 2)
        if point.bounds is None or point.values.size == 0:
            raise node.fail("its zero point is an integer")
        zero = point.values.astype(np.float32)
    return placed(node, scale, shape, "scales"), placed(node, zero, shape, "zero points")


def placed(node: Node, values: Array, shape: tuple[int, ...], what: str) -> Array:
    """One number, a row along 'axis', or blocks along it, with as many axes as `shape`."""
    rank, axis, block = len(shape), node.integer("axis", 1), node.integer("block_size", 0)
    if values.size == 1:
        return filled(values, rank)
    if not -rank <= axis < rank:
        raise node.fail(f"axis {axis} is not one of {rank}")
    axis %= rank
    if block > 0 and values.ndim == rank and values.shape[axis] == -(-shape[axis] // block):
        values = values.take(np.arange(shape[axis]) // block, axis)
        if values.shape == shape:
            return filled(values, rank)
    if block or values.shape != (shape[axis],):
        raise node.fail(
            f"has {what} of shape {list(values.shape)} for axis {axis} of {list(shape)}: it takes "
            "one, or a row along 'axis', or blocks of 'block_size' along it"
        )
    return filled(values.reshape([-1 if i == axis else 1 for i in range(rank)]), rank)


def dequantize_linear(b: Builder, node: Node) -> Tensor | Constant:
    """Codes with their scale, from the QuantizeLinear before or from integers as such."""
    source = b.operand(node, 0)
    if isinstance(source, Constant):
        return known_integers(b, node, source)
    scale, zero = scale_and_zero(b, node, source.shape)
    if isinstance(source, Quantised):
        if np.array_equal(scale, source.scale) and np.array_equal(zero, source.zero):
            return real_values(b, node, source)
        source = integers(b, node, source)
    if not source.is_integers:
        raise node.fail("takes integers: a QuantizeLinear belongs before it")
    row = table(node, source, scale)
    if row is not None and zero.size == 1:
        return replace(source, scale=row[0], axis=row[1], zero=int(zero.ravel()[0]))
    return with_known(b, node, moved(b, node, replace(source, scale=ONE), -zero), scale, MulOp)


def real_values(b: Builder, node: Node, source: Quantised) -> Tensor:
    """What a QuantizeLinear with its DequantizeLinear gives: codes, or f32 where no code holds them."""
    (low, high), row = source.bounds, table(node, source.x, source.scale)
    offset, code = int(source.zero.ravel()[0]), code_for(low, high)
    if code is None or row is None or source.zero.size > 1 or not low <= offset <= high:
        x = numbered(b, node, source)
        x = x.holding(b.emit(node, ClipOp(x.value, float(low), float(high)), "clipped"))
        return with_known(b, node, moved(b, node, x, -source.zero), source.scale, MulOp)
    if code_for(low - offset, high - offset) is None:
        x = stored(b, node, source)
        return replace(x, scale=row[0], axis=row[1], zero=offset)
    grid = Grid(source.steps, 0 * source.zero, (low - offset, high - offset))
    return replace(quantise(b, node, source.x, grid), scale=row[0], axis=row[1])


def numbered(b: Builder, node: Node, source: Quantised) -> Tensor:
    """The integers of a QuantizeLinear in f32, before it saturates."""
    x = with_known(b, node, source.x, source.steps, DivOp)
    return moved(b, node, rounded(b, node, x, "half_even"), source.zero)


def integers(b: Builder, node: Node, source: Quantised) -> Tensor:
    """The integers of a QuantizeLinear as such."""
    return stored(b, node, replace(source, x=settled(b, node, source.x)))


def stored(b: Builder, node: Node, source: Quantised) -> Tensor:
    """Codes that keep their zero point."""
    code = code_for(*source.bounds)
    if code is None:
        raise node.fail("reads integers of more than 8 bits: a DequantizeLinear belongs before it")
    x = numbered(b, node, source)
    none = np.zeros(1, np.float32)
    return x.holding(nearest(b, node, x.value, code, Grid(ONE, none, source.bounds)))


def known_integers(b: Builder, node: Node, source: Constant) -> Constant:
    """Weights as integers with their scale; biases of more than 16 bits as f32."""
    if source.bounds is None or source.scale is not None:
        raise node.fail("takes integers, not float32")
    scale, zero = scale_and_zero(b, node, source.shape)
    (low, high), values = source.bounds, source.values
    if high - low >= 1 << 16:
        return Constant(np.asarray((values.astype(np.float32) - zero) * scale))
    bounds = (low - int(zero.max()), high - int(zero.min()))
    return Constant(np.asarray(values.astype(np.int32) - zero.astype(np.int32)), bounds, scale)


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
        # The zeros of a Pad stay zeros where one zero point is left.
        kept = source.zero.size == 1 and low <= source.zero.ravel()[0] <= high
        x = source.x if kept else settled(b, node, source.x)
        return replace(source, x=x, bounds=(low, high))
    return Constant(np.clip(source.values, low, high), (low, high))


OPS = {"QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear}
