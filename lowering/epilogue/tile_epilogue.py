"""Epilogues on vectors of accumulators: corrections, elementwise ops, thresholds on raw sums.

A kernel hands over vectors of raw sums with their coordinates; what happens to them is decided here and
nowhere else. Codes and integers travel as i32 lanes of decoded values (what `lowbit.rescale` gives as i16),
floats as f32 lanes.
"""

from __future__ import annotations

from functools import cached_property
from math import prod

from xdsl.dialects.builtin import IntegerType, i16, i32
from xdsl.ir import Operation, SSAValue

from lowbit_dialect.algebra import OFFSETS, PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import array, element_of, shape_of, shaped, value_range
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.tile import TileOp, YieldOp
from lowering.epilogue.elementwise import apply
from lowering.epilogue.thresholds import (
    LARGEST_HALF,
    LARGEST_RAW,
    addends,
    largest,
    narrowed,
    planes,
    raw_limit,
    stores_planes,
)
from lowering.epilogue.tile_operands import TileOperands, TileVector, is_float
from lowering.epilogue.tile_store import TileStore
from microkernels.emit import Emitter
from microkernels.llvm_types import element_type as lane_of
from microkernels.target import Target


class Epilogue:
    """Applies corrections and the epilogue of one tile, and stores the result."""

    def __init__(self, emit: Emitter, tile: TileOp, target: Target, lanes: int):
        self.emit, self.tile, self.target, self.lanes = emit, tile, target, lanes
        self._at = TileOperands(emit, tile, target, lanes)
        self._store = TileStore(self._at)
        self._limits: dict[tuple[SSAValue, int, int, int], SSAValue] = {}

    def finish(self, raw: SSAValue, place: TileVector) -> None:
        """Correct one vector of raw sums, run the epilogue on it, store it."""
        blocks = self.tile.epilogue.blocks
        if not blocks:
            self._store.value(self._divide(self._correct(raw, place)), place)
            return
        *steps, last = blocks[0].ops
        assert isinstance(last, YieldOp)
        final = self._final_thresholds(steps, last)
        if final:
            added = addends(steps[:-1], blocks[0].args[0])
            if added is not None and self._folds(final, added):
                self._store.masks(self._planes_of_raw(final, raw, added, place), place)
                return
        values: dict[SSAValue, SSAValue] = {}
        values[blocks[0].args[0]] = self._divide(self._correct(raw, place))
        for op in steps[:-1] if final else steps:
            values[op.results[0]] = apply(self._at, op, values[op.operands[0]], place)
        if final:
            self._store.masks(self._planes_of(final, values[final.input], place), place)
        else:
            self._store.value(values[last.value], place)

    def _final_thresholds(self, steps: list[Operation], last: YieldOp) -> ThresholdOp | None:
        """The thresholds whose codes are stored as planes, and are made as planes."""
        if not steps or not self._store.packed or last.value is not steps[-1].results[0]:
            return None
        final = steps[-1]
        return final if isinstance(final, ThresholdOp) and stores_planes(final) else None

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
        return depth * (activation + max(OFFSETS.values())) * weight

    def _planes_of(self, op: ThresholdOp, x: SSAValue, place: TileVector) -> list[SSAValue]:
        emit, code = self.emit, op.output_element
        assert isinstance(code, CodeType)
        x = self._at.compared(op, x, place)
        limits = [self._at.limit(op, place, step) for step in range(code.steps)]
        return planes(emit, op, limits, lambda limit: emit.compare("sge", x, limit))

    def _planes_of_raw(
        self, op: ThresholdOp, raw: SSAValue, added: list[SSAValue], place: TileVector
    ) -> list[SSAValue]:
        emit, code, factor = self.emit, op.output_element, self._factor
        assert isinstance(code, CodeType)
        doubled, sign = bool(added) and abs(factor) == 2, 1 if factor > 0 else -1
        most = self._largest_raw * (1 + doubled) + largest(added)
        lane = i16 if self.lanes * 32 > self.target.simd_bits and most < LARGEST_HALF else i32
        raw = emit.widen(raw, lane, signed=True)
        if doubled:
            raw, factor = emit.binary("add", raw, raw), sign
        for one in added:
            codes = emit.widen(self._at.elements(one, place), lane, signed=True)
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
            correction = self._at.corrections(self.tile.corrections, place)
            correction = self.emit.widen(correction, i32, signed=True)
            limit = raw_limit(
                self.emit, self._at.row(op.thresholds, place, step), correction, factor
            )
            self._limits[key] = narrowed(self.emit, limit) if lane == i16 else limit
        return self._limits[key]

    def _correct(self, raw: SSAValue, place: TileVector) -> SSAValue:
        tile, emit = self.tile, self.emit
        factor = self._factor
        doubled = self._doubled(raw) if abs(factor) == 2 else raw
        if tile.corrections is None:
            zero = emit.constant(0, raw.type)
            return doubled if factor > 0 else emit.binary("sub", zero, doubled)
        table = self._at.corrections(tile.corrections, place)
        # The accumulator may be i64, corrections i16.
        table = emit.widen(table, lane_of(raw.type), signed=True)
        return emit.binary("add" if factor > 0 else "sub", table, doubled)

    def _doubled(self, raw: SSAValue) -> SSAValue:
        """Twice a sum; ARM shifts an operand of one lane in the instruction that adds it."""
        if self.lanes > 1:
            return self.emit.binary("add", raw, raw)
        return self.emit.binary("shl", raw, self.emit.constant(1, raw.type))

    @cached_property
    def _factor(self) -> int:
        """What raw sums are multiplied by: 1 unless they count bits."""
        layout = layout_of(shaped(self.tile.input))
        if self.tile.weights is None or layout is None or not layout.encoded:
            return 1
        codes = element_of(self.tile.input.type), element_of(self.tile.weights.type)
        return PairAlgebra(*codes).factor  # pyright: ignore

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
