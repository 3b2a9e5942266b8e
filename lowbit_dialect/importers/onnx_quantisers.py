"""Quant, IntQuant and BipolarQuant: known values to integers, computed ones to `lowbit.quantize`.

What no code holds (more than 8 bits, zero points by channel) is rounded in f32, step for step as QONNX does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.importers.onnx_binary import table, with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_pads import settled
from lowbit_dialect.importers.onnx_shapes import to_shape
from lowbit_dialect.importers.onnx_tensor import BIPOLAR, ONE, Tensor, code_for
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import AddOp, ApplyOp, ClipOp, DivOp, MulOp, QuantizeOp
from lowbit_dialect.reference import round_to

ROUNDINGS = {"ROUND": "half_even"} | {
    mode.upper(): mode
    for mode in ("half_even", "ceil", "floor", "up", "down", "half_up", "half_down")
}
MAX_BITS = 32
EXACT_BITS = 24
"""Integers stay exact in f32 up to here."""


@dataclass(frozen=True)
class Grid:
    """What values are rounded to: `round(clamp(x / scale + zero)) - zero`, times `scale`."""

    scale: Array
    """f32 with as many axes as the tensor; one number if all are the same."""
    zero: Array
    """f32 likewise."""
    bounds: tuple[int, int]
    rounding: str = "half_even"

    @property
    def offset(self) -> int | None:
        """The zero point, if it is one integer within the bounds."""
        first, (low, high) = float(self.zero.ravel()[0]), self.bounds
        return (
            int(first) if self.zero.size == 1 and low <= first <= high and first % 1 == 0 else None
        )

    @property
    def exact(self) -> bool:
        """Whether its integers and their distances from the zero points are exact in f32."""
        low, high = self.bounds
        ends = np.array([low, high]) - self.zero.reshape(-1, 1).astype(np.float64)
        return bool(np.all(self.zero % 1 == 0) and np.abs(ends).max() <= 1 << EXACT_BITS)


def filled(values: Array, rank: int) -> Array:
    """`values` with `rank` axes; equal numbers become one number."""
    if np.all(values == values.ravel()[0]):
        return values.ravel()[:1].reshape((1,) * rank)
    return values.reshape((1,) * (rank - values.ndim) + values.shape)


def positive(node: Node, scale: Array) -> Array:
    """A scale, checked."""
    if not np.all((scale > 0) & np.isfinite(scale)):
        raise node.fail("a scale is not positive and finite")
    return scale


def numbers(b: Builder, node: Node, index: int) -> Array:
    """Input `index`, known finite numbers of any type, as f32."""
    values = b.constant(node, index).real
    if values.size == 0 or not np.isfinite(values).all():
        raise node.fail(f"its input {index} is empty or not finite")
    return values.astype(np.float32)


def whole(node: Node, values: Array, what: str) -> int:
    """The one integer that all `values` are."""
    first = float(values.ravel()[0]) if values.size else 0.5
    if not np.all(values == first) or abs(first) > 2**20 or first != round(first):
        raise node.fail(f"its {what} is not one integer")
    return int(first)


def operand(b: Builder, node: Node, rank: int) -> Tensor | Constant:
    """Input 0, computed or known, with at least as many axes as what it is broadcast with."""
    x = b.operand(node, 0)
    if not isinstance(x, Constant):
        x = b.tensor(node)
        if (missing := rank - len(x.shape)) <= 0:
            return x
        x = settled(b, node, x)
        return to_shape(b, node, x, (1,) * missing + x.shape)
    real = b.reals(node, 0)
    return Constant(real.reshape((1,) * (rank - real.ndim) + real.shape))


def check_broadcast(b: Builder, node: Node, x: Tensor | Constant, *rows: Array) -> None:
    """A scale and a zero point go with `x`, and known values do not grow by them beyond the limit."""
    shapes = [x.shape, *(row.shape for row in rows)]
    try:
        size = prod(np.broadcast_shapes(*shapes))
    except ValueError:
        listed = " and ".join(str(list(shape)) for shape in shapes[1:])
        raise node.fail(f"scale and zero point, {listed}, do not go with {list(x.shape)}") from None
    if isinstance(x, Constant) and size > b.limit:
        raise node.fail(f"gives more than {b.limit} known elements, the limit here")


def quant(b: Builder, node: Node) -> Tensor | Constant:
    """QONNX `Quant(x, scale, zero point, bits)`: clamp, then round."""
    scale, zero = positive(node, b.reals(node, 1)), numbers(b, node, 2)
    x = operand(b, node, max(scale.ndim, zero.ndim))
    if isinstance(x, Tensor) and max(scale.size, zero.size) > 1:
        x = settled(b, node, x)
    check_broadcast(b, node, x, scale, zero)
    bits = whole(node, numbers(b, node, 3), "bit width")
    signed, narrow = bool(node.integer("signed", 1)), bool(node.integer("narrow", 1))
    if not 1 <= bits <= MAX_BITS:
        raise node.fail(f"has {bits} bits: 1 to {MAX_BITS} are imported")
    if signed and bits == 1:
        if np.any(zero):
            raise node.fail("one signed bit is bipolar, which has no zero point")
        return bipolar(b, node, x, scale)
    rank = len(x.shape)
    bounds = quant_bounds(bits, signed, narrow)
    grid = Grid(filled(scale, rank), filled(zero, rank), bounds, rounding_mode(node, "ROUND"))
    if isinstance(x, Constant):
        return quantise_constant(x, grid)
    # Zeros that a Pad leaves to the next Conv stay zeros under one scale and zero point alone.
    keeps_zero = grid.scale.size == 1 and grid.offset is not None
    return quantise(b, node, x if keeps_zero else settled(b, node, x), grid)


def rounding_mode(node: Node, default: str) -> str:
    """How a node rounds."""
    mode = ROUNDINGS.get(node.text("rounding_mode", default).upper())
    if mode is None:
        raise node.fail(f"rounding_mode is one of {', '.join(ROUNDINGS)}")
    return mode


def quant_bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Smallest and largest integer of a QONNX Quant."""
    if signed:
        half = 1 << (bits - 1)
        return -half + narrow, half - 1
    return 0, (1 << bits) - 1 - narrow


def quantise_constant(x: Constant, grid: Grid) -> Constant:
    """Known integers, decoded step for step as QONNX does in f32; f32 where that does not hold them."""
    low, high = (np.float32(bound) for bound in grid.bounds)
    shifted = np.asarray(x.values / grid.scale + grid.zero)
    rounded = round_to(np.clip(shifted, low, high), grid.rounding)
    if not grid.exact:
        return Constant(np.asarray((rounded - grid.zero) * grid.scale))
    bounds = (grid.bounds[0] - int(grid.zero.max()), grid.bounds[1] - int(grid.zero.min()))
    return Constant((rounded - grid.zero).astype(np.int32), bounds, grid.scale)


def bipolar_quant(b: Builder, node: Node) -> Tensor | Constant:
    """QONNX `BipolarQuant(x, scale)`."""
    scale = positive(node, b.reals(node, 1))
    x = operand(b, node, scale.ndim)
    check_broadcast(b, node, x, scale)
    return bipolar(b, node, x, scale)


def bipolar(b: Builder, node: Node, x: Tensor | Constant, scale: Array) -> Tensor | Constant:
    """+1 where x >= 0, else -1."""
    scale = filled(scale, len(x.shape))
    if isinstance(x, Constant):
        return Constant(np.where(x.values >= 0, 1, -1).astype(np.int8), (-1, 1), scale)
    x = b.to_float(node, settled(b, node, x))  # no code of it means 0
    # Dividing by a positive scale changes no sign, and by one no bit.
    one = b.known(node, ONE, f32, "one")
    signs = x.holding(b.emit(node, QuantizeOp(x.value, one, BIPOLAR)), scale=ONE)
    if (row := table(node, x, scale)) is None:
        return with_known(b, node, signs, scale, MulOp)
    return replace(signs, scale=row[0], axis=row[1])


def quantise(b: Builder, node: Node, x: Tensor, grid: Grid) -> Tensor:
    """Codes of computed values, less their zero point if that needs no further plane."""
    row, zero, (low, high) = table(node, x, grid.scale), grid.offset, grid.bounds
    stored = code_for(low, high)
    if stored is None or row is None or zero is None:
        return round_real(b, node, x, grid)
    x = b.to_float(node, x)
    kept = {"scale": row[0], "axis": row[1]}
    scale, axis = b.row(node, x, row[0], "scale", row[1])
    centred = code_for(low - zero, high - zero)
    if centred is None or centred.planes > stored.planes:
        scaled = b.emit(node, DivOp(x.value, scale, axis=axis), "scaled")
        offset = b.known(node, np.array([zero], np.float32), f32, "zero_point")
        shifted = b.emit(node, AddOp(scaled, offset), "shifted")
        return x.holding(nearest(b, node, shifted, stored, grid), **kept, zero=zero)
    bounds = None if (low - zero, high - zero) == span(centred) else grid.bounds
    rounding = grid.rounding
    op = QuantizeOp(
        x.value, scale, centred, zero_point=zero, rounding=rounding, bounds=bounds, axis=axis
    )
    return x.holding(b.emit(node, op), **kept)


def nearest(b: Builder, node: Node, value: SSAValue, code: CodeType, grid: Grid) -> SSAValue:
    """Integers in f32 as codes."""
    one = b.known(node, ONE, f32, "one")
    bounds = None if grid.bounds == span(code) else grid.bounds
    return b.emit(node, QuantizeOp(value, one, code, rounding=grid.rounding, bounds=bounds))


def round_real(b: Builder, node: Node, x: Tensor, grid: Grid) -> Tensor:
    """Values on the grid in f32, for what no code holds."""
    x = with_known(b, node, x, grid.scale, DivOp)
    x = moved(b, node, x, grid.zero)
    low, high = (float(np.float32(bound)) for bound in grid.bounds)
    x = x.holding(b.emit(node, ClipOp(x.value, low, high), "clipped"))
    x = moved(b, node, rounded(b, node, x, grid.rounding), -grid.zero)
    return with_known(b, node, x, grid.scale, MulOp)


def moved(b: Builder, node: Node, x: Tensor, offset: Array) -> Tensor:
    """`x + offset`."""
    return with_known(b, node, x, offset, AddOp) if np.any(offset) else x


def rounded(b: Builder, node: Node, x: Tensor, mode: str) -> Tensor:
    """`x` rounded in f32, by QONNX's formulas."""
    direct = {"half_even": "round", "floor": "floor", "ceil": "ceil"}
    if mode in direct:
        return x.holding(b.emit(node, ApplyOp(direct[mode], x.value), "rounded"))
    sign = b.emit(node, ApplyOp("sign", x.value), "sign")
    size = b.emit(node, ApplyOp("abs", x.value), "size")
    if mode in ("half_up", "half_down"):
        half = np.array([0.5 if mode == "half_up" else -0.5], np.float32)
        size = b.emit(node, AddOp(size, b.known(node, half, f32, "half")), "size")
    towards = "floor" if mode in ("down", "half_up") else "ceil"
    size = b.emit(node, ApplyOp(towards, size), "size")
    return x.holding(b.emit(node, MulOp(size, sign), "rounded"))


def span(code: CodeType) -> tuple[int, int]:
    """Smallest and largest value of a code type."""
    return code.minimum, code.maximum


QONNX_OPS = {"Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar_quant}
