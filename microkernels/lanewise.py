"""Lanewise tiles: channels in lanes, each lane alone. `max` and `sum` pool a window, `copy` reads it.

Codes and integers are widened to i32 as they are loaded, so that a window of any code sums exactly;
f32 stays f32. The largest of f32 passes over NaN: `llvm.maximum`, which gives it, is 5 instructions with AVX2
where `llvm.maxnum` is 3. A tile that ends inside a vector reads and writes its valid lanes only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import Float32Type, IntegerType, f32, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of, storage_dtype
from lowbit_dialect.ops.common import array, shaped
from lowbit_dialect.ops.tile import TileOp
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector
from microkernels.operand import Operand
from microkernels.target import Target

KINDS = ("max", "sum", "copy")

UNROLLED_COLUMNS = 8
"""Columns of a window up to which each has its own code."""


def lanes(target: Target) -> int:
    """Lanes of 32 bits of a vector of the target; 1 on the scalar tier."""
    return max(1, target.vector_bits // 32) if target.vector_bits > 64 else 1


def load_elements(
    emit: Emitter, pointer: SSAValue, value: SSAValue, width: int, valid: int
) -> SSAValue:
    """Load `valid` of `width` elements of a memref, widened to i32 (f32 as it is)."""
    element = shaped(value).element_type
    if isinstance(element, Float32Type):
        return emit.load_some(pointer, vector(width, f32), 4, valid)
    dtype = storage_dtype(element, layout_of(shaped(value)))
    stored = vector(width, IntegerType(8 * dtype.itemsize))
    loaded = emit.load_some(pointer, stored, dtype.itemsize, valid)
    return emit.widen(loaded, i32, signed=dtype.kind == "i")


def accumulator(element: Attribute) -> Attribute:
    """Element of the accumulators over elements of a type."""
    return f32 if isinstance(element, Float32Type) else i32


class Lanewise:
    """Forms the accumulators of one lanewise tile, pixel-major."""

    def __init__(self, emit: Emitter, tile: TileOp, target: Target):
        self.emit, self.tile, self.width = emit, tile, lanes(target)
        self.kind = tile.microkernel.data
        self.pixels, self.vectors = tile.pixels.value.data, tile.vectors.value.data
        self.channels = tile.channels.value.data
        self.axes = array(tile.input_axes, ())
        self.x = Operand(emit, tile.input)

    def valid(self, v: int) -> int:
        """Lanes of vector `v` that hold channels."""
        return min(self.width, self.channels - v * self.width)

    def run(self) -> list[SSAValue]:
        """The accumulators, `pixels * vectors` of them."""
        if self.kind == "copy":
            return self._tap(self._base(), [], range(self.pixels))
        totals = [self._initial()] * (self.pixels * self.vectors)
        return self._rows(self._base(), totals)

    def _initial(self) -> SSAValue:
        element = shaped(self.tile.input).element_type
        type = vector(self.width, accumulator(element))
        if self.kind == "sum":
            return self.emit.constant(0, type)
        if isinstance(element, Float32Type):
            return self.emit.constant(float("-inf"), type)
        low = element.minimum if isinstance(element, CodeType) else int(np.iinfo(np.int32).min)
        return self.emit.constant(low, type)

    def _base(self) -> SSAValue:
        emit, tile = self.emit, self.tile
        strides, pad = array(tile.strides, ()), array(tile.padding, ())
        row = emit.at("sub", emit.at("mul", tile.row, strides[0]), pad[0])
        column = emit.at("sub", emit.at("mul", tile.column, strides[1]), pad[1])
        parts = zip((tile.batch, row, column, tile.channel), map(self.x.stride, self.axes))
        return move(emit, self.x.pointer, list(parts))

    def _rows(self, base: SSAValue, totals: list[SSAValue]) -> list[SSAValue]:
        step = array(self.tile.dilations, ())[0] * self.x.stride(self.axes[1])

        def body(row: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            return self._columns(move(self.emit, base, [(row, step)]), carried)

        return self.emit.loop(self.tile.row_low, self.tile.row_high, 1, totals, body)

    def _columns(self, base: SSAValue, totals: list[SSAValue]) -> list[SSAValue]:
        step = array(self.tile.dilations, ())[1] * self.x.stride(self.axes[2])
        bounds, taps = self.tile.tap_columns, array(self.tile.kernel, ())[1]
        if bounds and (taps <= UNROLLED_COLUMNS or len(set(bounds)) > 1):
            for tap in range(taps):
                inside = [r for r, (low, high) in enumerate(bounds) if low <= tap < high]
                totals = self._tap(self.emit.offset(base, tap * step), totals, inside)
            return totals

        def body(tap: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            at = move(self.emit, base, [(tap, step)])
            return self._tap(at, carried, range(self.pixels))

        low, high = map(self.emit.index, bounds[0]) if bounds else self.tile.column_bounds
        return self.emit.loop(low, high, 1, totals, body)

    def _tap(self, base: SSAValue, totals: list[SSAValue], inside: Sequence[int]) -> list[SSAValue]:
        totals = list(totals)
        pixel = array(self.tile.strides, ())[1] * self.x.stride(self.axes[2])
        channel = self.width * self.x.stride(self.axes[3])
        for r in inside:
            for v in range(self.vectors):
                pointer = self.emit.offset(base, r * pixel + v * channel)
                seen = load_elements(self.emit, pointer, self.tile.input, self.width, self.valid(v))
                if self.kind == "copy":
                    totals.append(seen)
                else:
                    at = r * self.vectors + v
                    totals[at] = self._combine(totals[at], seen)
        return totals

    def _combine(self, total: SSAValue, seen: SSAValue) -> SSAValue:
        floats = isinstance(shaped(self.tile.input).element_type, Float32Type)
        if self.kind == "sum":
            return self.emit.binary("fadd" if floats else "add", total, seen)
        return self.emit.intrinsic("maxnum" if floats else "smax", total, seen)
