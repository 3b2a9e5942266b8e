"""Epilogues on vectors of accumulators: corrections, elementwise ops, and the store.

A kernel hands over vectors of raw sums with their coordinates; what happens to them is decided here and
nowhere else. Codes and integers travel as i32 lanes of decoded values, floats as f32 lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import Float32Type, FloatAttr, IntegerAttr, IntegerType, f32, i8, i32
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit_dialect.algebra import PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of, storage_dtype
from lowbit_dialect.ops.common import array, element_of, shape_of, shaped
from lowbit_dialect.ops.elementwise import (
    AddOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    ElementwiseOp,
    MulOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.tile import TileOp, YieldOp
from lowbit_dialect.reference import clamp_bounds
from lowering.rounding import floor, round_even, round_to
from microkernels.block import move
from microkernels.emit import Emitter, mangled, vector
from microkernels.emit import element_of as lane_of
from microkernels.lanewise import load_elements
from microkernels.operand import Operand
from microkernels.target import Target

UNROLLED_STEPS = 15
"""Thresholds up to which the comparisons are unrolled; an 8-bit quantiser loops over its 255."""


@dataclass(frozen=True)
class Place:
    """Which accumulators a vector holds: pixel `r` of the tile, vector `v`, `valid` lanes of it."""

    r: int
    v: int
    valid: int


class Epilogue:
    """Applies corrections and the epilogue of one tile, and stores the result."""

    def __init__(self, emit: Emitter, tile: TileOp, target: Target, lanes: int):
        self.emit, self.tile, self.target, self.lanes = emit, tile, target, lanes
        self.axes = array(tile.output_axes, ())
        self.groups = tile.groups.value.data
        self.size = shape_of(tile.outs)[self.axes[3]] // self.groups
        self._operands: dict[SSAValue, tuple[Operand, SSAValue]] = {}
        self._rows: dict[tuple[SSAValue, int, int], SSAValue] = {}

    def finish(self, raw: SSAValue, place: Place) -> None:
        """Correct one vector of raw sums, run the epilogue on it, store it."""
        value = self._divide(self._correct(raw, place))
        values: dict[SSAValue, SSAValue] = {}
        if self.tile.epilogue.blocks:
            block = self.tile.epilogue.block
            values[block.args[0]] = value
            for op in block.ops:
                if isinstance(op, YieldOp):
                    value = values[op.value]
                else:
                    values[op.results[0]] = self._apply(op, values, place)
        self._store(value, place)

    # Corrections

    def _correct(self, raw: SSAValue, place: Place) -> SSAValue:
        tile, emit = self.tile, self.emit
        factor = self._factor()
        doubled = emit.binary("add", raw, raw) if abs(factor) == 2 else raw
        if tile.corrections is None:
            zero = emit.constant(0, raw.type)
            return doubled if factor > 0 else emit.binary("sub", zero, doubled)
        table = emit.load(
            self._correction_pointer(tile.corrections, place), vector(self.lanes, i32), 4
        )
        table = self._like(table, raw)
        return emit.binary("add" if factor > 0 else "sub", table, doubled)

    def _factor(self) -> int:
        """What raw sums are multiplied by: 1 unless they count bits."""
        layout = layout_of(shaped(self.tile.input))
        if self.tile.weights is None or layout is None or not layout.packed:
            return 1
        codes = element_of(self.tile.input.type), element_of(self.tile.weights.type)
        return PairAlgebra(*codes).factor  # pyright: ignore

    def _like(self, table: SSAValue, raw: SSAValue) -> SSAValue:
        """Corrections in the lanes of the accumulator, which may be i64."""
        return self.emit.widen(table, lane_of(raw.type), signed=True)

    def _correction_pointer(self, corrections: SSAValue, place: Place) -> SSAValue:
        operand, base = self._channel_base(corrections, 2)
        classes = array(self.tile.column_classes, ())
        rows, columns = operand.stride(0), operand.stride(1)
        key = (corrections, -1, -1)
        if key not in self._rows:
            parts = list(zip(self.tile.classes, (rows, columns)))
            self._rows[key] = move(self.emit, base, parts)
        column = classes[place.r] * columns if classes else 0
        return self.emit.offset(self._rows[key], column + place.v * self.lanes * 4)

    def _channel_base(self, value: SSAValue, axis: int) -> tuple[Operand, SSAValue]:
        """An operand indexed by output channel, and its address at the tile's first channel."""
        if value not in self._operands:
            operand = Operand(self.emit, value)
            group, block_stride, block = operand.channels(axis, self.groups, self.size)
            one = block_stride // block if block_stride else operand.item_bytes
            parts = [(self.tile.group, group), (self.tile.channel, one)]
            self._operands[value] = operand, move(self.emit, operand.pointer, parts)
        return self._operands[value]

    def _divide(self, value: SSAValue) -> SSAValue:
        divisor = self.tile.divisor.value.data
        if divisor == 1:
            return value
        emit = self.emit
        by = emit.constant(divisor, value.type)
        if _is_float(value):
            return emit.binary("fdiv", value, by)
        # Rounding down: the quotient truncates, a negative remainder takes one more off.
        quotient = emit.binary("sdiv", value, by)
        rest = emit.binary("sub", value, emit.binary("mul", quotient, by))
        return emit.binary("add", quotient, emit.binary("ashr", rest, emit.constant(31, rest.type)))

    # Elementwise ops

    def _apply(self, op: Operation, values: dict[SSAValue, SSAValue], place: Place) -> SSAValue:
        assert isinstance(op, ElementwiseOp)
        return APPLY[type(op)](self, op, values[op.input], place)

    def row(self, table: SSAValue, place: Place, step: int = 0) -> SSAValue:
        """The row of a table for the channels of a place: a vector, or one number in all lanes."""
        key = (table, step, place.v if shape_of(table)[0] > 1 else 0)
        if key not in self._rows:
            self._rows[key] = self._load_row(table, place, step)
        return self._rows[key]

    def _load_row(self, table: SSAValue, place: Place, step: int) -> SSAValue:
        emit, type = self.emit, element_of(table.type)
        stride = self._step_stride(table)
        if shape_of(table)[0] == 1:
            one = emit.load(emit.offset(Operand(emit, table).pointer, step * stride), type, 4)
            return emit.splat(one, self.lanes)
        operand, base = self._channel_base(table, 0)
        pointer = emit.offset(base, step * stride + place.v * self.lanes * operand.item_bytes)
        padded = layout_of(shaped(table)) is not None
        return emit.load_some(
            pointer, vector(self.lanes, type), 4, self.lanes if padded else place.valid
        )

    def _step_stride(self, table: SSAValue) -> int:
        """Bytes between thresholds of one channel."""
        return Operand(self.emit, table).stride(1) if len(shape_of(table)) == 2 else 0

    def threshold(self, op: ThresholdOp, x: SSAValue, place: Place) -> SSAValue:
        """Count thresholds that are not above `x`."""
        emit, code = self.emit, op.output_element
        assert isinstance(code, CodeType)
        if op.flip:
            x = emit.binary("xor", x, self.row(op.flip, place))
        count = emit.constant(0, x.type)

        def compare(total: SSAValue, limit: SSAValue) -> SSAValue:
            reached = emit.widen(emit.compare("sge", x, limit), i32, signed=True)
            return emit.binary("sub", total, reached)

        if code.steps <= UNROLLED_STEPS:
            for step in range(code.steps):
                count = compare(count, self.row(op.thresholds, place, step))
        else:
            count = self._count_in_loop(op, count, compare, place)
        if code.scale == 2:
            count = emit.binary("add", count, count)
        return (
            emit.binary("add", count, emit.constant(code.minimum, x.type))
            if code.minimum
            else count
        )

    def _count_in_loop(
        self,
        op: ThresholdOp,
        count: SSAValue,
        compare: Callable[[SSAValue, SSAValue], SSAValue],
        place: Place,
    ) -> SSAValue:
        emit, table = self.emit, op.thresholds
        stride, single = self._step_stride(table), shape_of(table)[0] == 1
        if single:
            base = Operand(emit, table).pointer
        else:
            base = emit.offset(self._channel_base(table, 0)[1], place.v * self.lanes * 4)

        def body(step: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
            pointer = move(emit, base, [(step, stride)])
            if single:
                limit = emit.splat(emit.load(pointer, i32, 4), self.lanes)
            else:
                limit = emit.load(pointer, vector(self.lanes, i32), 4)
            return [compare(carried[0], limit)]

        high = emit.index(shape_of(table)[1])
        return emit.loop(emit.index(0), high, 1, [count], body)[0]

    def requantize(self, op: RequantizeOp, x: SSAValue, place: Place) -> SSAValue:
        """Scale integers; round and clamp if the result is one."""
        emit = self.emit
        real = emit.op(llvm.SIToFPOp(x, vector(self.lanes, f32)))
        real = emit.binary("fmul", real, self.row(op.scale, place))
        if op.bias:
            real = emit.binary("fadd", real, self.row(op.bias, place))
        if op.output_element == f32:
            return real
        low, high = clamp_bounds(op.output_element)
        clamped = self._clamp(real, low, high)
        return self._to_integer(round_even(emit, self.target, clamped))

    def quantize(self, op: QuantizeOp, x: SSAValue, place: Place) -> SSAValue:
        """Quantise f32 to a code."""
        emit, code = self.emit, op.output_element
        assert isinstance(code, CodeType)
        scaled = emit.binary("fdiv", x, self.row(op.scale, place))
        if code.is_odd:
            half = code.maximum // 2 + 1
            low = floor(emit, self.target, emit.binary("fmul", scaled, self._float(0.5)))
            code_value = self._to_integer(self._clamp(low, -half, half - 1))
            doubled = emit.binary("add", code_value, code_value)
            return emit.binary("add", doubled, emit.constant(1, doubled.type))
        zero = op.zero_point.value.data
        if zero:
            scaled = emit.binary("fadd", scaled, self._float(zero))
        clamped = self._clamp(scaled, *op.bounds)
        rounded = self._to_integer(round_to(emit, self.target, clamped, op.rounding.data))
        return emit.binary("sub", rounded, emit.constant(zero, rounded.type)) if zero else rounded

    def batch_norm(self, op: BatchNormOp, x: SSAValue, place: Place) -> SSAValue:
        """Normalise in the order of the definition."""
        emit = self.emit
        epsilon = self._float(op.epsilon.value.data)
        variance = emit.binary("fadd", self.row(op.variance, place), epsilon)
        centred = emit.binary("fsub", x, self.row(op.mean, place))
        scaled = emit.binary("fdiv", centred, emit.intrinsic("sqrt", variance))
        scaled = emit.binary("fmul", scaled, self.row(op.gamma, place))
        return emit.binary("fadd", scaled, self.row(op.beta, place))

    def scale(self, op: MulOp | DivOp, x: SSAValue, place: Place) -> SSAValue:
        """Multiply or divide by a row."""
        name = "fmul" if isinstance(op, MulOp) else "fdiv"
        return self.emit.binary(name, x, self.row(op.scale, place))

    def clip(self, op: ClipOp, x: SSAValue, place: Place) -> SSAValue:
        """Clamp to the bounds that there are."""
        emit = self.emit
        names = ("maxnum", "minnum") if _is_float(x) else ("smax", "smin")
        for name, bound in zip(names, (op.minimum, op.maximum)):
            if bound is not None:
                x = emit.intrinsic(name, x, emit.constant(number_of(bound), x.type))
        return x

    def add(self, op: AddOp, x: SSAValue, place: Place) -> SSAValue:
        """Add a row, or another tensor at the same place."""
        name = "fadd" if _is_float(x) else "add"
        other = op.other
        if not op.tables:
            return self.emit.binary(name, x, self._elements(other, place))
        row = self.row(other, place)
        return self.emit.binary(name, x, row)

    def _elements(self, other: SSAValue, place: Place) -> SSAValue:
        pointer = self._pointer(other, place)
        return load_elements(self.emit, pointer, other, self.lanes, place.valid)

    def _float(self, value: float) -> SSAValue:
        return self.emit.constant(value, vector(self.lanes, f32))

    def _clamp(self, x: SSAValue, low: int, high: int) -> SSAValue:
        raised = self.emit.intrinsic("maxnum", x, self._float(low))
        return self.emit.intrinsic("minnum", raised, self._float(high))

    def _to_integer(self, x: SSAValue) -> SSAValue:
        """A float that is an integer in i32's range, as i32."""
        type = vector(self.lanes, i32)
        name = f"llvm.fptosi.sat.{mangled(type)}.{mangled(x.type)}"
        result = self.emit.call(name, [x], type)
        assert result is not None
        return result

    # The store

    def _pointer(self, value: SSAValue, place: Place) -> SSAValue:
        """Address of a place in a memref of unpacked elements with the shape of the result."""
        key = (value, -2, -2)
        operand, base = self._channel_base(value, self.axes[3])
        if key not in self._rows:
            parts = zip(
                (self.tile.batch, self.tile.row, self.tile.column), map(operand.stride, self.axes)
            )
            self._rows[key] = move(self.emit, base, list(parts))
        pixel = place.r * operand.stride(self.axes[2])
        return self.emit.offset(self._rows[key], pixel + place.v * self.lanes * operand.item_bytes)

    def _store(self, value: SSAValue, place: Place) -> None:
        emit, type = self.emit, shaped(self.tile.outs)
        layout, element = layout_of(type), type.element_type
        if layout is not None and layout.packed:
            assert isinstance(element, CodeType)
            self._store_bits(value, place, element, layout.word_width)
            return
        pointer = self._pointer(self.tile.outs, place)
        dtype = storage_dtype(element, layout)
        if not _is_float(value):
            value = emit.widen(value, IntegerType(8 * dtype.itemsize), signed=True)
        emit.store_some(value, pointer, dtype.itemsize, place.valid)

    def _store_bits(self, value: SSAValue, place: Place, code: CodeType, width: int) -> None:
        """Store one mask of lanes a plane; the last vector of a row also clears the rest of its word."""
        emit, type = self.emit, value.type
        operand = Operand(emit, self.tile.outs)
        size = shape_of(self.tile.outs)[self.axes[3]]
        key = (self.tile.outs, -3, -3)
        if key not in self._rows:
            # `channel` is a multiple of the lanes, so it divides into bytes
            byte = emit.at("div", self.tile.channel, 8)
            at = (self.tile.batch, self.tile.row, self.tile.column)
            parts = [*zip(at, map(operand.stride, self.axes)), (byte, 1)]
            self._rows[key] = move(emit, operand.pointer, parts)
        if code.is_odd:
            value = emit.binary("sub", value, emit.constant(code.offset, type))
            value = emit.binary("lshr", value, emit.constant(1, type))
        pixel = place.r * operand.stride(self.axes[2]) + place.v * self.lanes // 8
        last = place.v == self.tile.vectors.value.data - 1
        for plane in range(code.planes):
            bit = emit.binary("and", value, emit.constant(1 << plane, type))
            mask = emit.bitcast(
                emit.compare("ne", bit, emit.constant(0, type)), IntegerType(self.lanes)
            )
            if place.valid < self.lanes:
                mask = emit.binary("and", mask, emit.constant((1 << place.valid) - 1, mask.type))
            pointer = emit.offset(self._rows[key], pixel + plane * operand.stride(None))
            emit.store(mask, pointer, 1)
            if last:
                self._clear_tail(pointer, size, width)

    def _clear_tail(self, pointer: SSAValue, size: int, width: int) -> None:
        """Zero the bytes between the last channel's vector and the end of its word.

        Every block does so behind itself: blocks run in ascending order, so a later one overwrites it.
        """
        stored, end = (-(-size // unit) * unit for unit in (self.lanes, width))
        zero = self.emit.constant(0, i8)
        for byte in range((end - stored) // 8):
            self.emit.store(zero, self.emit.offset(pointer, self.lanes // 8 + byte), 1)


def number_of(bound: Attribute) -> float:
    """The value of a number attribute."""
    if isinstance(bound, FloatAttr):
        return cast("FloatAttr[Float32Type]", bound).value.data
    assert isinstance(bound, IntegerAttr)
    return cast("IntegerAttr[IntegerType]", bound).value.data


def _is_float(value: SSAValue) -> bool:
    return isinstance(lane_of(value.type), Float32Type)


APPLY: dict[type[Operation], Callable[..., SSAValue]] = {
    ThresholdOp: Epilogue.threshold,
    RequantizeOp: Epilogue.requantize,
    QuantizeOp: Epilogue.quantize,
    BatchNormOp: Epilogue.batch_norm,
    MulOp: Epilogue.scale,
    DivOp: Epilogue.scale,
    ClipOp: Epilogue.clip,
    AddOp: Epilogue.add,
}
