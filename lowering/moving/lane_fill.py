"""Fill words of many channels at once, where these lie side by side in the target.

    HWIO  ->  [d3 by 32, planes, d0, d1, d2 by 32, d3 in 32], i32

A vector holds the same element, or word, of as many channels as it has lanes. That is how weights become
what kernels read: planes, of which an element's are filled together, codes as they are, or the groups of a
dot product, `[.., d3 in 32, d2 in 4], i8`, of which a word is 4 codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i32, i64
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, Chain, Term
from lowering.loops.index_nest import nest, outermost
from lowering.loops.tasks import Units
from lowering.moving.element_access import Element, lanes_along
from lowering.moving.logical_indices import LogicalIndices, Positions
from microkernels.emit import Emitter
from microkernels.llvm_types import vector
from microkernels.target import Target

TOGETHER = 4
"""Vectors of i32 that words are gathered in: of bytes, a cache line of AVX-512."""
GROUP_BITS = (16, 32, 64)


def filled_lanes(source: Element, target: Element, machine: Target) -> int:
    """How many channels are filled at once; 1 if they do not lie side by side in the target."""
    layout, terms = target.layout, _terms(target)
    if source.layout or layout is None or layout.msb or target.table is not None or not terms:
        return 1
    axis, chain = terms[-1].axis, terms[-1].chain
    assert axis is not None
    if target.operand.stride(axis, chain) != _group(target) * target.dtype.itemsize:
        return 1
    beside = source.operand.stride(axis) == source.dtype.itemsize
    together = max(1, TOGETHER // _planes(target)) if beside else 1
    return lanes_along(source, axis, target, terms[-1], together * machine.simd_bits // 32)


def fill_lanes(
    emit: Emitter, source: Element, target: Element, lanes: int, units: Units | None
) -> int:
    """Fill every word of the target; return the extent of the outermost loop, of which `units` are done."""
    fill = _Fill(emit, source, target, lanes)
    nest(emit, fill.extents, fill.words, units)
    return outermost(fill.extents)


def _terms(target: Element) -> list[Term]:
    """The stored axes of words, without planes and the one along the elements of a group."""
    count = len(target.terms) - (_group(target) > 1)
    return [term for term in target.terms[:count] if term != PLANES]


def _planes(target: Element) -> int:
    code = target.type.element_type
    return code.planes if target.encoded and isinstance(code, CodeType) else 1


def _group(target: Element) -> int:
    """How many neighbours along another axis are filled as one word; 1 if they are not."""
    last = target.terms[-1]
    if target.encoded or target.dtype.kind == "f" or not last.chain or len(target.terms) < 2:
        return 1
    kind, count = last.chain[-1]
    fits = target.dtype.itemsize < 4 and 8 * target.dtype.itemsize * count in GROUP_BITS
    return count if kind == "in" and fits and last.axis != target.terms[-2].axis else 1


@dataclass
class _Fill:
    """The words at some places of the target, from the elements of the source that they hold."""

    emit: Emitter
    source: Element
    target: Element
    lanes: int

    def __post_init__(self) -> None:
        stored = zip(self.target.terms, self.target.extents)
        terms = _terms(self.target)
        self._axis = terms[-1].axis or 0
        *outer, last = (extent for term, extent in stored if term in terms)
        self.extents = (*outer, last // self.lanes)

    def words(self, indices: list[SSAValue]) -> None:
        """Fill the words at indices of stored axes, of which the last counts vectors of channels."""
        emit, target, terms = self.emit, self.target, _terms(self.target)
        pointer, known = target.stored_at(indices, terms, self.lanes)
        size = target.dtype.itemsize
        if target.encoded:
            block = target.word_term.chain[-1][1]
            values = self._joined(target.within_word, known, block, 1)
            for plane, value in enumerate(values):
                place = emit.offset(pointer, plane * target.operand.stride(None))
                emit.store(emit.widen(value, target.stored, signed=False), place, size)
        elif (count := _group(target)) > 1:
            last, width = target.terms[-1], 8 * size
            assert last.axis is not None
            (value,) = self._joined((last.axis, last.chain), known, count, width)
            emit.store(emit.widen(value, IntegerType(count * width), signed=False), pointer, size)
        else:
            target.store(self._read(known), pointer)

    def _joined(
        self, name: tuple[int, Chain], known: Positions, count: int, width: int
    ) -> list[SSAValue]:
        """The words of `count` elements, `width` bits of each: of each plane, or of codes as they are."""
        emit, element = self.emit, i32 if count * width <= 32 else i64
        mask = emit.constant((1 << width) - 1, vector(self.lanes, i32))

        def body(place: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            code = self._read({**known, name: place})
            index = emit.op(arith.IndexCastOp(emit.at("mul", place, width), element))
            shift = emit.splat(index, self.lanes)
            words: list[SSAValue] = []
            for plane, word in enumerate(carried):
                bits = emit.binary("lshr", code, emit.constant(plane, code.type)) if plane else code
                bits = emit.widen(emit.binary("and", bits, mask), element, signed=False)
                words.append(emit.binary("or", word, emit.binary("shl", bits, shift)))
            return words

        zeros = [emit.constant(0, vector(self.lanes, element))] * _planes(self.target)
        return emit.loop(emit.index(0), emit.index(count), 1, zeros, body)

    def _read(self, known: Positions) -> SSAValue:
        """The elements of some channels at a place: their codes, if the target holds planes."""
        emit, target = self.emit, self.target
        places = LogicalIndices(emit, target.type.get_shape(), known, self._axis, self.lanes)
        value = self.source.read_lanes(places.indices, self._axis, self.lanes)
        if target.encoded:
            code, value = target.type.element_type, target.encode(value)
            assert isinstance(code, CodeType)
            held = self.source.held(places.indices[self._axis], self._axis, self.lanes)
            if held is not None and code.is_odd:  # whose code of a decoded 0 is none
                value = emit.select(held, value, emit.constant(0, value.type))
        return places.only(value)
