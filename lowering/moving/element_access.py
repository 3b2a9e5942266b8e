"""Scalar access to single elements of memrefs in any layout: the general way, for what need not be fast."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from xdsl.dialects import arith
from xdsl.dialects.builtin import Float32Type, IndexType, IntegerType, f32, i32, i64
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import (
    SUMS,
    Chain,
    Layout,
    Term,
    layout_of,
    row_major,
    storage_dtype,
    storage_of,
)
from lowbit_dialect.ops.common import shaped
from lowering.moving.logical_indices import Positions, coarser
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector
from microkernels.operand import Operand

FEWEST = 8
"""Lanes below which vectors that reach past an axis pay."""


class Element:
    """Reads or writes elements of one memref at logical indices."""

    def __init__(self, emit: Emitter, value: SSAValue):
        self.emit, self.type = emit, shaped(value)
        self.layout = layout_of(self.type)
        self.operand = Operand(emit, value)
        self.dtype = storage_dtype(self.type.element_type, self.layout)
        self.terms = self.layout.terms if self.layout else row_major(self.type.get_num_dims())
        self.encoded = self.layout is not None and self.layout.encoded
        self.table = self.layout.table if self.layout else None

    @property
    def extents(self) -> tuple[int, ...]:
        """Extents of the stored axes."""
        return storage_of(self.type)[0]

    @property
    def stored(self) -> IntegerType | Float32Type:
        """Type of a stored word."""
        return f32 if self.dtype.kind == "f" else IntegerType(8 * self.dtype.itemsize)

    def read(self, indices: Sequence[SSAValue]) -> SSAValue:
        """The decoded element as i32 (f32 and i64 as they are)."""
        emit, element = self.emit, self.type.element_type
        if not self.encoded:
            return self._wide(emit.load(self._address(indices, None), self.stored, self._bytes))
        assert isinstance(element, CodeType)
        if self.table:
            code = self._summand(indices, (1 << element.planes) - 1)
            scaled = emit.binary("mul", code, emit.constant(element.scale, i32))
            return emit.binary("add", scaled, emit.constant(element.offset, i32))
        total = emit.constant(element.offset, i32)
        for plane, weight in enumerate(element.plane_weights):
            word = emit.load(
                self._address(indices, emit.index(plane)), self.stored, self.dtype.itemsize
            )
            bit = self._bit(word, indices)
            scaled = emit.binary("mul", bit, emit.constant(weight * element.scale, i32))
            total = emit.binary("add", total, scaled)
        return total

    def read_lanes(self, indices: Sequence[SSAValue], axis: int, lanes: int) -> SSAValue:
        """So many decoded elements of a plain tensor along an axis as `read` gives one; zero past its end.

        Past the end there may be some only where they lie side by side.
        """
        emit, type = self.emit, vector(lanes, self.stored)
        pointer, stride = self._address(indices, None), self.operand.stride(axis)
        if stride != self._bytes and lanes > 1:
            one = [
                emit.load(emit.offset(pointer, lane * stride), self.stored, self._bytes)
                for lane in range(lanes)
            ]
            return self._wide(emit.gathered(one))
        held = self.held(indices[axis], axis, lanes)
        if held is None:
            return self._wide(emit.load(pointer, type, self._bytes))
        return self._wide(emit.load_where(held, pointer, type, self._bytes))

    def held(self, index: SSAValue, axis: int, lanes: int) -> SSAValue | None:
        """Which of so many lanes from an index on are inside an axis; None if all always are."""
        emit, extent = self.emit, self.type.get_shape()[axis]
        if extent % lanes == 0:
            return None
        first = emit.splat(emit.op(arith.IndexCastOp(index, i32)), lanes)
        here = emit.binary("add", first, emit.constants(range(lanes), i32))
        return emit.compare("slt", here, emit.constant(extent, here.type))

    @property
    def _bytes(self) -> int:
        return self.dtype.itemsize

    def _wide(self, word: SSAValue) -> SSAValue:
        if self.dtype.kind == "f" or self.type.element_type == i64:
            return word
        return self.emit.widen(word, i32, signed=self.dtype.kind == "i")

    def _summand(self, indices: Sequence[SSAValue], largest: int) -> SSAValue:
        """The code at `indices`, from the entry of its table that sums it alone."""
        emit = self.emit
        place = self._place(indices)
        shift = emit.op(arith.IndexCastOp(place, i32))
        alone = emit.op(
            arith.IndexCastOp(emit.binary("shl", emit.constant(1, i32), shift), IndexType())
        )

        def entry(at: SSAValue) -> SSAValue:
            word = emit.load(self._address(indices, at), self.stored, self.dtype.itemsize)
            total = emit.binary("sub", emit.constant(0, self.stored), word)
            return emit.widen(total, i32, signed=False)

        if self.table == SUMS:
            return entry(alone)
        rest = emit.binary("add", entry(emit.index(0)), emit.constant(largest, i32))
        return emit.binary("lshr", emit.binary("sub", rest, entry(alone)), emit.constant(1, i32))

    def _place(self, indices: Sequence[SSAValue]) -> SSAValue:
        """Which element of its word or table the one at `indices` is."""
        axis, chain = self.within_word
        return self._value(chain, indices[axis])

    def _bit(self, word: SSAValue, indices: Sequence[SSAValue]) -> SSAValue:
        """Bit of the element at `indices` in its word, as i32."""
        emit, place = self.emit, self._place(indices)
        shift = emit.widen(bit_position(emit, self.layout, place), self.stored, signed=False)
        one = emit.binary("and", emit.binary("lshr", word, shift), emit.constant(1, self.stored))
        return emit.widen(one, i32, signed=False)

    @property
    def word_term(self) -> Term:
        """The stored axis whose remainder a word or table holds."""
        assert self.layout is not None and self.layout.word_term is not None
        return self.layout.word_term

    @property
    def within_word(self) -> tuple[int, Chain]:
        """The name, as in `Positions`, of the place of an element in its word or table."""
        term = self.word_term
        assert term.axis is not None
        return term.axis, (*term.chain[:-1], ("in", term.chain[-1][1]))

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane of a row of words."""
        assert self.layout is not None
        axis, _ = self.within_word
        width = self.layout.word_width
        return -(-self.type.get_shape()[axis] // width) * width // 8

    def stored_at(
        self, indices: Sequence[SSAValue], terms: Sequence[Term], lanes: int = 1
    ) -> tuple[SSAValue, Positions]:
        """Address of what is stored at indices of some stored axes, and these by name.

        The last index counts vectors of so many lanes.
        """
        strides = [self.operand.stride(term.axis, term.chain) for term in terms]
        strides[-1] *= lanes
        pointer = move(self.emit, self.operand.pointer, list(zip(indices, strides)))
        last = terms[-1].axis
        known: Positions = {
            (term.axis, coarser(term.chain, lanes if term.axis == last else 1)): index
            for term, index in zip(terms, indices)
            if term.axis is not None
        }
        return pointer, known

    def encode(self, value: SSAValue) -> SSAValue:
        """The codes of decoded elements, whose bits are those of planes."""
        emit, code = self.emit, self.type.element_type
        assert isinstance(code, CodeType)
        value = emit.binary("sub", value, emit.constant(code.offset, value.type))
        return emit.binary("ashr", value, emit.constant(code.scale - 1, value.type))

    def store(self, value: SSAValue, pointer: SSAValue) -> None:
        """Store decoded elements as words of their own."""
        if self.dtype.kind != "f":
            value = self.emit.widen(value, self.stored, signed=True)
        self.emit.store(value, pointer, self._bytes)

    def _address(self, indices: Sequence[SSAValue], entry: SSAValue | None) -> SSAValue:
        """Address of the word of an element; `entry` is its plane, or its place in a table."""
        parts: list[tuple[SSAValue, int]] = []
        for term in self.terms:
            if term.axis is None:
                assert entry is not None
                parts.append((entry, self.operand.stride(None, term.chain)))
            else:
                value = self._value(term.chain, indices[term.axis])
                parts.append((value, self.operand.stride(term.axis, term.chain)))
        return move(self.emit, self.operand.pointer, parts)

    def _value(self, chain: Chain, index: SSAValue) -> SSAValue:
        for kind, block in chain:
            index = self.emit.at("div" if kind == "by" else "rem", index, block)
        return index


def bit_position(emit: Emitter, layout: Layout | None, place: SSAValue) -> SSAValue:
    """Where element `place` of a word lies, as i32: from the low end, or from the high end with `msb`."""
    assert layout is not None
    if layout.msb:
        place = emit.at("sub", emit.index(layout.word_width - 1), place)
    return emit.op(arith.IndexCastOp(place, i32))


def lanes_along(source: Element, axis: int, target: Element, term: Term, most: int) -> int:
    """How many neighbours along an axis of a plain source are so along a stored axis of the target, or 1.

    Whole parts of every block of the target, and of the axis, unless they lie side by side in memory and what
    is past the end is stored as zeros.
    """
    if source.layout is not None or any(kind == "by" for kind, _ in term.chain):
        return 1
    blocks = [block for t in target.terms if t.axis == term.axis for _, block in t.chain]
    padded = gcd(most, *blocks) if term.chain else 1
    whole = gcd(most, source.type.get_shape()[axis], *blocks)
    beside = source.operand.stride(axis) == source.dtype.itemsize
    return padded if beside and whole < min(padded, FEWEST) else whole
