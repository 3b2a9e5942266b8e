"""What a tile's epilogue reads: rows of tables, other tensors, corrections, each loaded once."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import Float32Type, IntegerType, f32
from xdsl.ir import SSAValue

from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import array, shape_of, shaped
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.tile import TileOp
from lowering.epilogue.thresholds import ordered
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.lanewise import load_elements
from microkernels.llvm_types import element_type as lane_of
from microkernels.llvm_types import vector
from microkernels.operand import Operand
from microkernels.table import verbs_of
from microkernels.target import Target


@dataclass(frozen=True)
class TileVector:
    """Which accumulators a vector holds: pixel `r` of the tile, vector `v`, `valid` lanes of it."""

    r: int
    v: int
    valid: int


class TileOperands:
    """Loads what goes with vectors of the accumulators of one tile."""

    def __init__(self, emit: Emitter, tile: TileOp, target: Target, lanes: int):
        self.emit, self.tile, self.target, self.lanes = emit, tile, target, lanes
        self.axes = array(tile.output_axes, ())
        self.groups = tile.groups.value.data
        self.size = shape_of(tile.outs)[self.axes[3]] // self.groups
        self._operands: dict[SSAValue, Operand] = {}
        self._bases: dict[SSAValue, SSAValue] = {}
        self._rows: dict[tuple[SSAValue, int, int], SSAValue] = {}
        self._corrections: dict[tuple[SSAValue, int], SSAValue] = {}
        self._reach = verbs_of(target).reach
        self._moved: dict[SSAValue, int] = {}
        self._pointers: dict[SSAValue, SSAValue] = {}
        self._ordered: dict[SSAValue, SSAValue] = {}

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
        floats, size = isinstance(shaped(table).element_type, Float32Type), operand.item_bytes
        type = f32 if floats else IntegerType(8 * size)
        at = step * operand.stride(1) if len(shape_of(table)) == 2 else 0
        if shape_of(table)[0] == 1:
            return emit.splat(emit.load(emit.offset(operand.pointer, at), type, size), self.lanes)
        pointer = self.channel_base(table, 0)[1]
        pointer = emit.offset(pointer, at + place.v * self.lanes * size)
        lanes = self.lanes if layout_of(shaped(table)) is not None else place.valid
        return emit.load_some(pointer, vector(self.lanes, type), size, lanes)

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

    def pointer(self, value: SSAValue, place: TileVector) -> SSAValue:
        """Address of a place in a memref of unpacked elements with the shape of the result."""
        operand, base = self.channel_base(value, self.axes[3])
        if value not in self._pointers:
            parts = zip(
                (self.tile.batch, self.tile.row, self.tile.column), map(operand.stride, self.axes)
            )
            self._pointers[value] = move(self.emit, base, list(parts))
        at = place.r * operand.stride(self.axes[2]) + place.v * self.lanes * operand.item_bytes
        at -= self._moved.get(value, 0)
        if self._reach and at >= self._reach:
            # LLVM would form the distance of every store beyond in a register.
            far = at - at % self._reach
            start = self.emit.offset(self._pointers[value], far)
            self._pointers[value] = self.emit.pinned(start)
            self._moved[value] = self._moved.get(value, 0) + far
            at -= far
        return self.emit.offset(self._pointers[value], at)

    def elements(self, value: SSAValue, place: TileVector) -> SSAValue:
        """The elements of another tensor at a place, as i32 or f32."""
        return load_elements(self.emit, self.pointer(value, place), value, self.lanes, place.valid)

    def corrections(self, table: SSAValue, place: TileVector) -> SSAValue:
        """The corrections of a place's border class and channels, as they are stored.

        Vectors are loaded again for each pixel, as they would find no register.
        """
        operand, base = self.channel_base(table, 2)
        classes = array(self.tile.column_classes, ())
        rows, columns = operand.stride(0), operand.stride(1)
        if table not in self._pointers:
            parts = list(zip(self.tile.classes, (rows, columns)))
            self._pointers[table] = move(self.emit, base, parts)
        column = classes[place.r] * columns if classes else 0
        size = operand.item_bytes
        at = column + place.v * self.lanes * size
        if self.lanes > 1 or (table, at) not in self._corrections:
            pointer = self.emit.offset(self._pointers[table], at)
            type = vector(self.lanes, IntegerType(8 * size))
            self._corrections[table, at] = self.emit.load(pointer, type, size)
        return self._corrections[table, at]


def is_float(value: SSAValue) -> bool:
    """Whether lanes are f32."""
    return isinstance(lane_of(value.type), Float32Type)
