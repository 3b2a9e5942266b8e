"""Quant, IntQuant, BipolarQuant, and QuantizeLinear, Clip, DequantizeLinear in a row (QCDQ).

On known values they give integers with a scale; at run time a `lowbit.quantize` whose codes carry theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.codes import CodeType, OddType
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_tensor import ONE, Tensor, code_for
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import AddOp, DivOp, QuantizeOp
from lowbit_dialect.reference import round_to

ROUNDINGS = {"ROUND": "half_even"} | {
    mode.upper(): mode
    for mode in ("half_even", "ceil", "floor", "up", "down", "half_up", "half_down")
}
MAX_CONSTANT_BITS = 24
"""Known integers stay exact in f32 up to here; biases are wider than codes."""


@dataclass(frozen=True)
class Quantised:
    """What QuantizeLinear gives: integers that only a DequantizeLinear can turn into numbers."""

    x: Tensor | Constant
    scale: Array
    zero: int
    axis: int
    bounds: tuple[int, int]


def broadcast_scale(node: Node, scale: Array, rank: int) -> Array:
    """`scale` with `rank` axes, checked to be positive; numbers of one value become one number."""
    if not np.all((scale > 0) & np.isfinite(scale)):
        raise node.fail("a scale is not positive and finite")
    if np.all(scale == scale.ravel()[0]):
        return scale.ravel()[:1].reshape((1,) * rank)
    if scale.ndim > rank:
        raise node.fail(f"its scale has rank {scale.ndim}, more than the rank {rank} of its input")
    return scale.reshape((1,) * (rank - scale.ndim) + scale.shape)


def scale_row(node: Node, scale: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
    """A broadcast scale as one row and the ONNX axis that it runs along."""
    varying = [axis for axis, extent in enumerate(scale.shape) if extent != 1]
    if not varying:
        return scale.reshape(1), 1
    axis = varying[0]
    if len(varying) > 1 or scale.shape[axis] != shape[axis]:
        raise node.fail(
            f"its scale of shape {list(scale.shape)} does not run along one axis of {list(shape)}: "
            "scales are per tensor or per channel"
        )
    return scale.reshape(-1), axis


def whole(node: Node, values: Array, what: str) -> int:
    """The one integer that all `values` are."""
    first = float(values.ravel()[0])
    if not np.all(values == first) or first != round(first) or abs(first) > 2**20:
        raise node.fail(
            f"its {what} is not one integer: per-channel and fractional ones are not taken"
        )
    return int(first)


def quant(b: Builder, node: Node) -> object:
    """QONNX `Quant(x, scale, zero point, bits)`: clamp, then round."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    scale = broadcast_scale(node, b.reals(node, 1), len(x.shape))
    zero = whole(node, b.reals(node, 2), "zero point")
    bits = whole(node, b.reals(node, 3), "bit width")
    signed, narrow = node.integer("signed", 1), node.integer("narrow", 1)
    mode = ROUNDINGS.get(node.text("rounding_mode", "ROUND").upper())
    if mode is None:
        raise node.fail(f"rounding_mode is one of {', '.join(ROUNDINGS)}")
    if signed and bits == 1:
        if zero:
            raise node.fail("one signed bit is bipolar, which has no zero point")
        return bipolar(b, node, x, scale)
    limit = MAX_CONSTANT_BITS if isinstance(x, Constant) else 8
    if not 1 <= bits <= limit:
        raise node.fail(f"has {bits} bits: quantisers of 1 to {limit} bits are imported here")
    bounds = quant_bounds(bits, bool(signed), bool(narrow))
    if isinstance(x, Constant):
        return quantise_constant(b, node, scale, zero, bounds, mode)
    return quantise(b, node, x, scale, zero, bounds, mode)


def quant_bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Smallest and largest integer of a QONNX Quant."""
    if signed:
        half = 1 << (bits - 1)
        return -half + narrow, half - 1
    return 0, (1 << bits) - 1 - narrow


def quantise_constant(
    b: Builder, node: Node, scale: Array, zero: int, bounds: tuple[int, int], mode: str
) -> Constant:
    """Known integers, decoded step for step as QONNX does in f32."""
    scaled = np.asarray(b.reals(node, 0) / scale + np.float32(zero))
    low, high = bounds
    whole = round_to(np.clip(scaled, np.float32(low), np.float32(high)), mode).astype(np.int32)
    return Constant(whole - zero, (low - zero, high - zero), scale)


def bipolar(b: Builder, node: Node, x: Tensor | Constant, scale: Array) -> Tensor | Constant:
    """+1 where x >= 0, else -1."""
    if isinstance(x, Constant):
        values = np.where(b.reals(node, 0) >= 0, 1, -1).astype(np.int8)
        return Constant(values, (-1, 1), scale)
    if any(x.pads):
        raise node.fail("is bipolar after a Pad: no code of it means 0")
    x = b.to_float(node, x)
    # Dividing by a positive scale changes no sign, and by one none of the bits.
    one = b.known(node, ONE, f32, "one")
    row, axis = scale_row(node, scale, x.shape)
    return x.holding(b.emit(node, QuantizeOp(x.value, one, OddType(1))), scale=row, axis=axis)


def bipolar_quant(b: Builder, node: Node) -> object:
    """QONNX `BipolarQuant(x, scale)`."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    return bipolar(b, node, x, broadcast_scale(node, b.reals(node, 1), len(x.shape)))


def quantise(
    b: Builder,
    node: Node,
    x: Tensor,
    scale: Array,
    zero: int,
    bounds: tuple[int, int],
    mode: str = "half_even",
) -> Tensor:
    """Codes that mean `round(clamp(x / scale + zero)) - zero`, times `scale`."""
    low, high = bounds
    if not low <= zero <= high:
        raise node.fail(f"its zero point {zero} lies outside {low}..{high}")
    pads, x = x.pads, b.to_float(node, replace(x, pads=(0, 0, 0, 0)))
    numbers, axis = scale_row(node, scale, x.shape)
    stored, whole = code_for(low, high), code_for(low - zero, high - zero)
    assert stored is not None
    if whole is not None and whole.planes <= stored.planes:
        # QONNX adds the zero point before it rounds, as `lowbit.quantize` does.
        row, at = b.row(node, x, numbers, "scale", axis)
        exact = None if (low - zero, high - zero) == span(whole) else bounds
        op = QuantizeOp(x.value, row, whole, zero_point=zero, rounding=mode, bounds=exact, axis=at)
        return x.holding(b.emit(node, op), scale=numbers, axis=axis, pads=pads)
    return quantise_offset(b, node, x, numbers, axis, zero, bounds, mode, stored, pads)


def quantise_offset(
    b: Builder,
    node: Node,
    x: Tensor,
    scale: Array,
    axis: int,
    zero: int,
    bounds: tuple[int, int],
    mode: str,
    code: CodeType,
    pads: tuple[int, int, int, int],
) -> Tensor:
    """Codes that keep their zero point, because less it they would need another plane."""
    row, at = b.row(node, x, scale, "scale", axis)
    scaled = b.emit(node, DivOp(x.value, row, axis=at), "scaled")
    offset = b.known(node, np.array([zero], np.float32), f32, "zero_point")
    shifted = b.emit(node, AddOp(scaled, offset), "shifted")
    exact = None if bounds == span(code) else bounds
    one = b.known(node, ONE, f32, "one")
    value = b.emit(node, QuantizeOp(shifted, one, code, rounding=mode, bounds=exact))
    return x.holding(value, scale=scale, axis=axis, zero=zero, pads=pads)


def span(code: CodeType) -> tuple[int, int]:
    """Smallest and largest value of a code type."""
    return code.minimum, code.maximum


def quantize_linear(b: Builder, node: Node) -> object:
    """ONNX `saturate(round(x / scale) + zero point)`; what it computes waits for its DequantizeLinear."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
    zero, bounds = 0, (0, 255)
    if node.has(2):
        point = b.constant(node, 2)
        zero, bounds = zero_point(node, point), point.bounds or bounds
    scale, axis = linear_scale(b, node, x)
    return Quantised(x, scale, zero, axis, bounds)


def zero_point(node: Node, point: Constant) -> int:
    """The one integer of a zero point, of 8 bits or fewer."""
    low, high = point.bounds or (0, -1)
    if point.values.size == 0 or high - low not in (3, 15, 255):
        raise node.fail("its zero point is of an 8-bit type or narrower")
    return whole(node, point.values, "zero point")


def linear_scale(b: Builder, node: Node, x: Tensor | Constant) -> tuple[Array, int]:
    """The scale of a (De)QuantizeLinear with as many axes as `x`, and its axis."""
    rank, scale = len(x.shape), b.reals(node, 1)
    axis = node.integer("axis", 1)
    if scale.size == 1:
        return broadcast_scale(node, scale, rank), 1
    if scale.ndim != 1 or not -rank <= axis < rank or node.integer("block_size", 0):
        raise node.fail("its scale is per tensor, or a row along 'axis'")
    axis %= rank
    if x.shape[axis] != scale.size:
        raise node.fail(f"has {scale.size} scales for {x.shape[axis]} positions of axis {axis}")
    shape = [-1 if at == axis else 1 for at in range(rank)]
    return broadcast_scale(node, scale.reshape(shape), rank), axis


def dequantize_linear(b: Builder, node: Node) -> object:
    """Codes with their scale, from the QuantizeLinear before or from known integers."""
    source = b.operand(node, 0)
    zero = zero_point(node, b.constant(node, 2)) if node.has(2) and not wide(source) else 0
    if isinstance(source, Constant):
        if source.bounds is None or source.scale is not None:
            raise node.fail("takes integers, not float32")
        scale, _ = linear_scale(b, node, source)
        if wide(source):
            if node.has(2) and np.any(b.constant(node, 2).values):
                raise node.fail("integers of 32 bits have a zero point of 0")
            return Constant(source.values.astype(np.float32) * scale)
        low, high = source.bounds
        return Constant(source.values.astype(np.int32) - zero, (low - zero, high - zero), scale)
    if not isinstance(source, Quantised):
        raise node.fail("takes integers: a QuantizeLinear belongs before it")
    scale, _ = linear_scale(b, node, source.x)
    if scale.shape != source.scale.shape or np.any(scale != source.scale) or zero != source.zero:
        raise node.fail("its scale and zero point are those of the QuantizeLinear before it")
    low, high = source.bounds[0] - zero, source.bounds[1] - zero
    if isinstance(source.x, Constant):
        real = source.x.real
        # Rounding comes before the zero point here, so that the integers less it are these.
        values = np.clip(np.round(real / scale), low, high).astype(np.int32)
        return Constant(values, (low, high), scale)
    code = code_for(low, high)
    if code is None:
        raise node.fail(
            f"zero point {zero} leaves integers of {low}..{high}, more than 8 bits hold: clip further "
            "or use a symmetric quantiser"
        )
    return quantise(b, node, source.x, scale, 0, (low, high))


def wide(source: object) -> bool:
    """Whether a source is known integers of more than 8 bits, as biases are."""
    return isinstance(source, Constant) and source.values.dtype in (np.int16, np.uint16, np.int32)


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


OPS = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
}
QONNX_OPS = {"Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar_quant}
