"""The store of a tile's results: elements, or masks of lanes as words of planes."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, i8
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of, storage_dtype
from lowbit_dialect.ops.common import element_of, shape_of, shaped
from lowering.epilogue.tile_operands import TileOperands, TileVector, is_float
from microkernels.address import move
from microkernels.llvm_types import bits_of
from microkernels.llvm_types import element_type as lane_of
from microkernels.table import verbs_of

BYTE = 8
"""Lanes whose masks fill a byte."""


class TileStore:
    """Stores vectors of the results of one tile."""

    def __init__(self, at: TileOperands):
        self._at = at
        self.emit, self.tile, self.lanes, self.axes = at.emit, at.tile, at.lanes, at.axes
        self._verbs = verbs_of(at.target)
        self._begin: SSAValue | None = None
        """Address of the tile's planes."""
        self._low: list[SSAValue] = []
        """Masks of a vector of 4 lanes that wait for those of the next one."""
        self._parts: list[SSAValue] = []
        """Vectors of bytes that wait for those of the same pixel after them, and go where the first does."""
        self._first: TileVector | None = None

    @property
    def packed(self) -> bool:
        """Whether planes are stored."""
        layout = layout_of(shaped(self.tile.outs))
        return layout is not None and layout.packed

    def value(self, value: SSAValue, place: TileVector) -> None:
        """Store one vector of decoded lanes."""
        emit, type = self.emit, shaped(self.tile.outs)
        layout, element = layout_of(type), type.element_type
        if self.packed:
            self.masks(self._masks(value), place)
            return
        dtype = storage_dtype(element, layout)
        if dtype.itemsize == 1 and self._joins(value):
            self._bytes(value, place, signed=dtype.kind == "i")
            return
        if not is_float(value):
            value = emit.widen(value, IntegerType(8 * dtype.itemsize), signed=True)
        pointer = self._at.pointer(self.tile.outs, place)
        emit.store_some(value, pointer, dtype.itemsize, place.valid)

    def _joins(self, value: SSAValue) -> bool:
        """Whether its bytes are stored with those of other vectors, which costs less than each by itself."""
        bits = bits_of(lane_of(value.type))
        whole = bits in (16, 32) and self.lanes * bits % self._at.target.simd_bits == 0
        return whole and not is_float(value) and "join_bytes" in self._verbs.can

    def _bytes(self, value: SSAValue, place: TileVector, *, signed: bool) -> None:
        """Store a vector as bytes with those of its pixel that wait, or let it wait for more."""
        emit, bits = self.emit, self._at.target.simd_bits
        lanes = bits // bits_of(lane_of(value.type))
        first = self._first = self._first or place
        for at in range(0, self.lanes, lanes):
            self._parts.append(emit.shuffle(value, range(at, at + lanes)))
        if place.v < self.tile.vectors.value.data - 1 and len(self._parts) * lanes < bits // 8:
            return
        bytes = self._verbs.join_bytes(emit, self._parts, signed=signed)
        valid = (place.v - first.v) * self.lanes + place.valid
        pointer, at = self._at.pointer(self.tile.outs, first), 0
        while at < valid:
            size = 1 << max(valid - at, lanes).bit_length() - 1
            part = emit.shuffle(bytes, range(at, at + size))
            emit.store_some(part, emit.offset(pointer, at), 1, valid - at)
            at += size
        self._parts, self._first = [], None

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

    def masks(self, masks: list[SSAValue], place: TileVector) -> None:
        """Store one mask of lanes a plane; the last vector of a row also clears the rest of its word.

        Vectors of 4 lanes are stored by twos.
        """
        last = place.v == self.tile.vectors.value.data - 1
        if self.lanes >= BYTE:
            self._store(masks, place, self.lanes, last=last)
        elif place.v % 2 == 0 and not last:
            self._low = masks
        else:
            self._store(*self._joined(masks, place), BYTE, last=last)

    def _joined(
        self, masks: list[SSAValue], place: TileVector
    ) -> tuple[list[SSAValue], TileVector]:
        """Masks of 8 lanes: those that wait, and behind them others; the last may stand alone."""
        emit, alone = self.emit, place.v % 2 == 0
        none = emit.constant(0, masks[0].type)
        pairs = (
            (one, none) if alone else (low, one) for low, one in zip(self._low or masks, masks)
        )
        valid = place.valid + (0 if alone else self.lanes)
        joined = [emit.shuffle(low, range(BYTE), high) for low, high in pairs]
        return joined, TileVector(place.r, place.v // 2, valid)

    def _store(self, masks: list[SSAValue], place: TileVector, lanes: int, *, last: bool) -> None:
        emit, outs = self.emit, self.tile.outs
        operand, layout = self._at.operand(outs), layout_of(shaped(outs))
        assert layout is not None
        width, size = layout.word_width, shape_of(outs)[self.axes[3]]
        if self._begin is None:
            # `channel` is a multiple of the lanes, so it divides into bytes
            byte = emit.at("div", self.tile.channel, 8)
            at = (self.tile.batch, self.tile.row, self.tile.column)
            parts = [*zip(at, map(operand.stride, self.axes)), (byte, 1)]
            self._begin = move(emit, operand.pointer, parts)
        pixel = place.r * operand.stride(self.axes[2]) + place.v * lanes // 8
        for plane, flags in enumerate(masks):
            mask = emit.bitcast(flags, IntegerType(lanes))
            if place.valid < lanes:
                mask = emit.binary("and", mask, emit.constant((1 << place.valid) - 1, mask.type))
            if lanes > width >= place.valid:
                mask = emit.widen(mask, IntegerType(width), signed=False)
            pointer = emit.offset(self._begin, pixel + plane * operand.stride(None))
            emit.store(mask, pointer, 1)
            if last:
                self._clear_tail(pointer, size, width, lanes)

    def _clear_tail(self, pointer: SSAValue, size: int, width: int, lanes: int) -> None:
        """Zero the bytes between the last channel's vector and the end of its word.

        Every block does so behind itself: blocks run in ascending order, so a later one overwrites it.
        """
        stored, end = (-(-size // unit) * unit for unit in (lanes, width))
        zero = self.emit.constant(0, i8)
        for byte in range((end - stored) // 8):
            self.emit.store(zero, self.emit.offset(pointer, lanes // 8 + byte), 1)
