"""Epilogues on vectors of accumulators: corrections, elementwise ops, and the store.

A kernel hands over vectors of raw sums with their coordinates; what happens to them is decided here and
nowhere else. Codes and integers travel as i32 lanes of decoded values, floats as f32 lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import Float32Type, IntegerType, f32, i8, i16, i32
from xdsl.ir import Operation, SSAValue

from lowbit_dialect.algebra import OFFSET, PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of, storage_dtype
from lowbit_dialect.ops.common import array, element_of, shape_of, shaped, value_range
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.tile import TileOp, YieldOp
from lowering.epilogue.thresholds import (
    LARGEST_HALF,
    LARGEST_RAW,
    addends,
    fold,
    largest,
    narrowed,
    ordered,
    planes,
    stores_planes,
)
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.lanewise import load_elements
from microkernels.llvm_ops import element_type as lane_of
from microkernels.llvm_ops import vector
from microkernels.operand import Operand
from microkernels.target import Target


@dataclass(frozen=True)
class TileVector:
    """Which accumulators a vector holds: pixel `r` of the tile, vector `v`, `valid` lanes of it."""

    r: int
    v: int
    valid: int


Apply = Callable[["Epilogue", Operation, SSAValue, TileVector], SSAValue]
"""What an elementwise op makes of a vector (`lowering.epilogue.elementwise.apply`)."""


class Epilogue:
    """Applies corrections and the epilogue of one tile, and stores the result."""

    def __init__(self, emit: Emitter, tile: TileOp, target: Target, lanes: int, apply: Apply):
        self._apply = apply
        self.emit, self.tile, self.target, self.lanes = emit, tile, target, lanes
        self.axes = array(tile.output_axes, ())
        self.groups = tile.groups.value.data
        self.size = shape_of(tile.outs)[self.axes[3]] // self.groups
        self._operands: dict[SSAValue, Operand] = {}
        self._bases: dict[SSAValue, SSAValue] = {}
        self._rows: dict[tuple[SSAValue, int, int], SSAValue] = {}
        self._pointers: dict[SSAValue, SSAValue] = {}
        self._limits: dict[tuple[SSAValue, int, int, int], SSAValue] = {}
        self._ordered: dict[SSAValue, SSAValue] = {}

    def finish(self, raw: SSAValue, place: TileVector) -> None:
        """Correct one vector of raw sums, run the epilogue on it, store it."""
        blocks = self.tile.epilogue.blocks
        if not blocks:
            self._store(self._divide(self._correct(raw, place)), place)
            return
        *steps, last = blocks[0].ops
        assert isinstance(last, YieldOp)
        final = self._final_thresholds(steps, last)
        if final:
            added = addends(steps[:-1], blocks[0].args[0])
            if added is not None and self._folds(final, added):
                self._store_masks(self._planes_of_raw(final, raw, added, place), place)
                return
        values: dict[SSAValue, SSAValue] = {}
        values[blocks[0].args[0]] = self._divide(self._correct(raw, place))
        for op in steps[:-1] if final else steps:
            values[op.results[0]] = self._apply(self, op, values[op.operands[0]], place)
        if final:
            self._store_masks(self._planes_of(final, values[final.input], place), place)
        else:
            self._store(values[last.value], place)

    # Thresholds that become planes

    def _final_thresholds(self, steps: list[Operation], last: YieldOp) -> ThresholdOp | None:
        """The thresholds whose codes are stored as planes, and are made as planes."""
        if not steps or not self._packed or last.value is not steps[-1].results[0]:
            return None
        final = steps[-1]
        return final if isinstance(final, ThresholdOp) and stores_planes(final) else None

    @property
    def _packed(self) -> bool:
        layout = layout_of(shaped(self.tile.outs))
        return layout is not None and layout.packed

    def _folds(self, op: ThresholdOp, added: list[SSAValue]) -> bool:
        """Whether comparisons may be made on raw sums, to which codes are added."""
        plain = op.flip is None and self.tile.divisor.value.data == 1
        if not plain or op.bounded is None or self.tile.corrections is None:
            return False
        return self._largest_raw + largest(added) < LARGEST_RAW

    @property
    def _largest_raw(self) -> int:
        """What no raw sum exceeds, whatever the data: of bits, of values, or of values and an offset."""
        tile = self.tile
        assert tile.weights is not None
        elements = element_of(tile.input.type), element_of(tile.weights.type)
        axes = array(tile.weight_axes, ())
        depth = prod(array(tile.kernel, ())) * shape_of(tile.weights)[axes[2]]
        layout = layout_of(shaped(tile.weights))
        if layout is not None and layout.packed:
            return depth * prod((1 << one.planes) - 1 for one in elements)  # pyright: ignore
        activation, weight = (max(map(abs, value_range(one))) for one in elements)
        return depth * (activation + OFFSET) * weight

    def _planes_of(self, op: ThresholdOp, x: SSAValue, place: TileVector) -> list[SSAValue]:
        emit, code = self.emit, op.output_element
        assert isinstance(code, CodeType)
        x = self.compared(op, x, place)
        limits = [self.limit(op, place, step) for step in range(code.steps)]
        return planes(emit, op, limits, lambda limit: emit.compare("sge", x, limit))

    def compared(self, op: ThresholdOp, x: SSAValue, place: TileVector) -> SSAValue:
        """What integers `limit` is compared with in place of `x`."""
        if op.flip:
            return self.emit.binary("xor", x, self.row(op.flip, place))
        return ordered(self.emit, x, last=False) if is_float(x) else x

    def limit(self, op: ThresholdOp, place: TileVector, step: int) -> SSAValue:
        """A threshold of the channels of a place, as integers."""
        row = self.row(op.thresholds, place, step)
        if is_float(row) and row not in self._ordered:
            self._ordered[row] = ordered(self.emit, row, last=True)
        return self._ordered.get(row, row)

    def _planes_of_raw(
        self, op: ThresholdOp, raw: SSAValue, added: list[SSAValue], place: TileVector
    ) -> list[SSAValue]:
        emit, code, factor = self.emit, op.output_element, self._factor()
        assert isinstance(code, CodeType)
        doubled, sign = bool(added) and abs(factor) == 2, 1 if factor > 0 else -1
        most = self._largest_raw * (1 + doubled) + largest(added)
        lane = i16 if self.lanes * 32 > self.target.simd_bits and most < LARGEST_HALF else i32
        raw = emit.widen(raw, lane, signed=True)
        if doubled:
            raw, factor = emit.binary("add", raw, raw), sign
        for one in added:
            codes = emit.widen(self.elements(one, place), lane, signed=True)
            raw = emit.binary("add" if sign > 0 else "sub", raw, codes)
        limits = [self._folded(op, place, step, factor, lane) for step in range(code.steps)]
        order = "sgt" if factor > 0 else "slt"
        return planes(emit, op, limits, lambda limit: emit.compare(order, raw, limit))

    def _folded(
        self, op: ThresholdOp, place: TileVector, step: int, factor: int, lane: IntegerType
    ) -> SSAValue:
        """A threshold with the corrections of the place's border class folded in."""
        assert self.tile.corrections is not None
        classes = array(self.tile.column_classes, ())
        key = (op.thresholds, step, place.v, classes[place.r] if classes else -1)
        if key not in self._limits:
            pointer = self._correction_pointer(self.tile.corrections, place)
            correction = self.emit.load(pointer, vector(self.lanes, i32), 4)
            limit = fold(self.emit, self.row(op.thresholds, place, step), correction, factor)
            self._limits[key] = narrowed(self.emit, limit) if lane == i16 else limit
        return self._limits[key]

    # Corrections

    def _correct(self, raw: SSAValue, place: TileVector) -> SSAValue:
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
        if self.tile.weights is None or layout is None or not layout.encoded:
            return 1
        codes = element_of(self.tile.input.type), element_of(self.tile.weights.type)
        return PairAlgebra(*codes).factor  # pyright: ignore

    def _like(self, table: SSAValue, raw: SSAValue) -> SSAValue:
        """Corrections in the lanes of the accumulator, which may be i64."""
        return self.emit.widen(table, lane_of(raw.type), signed=True)

    def _correction_pointer(self, corrections: SSAValue, place: TileVector) -> SSAValue:
        operand, base = self.channel_base(corrections, 2)
        classes = array(self.tile.column_classes, ())
        rows, columns = operand.stride(0), operand.stride(1)
        if corrections not in self._pointers:
            parts = list(zip(self.tile.classes, (rows, columns)))
            self._pointers[corrections] = move(self.emit, base, parts)
        column = classes[place.r] * columns if classes else 0
        return self.emit.offset(self._pointers[corrections], column + place.v * self.lanes * 4)

    def _divide(self, value: SSAValue) -> SSAValue:
        divisor = self.tile.divisor.value.data
        if divisor == 1:
            return value
        emit = self.emit
        by = emit.constant(divisor, value.type)
        if is_float(value):
            return emit.binary("fdiv", value, by)
        # Rounding down: the quotient truncates, a negative remainder takes one more off.
        quotient = emit.binary("sdiv", value, by)
        rest = emit.binary("sub", value, emit.binary("mul", quotient, by))
        return emit.binary("add", quotient, emit.binary("ashr", rest, emit.constant(31, rest.type)))

    # Operands

    def operand(self, value: SSAValue) -> Operand:
        """The strides and address of a memref."""
        if value not in self._operands:
            self._operands[value] = Operand(self.emit, value)
        return self._operands[value]

    def channel_base(self, value: SSAValue, axis: int) -> tuple[Operand, SSAValue]:
        """An operand indexed by output channel, and its address at the tile's first channel."""
        operand = self.operand(value)
        if value not in self._bases:
            group, block_stride, block = operand.channels(axis, self.groups, self.size)
            one = block_stride // block if block_stride else operand.item_bytes
            parts = [(self.tile.group, group), (self.tile.channel, one)]
            self._bases[value] = move(self.emit, operand.pointer, parts)
        return operand, self._bases[value]

    def row(self, table: SSAValue, place: TileVector, step: int = 0) -> SSAValue:
        """The row of a table for the channels of a place: a vector, or one number in all lanes."""
        key = (table, step, place.v if shape_of(table)[0] > 1 else 0)
        if key not in self._rows:
            self._rows[key] = self._load_row(table, place, step)
        return self._rows[key]

    def _load_row(self, table: SSAValue, place: TileVector, step: int) -> SSAValue:
        emit, operand = self.emit, self.operand(table)
        type = f32 if isinstance(shaped(table).element_type, Float32Type) else i32
        at = step * operand.stride(1) if len(shape_of(table)) == 2 else 0
        if shape_of(table)[0] == 1:
            return emit.splat(emit.load(emit.offset(operand.pointer, at), type, 4), self.lanes)
        pointer = self.channel_base(table, 0)[1]
        pointer = emit.offset(pointer, at + place.v * self.lanes * operand.item_bytes)
        lanes = self.lanes if layout_of(shaped(table)) is not None else place.valid
        return emit.load_some(pointer, vector(self.lanes, type), 4, lanes)

    # The store

    def pointer(self, value: SSAValue, place: TileVector) -> SSAValue:
        """Address of a place in a memref of unpacked elements with the shape of the result."""
        operand, base = self.channel_base(value, self.axes[3])
        if value not in self._pointers:
            parts = zip(
                (self.tile.batch, self.tile.row, self.tile.column), map(operand.stride, self.axes)
            )
            self._pointers[value] = move(self.emit, base, list(parts))
        at = place.r * operand.stride(self.axes[2]) + place.v * self.lanes * operand.item_bytes
        return self.emit.offset(self._pointers[value], at)

    def elements(self, value: SSAValue, place: TileVector) -> SSAValue:
        """The elements of another tensor at a place, as i32 or f32."""
        return load_elements(self.emit, self.pointer(value, place), value, self.lanes, place.valid)

    def _store(self, value: SSAValue, place: TileVector) -> None:
        emit, type = self.emit, shaped(self.tile.outs)
        layout, element = layout_of(type), type.element_type
        if self._packed:
            self._store_masks(self._masks(value), place)
            return
        pointer = self.pointer(self.tile.outs, place)
        dtype = storage_dtype(element, layout)
        if not is_float(value):
            value = emit.widen(value, IntegerType(8 * dtype.itemsize), signed=True)
        emit.store_some(value, pointer, dtype.itemsize, place.valid)

    def _masks(self, value: SSAValue) -> list[SSAValue]:
        """The planes of decoded lanes."""
        emit, type, code = self.emit, value.type, element_of(self.tile.outs.type)
        assert isinstance(code, CodeType)
        if code.is_odd:
            value = emit.binary("sub", value, emit.constant(code.offset, type))
            value = emit.binary("lshr", value, emit.constant(1, type))
        bits = [
            emit.binary("and", value, emit.constant(1 << plane, type))
            for plane in range(code.planes)
        ]
        return [emit.compare("ne", bit, emit.constant(0, type)) for bit in bits]

    def _store_masks(self, masks: list[SSAValue], place: TileVector) -> None:
        """Store one mask of lanes a plane; the last vector of a row also clears the rest of its word."""
        emit, outs = self.emit, self.tile.outs
        operand, layout = self.operand(outs), layout_of(shaped(outs))
        assert layout is not None
        width, size = layout.word_width, shape_of(outs)[self.axes[3]]
        if outs not in self._pointers:
            # `channel` is a multiple of the lanes, so it divides into bytes
            byte = emit.at("div", self.tile.channel, 8)
            at = (self.tile.batch, self.tile.row, self.tile.column)
            parts = [*zip(at, map(operand.stride, self.axes)), (byte, 1)]
            self._pointers[outs] = move(emit, operand.pointer, parts)
        pixel = place.r * operand.stride(self.axes[2]) + place.v * self.lanes // 8
        last = place.v == self.tile.vectors.value.data - 1
        for plane, flags in enumerate(masks):
            mask = emit.bitcast(flags, IntegerType(self.lanes))
            if place.valid < self.lanes:
                mask = emit.binary("and", mask, emit.constant((1 << place.valid) - 1, mask.type))
            if self.lanes > width >= place.valid:
                mask = emit.widen(mask, IntegerType(width), signed=False)
            pointer = emit.offset(self._pointers[outs], pixel + plane * operand.stride(None))
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


def is_float(value: SSAValue) -> bool:
    """Whether lanes are f32."""
    return isinstance(lane_of(value.type), Float32Type)
