"""Quant, IntQuant and BipolarQuant: known values to integers, computed ones to `lowbit.quantize`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.codes import CodeType
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_tensor import BIPOLAR, ONE, Tensor, code_for
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
class Grid:
    """What values are rounded to: `round(clamp(x / scale + zero)) - zero`, times `scale`."""

    scale: Array
    """f32 with as many axes as the tensor."""
    zero: int
    bounds: tuple[int, int]
    rounding: str = "half_even"

    @property
    def centred(self) -> tuple[int, int]:
        """The bounds less the zero point."""
        low, high = self.bounds
        return low - self.zero, high - self.zero


def broadcast_scale(node: Node, scale: Array, rank: int) -> Array:
    """`scale` with `rank` axes, checked to be positive; equal numbers become one number."""
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
    first = float(values.ravel()[0]) if values.size else 0.5
    if not np.all(values == first) or abs(first) > 2**20 or first != round(first):
        raise node.fail(
            f"its {what} is not one integer: per-channel and fractional ones are not taken"
        )
    return int(first)


def tensor_or_constant(b: Builder, node: Node) -> Tensor | Constant:
    """Input 0, computed or known."""
    x = b.operand(node, 0)
    return x if isinstance(x, Constant) else b.tensor(node)


def quant(b: Builder, node: Node) -> Tensor | Constant:
    """QONNX `Quant(x, scale, zero point, bits)`: clamp, then round."""
    x = tensor_or_constant(b, node)
    scale = broadcast_scale(node, b.reals(node, 1), len(x.shape))
    zero = whole(node, b.constant(node, 2).real, "zero point")
    bits = whole(node, b.constant(node, 3).real, "bit width")
    signed, narrow = bool(node.integer("signed", 1)), bool(node.integer("narrow", 1))
    mode = ROUNDINGS.get(node.text("rounding_mode", "ROUND").upper())
    if mode is None:
        raise node.fail(f"rounding_mode is one of {', '.join(ROUNDINGS)}")
    if signed and bits == 1:
        if zero:
            raise node.fail("one signed bit is bipolar, which has no zero point")
        return bipolar(b, node, x, scale)
    limit = MAX_CONSTANT_BITS if isinstance(x, Constant) else 8
    if not 1 <= bits <= limit:
        raise node.fail(f"has {bits} bits: 1 to {limit} are imported here")
    grid = Grid(scale, zero, quant_bounds(bits, signed, narrow), mode)
    if isinstance(x, Constant):
        return quantise_constant(b, node, grid)
    return quantise(b, node, x, grid)


def quant_bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Smallest and largest integer of a QONNX Quant."""
    if signed:
        half = 1 << (bits - 1)
        return -half + narrow, half - 1
    return 0, (1 << bits) - 1 - narrow


def quantise_constant(b: Builder, node: Node, grid: Grid) -> Constant:
    """Known integers, decoded step for step as QONNX does in f32."""
    real = b.reals(node, 0)
    if grid.scale.size > 1:
        scale_row(node, grid.scale, real.shape)
    low, high = (np.float32(bound) for bound in grid.bounds)
    shifted = np.asarray(real / grid.scale + np.float32(grid.zero))
    integers = round_to(np.clip(shifted, low, high), grid.rounding).astype(np.int32)
    return Constant(integers - grid.zero, grid.centred, grid.scale)


def bipolar_quant(b: Builder, node: Node) -> Tensor | Constant:
    """QONNX `BipolarQuant(x, scale)`."""
    x = tensor_or_constant(b, node)
    return bipolar(b, node, x, broadcast_scale(node, b.reals(node, 1), len(x.shape)))


def bipolar(b: Builder, node: Node, x: Tensor | Constant, scale: Array) -> Tensor | Constant:
    """+1 where x >= 0, else -1."""
    row, axis = scale_row(node, scale, x.shape)
    if isinstance(x, Constant):
        values = np.where(b.reals(node, 0) >= 0, 1, -1).astype(np.int8)
        return Constant(values, (-1, 1), scale)
    if any(x.pads):
        raise node.fail("is bipolar after a Pad: no code of it means 0")
    x = b.to_float(node, x)
    # Dividing by a positive scale changes no sign, and by one no bit.
    one = b.known(node, ONE, f32, "one")
    return x.holding(b.emit(node, QuantizeOp(x.value, one, BIPOLAR)), scale=row, axis=axis)


def quantise(b: Builder, node: Node, x: Tensor, grid: Grid) -> Tensor:
    """Codes of computed values, less their zero point if that needs no further plane."""
    low, high = grid.bounds
    if not low <= grid.zero <= high:
        raise node.fail(f"its zero point {grid.zero} lies outside {low}..{high}")
    pads, x = x.pads, b.to_float(node, replace(x, pads=(0, 0, 0, 0)))
    numbers, axis = scale_row(node, grid.scale, x.shape)
    stored, centred = code_for(low, high), code_for(*grid.centred)
    if stored is None:
        raise node.fail(f"the range {low}..{high} is more than 8 bits hold")
    if centred is None or centred.planes > stored.planes:
        y = keep_zero(b, node, x, grid, stored)
        return replace(y, scale=numbers, axis=axis, pads=pads)
    row, at = b.row(node, x, numbers, "scale", axis)
    bounds = None if grid.centred == span(centred) else grid.bounds
    op = QuantizeOp(
        x.value,
        row,
        centred,
        zero_point=grid.zero,
        rounding=grid.rounding,
        bounds=bounds,
        axis=at,
    )
    return x.holding(b.emit(node, op), scale=numbers, axis=axis, pads=pads)


def keep_zero(b: Builder, node: Node, x: Tensor, grid: Grid, code: CodeType) -> Tensor:
    """Codes that keep their zero point, in the same f32 steps as `lowbit.quantize`."""
    numbers, axis = scale_row(node, grid.scale, x.shape)
    row, at = b.row(node, x, numbers, "scale", axis)
    scaled = b.emit(node, DivOp(x.value, row, axis=at), "scaled")
    offset = b.known(node, np.array([grid.zero], np.float32), f32, "zero_point")
    shifted = b.emit(node, AddOp(scaled, offset), "shifted")
    one = b.known(node, ONE, f32, "one")
    bounds = None if grid.bounds == span(code) else grid.bounds
    op = QuantizeOp(shifted, one, code, rounding=grid.rounding, bounds=bounds)
    return x.holding(b.emit(node, op), zero=grid.zero)


def span(code: CodeType) -> tuple[int, int]:
    """Smallest and largest value of a code type."""
    return code.minimum, code.maximum


QONNX_OPS = {"Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar_quant}
