"""Fill the words of a memref in any layout, one after another: the general way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, SUMS
from lowering.loops.index_nest import nest, outermost
from lowering.loops.tasks import Units
from lowering.moving.element_access import Element, bit_position
from lowering.moving.logical_indices import LogicalIndices, Positions
from microkernels.emit import Emitter


def fill_words(
    emit: Emitter,
    target: Element,
    value_at: Callable[[list[SSAValue]], SSAValue],
    units: Units | None,
) -> int:
    """Fill every word of the target with the decoded elements that `value_at` returns for indices.

    Returns the extent of the outermost loop, of which `units` are done.
    """

    def read(known: Positions) -> SSAValue:
        places = LogicalIndices(emit, target.type.get_shape(), known)
        value = value_at(places.indices)
        return places.only(target.encode(value) if target.encoded else value)

    def word(indices: list[SSAValue]) -> None:
        pointer, known = target.stored_at(indices, target.terms)
        if not target.encoded:
            target.store(read(known), pointer)
            return
        entry = indices[target.terms.index(target.table or PLANES)]
        join = _sum_codes if target.table else _gather_bits
        emit.store(join(emit, target, known, entry, read), pointer, target.dtype.itemsize)

    nest(emit, target.extents, word, units)
    return outermost(target.extents)


def _gather_bits(
    emit: Emitter,
    target: Element,
    known: Positions,
    plane: SSAValue,
    read: Callable[[Positions], SSAValue],
) -> SSAValue:
    """The word of one plane, from the elements whose bits it holds."""
    name, block = target.within_word, target.word_term.chain[-1][1]
    shift = emit.op(arith.IndexCastOp(plane, i32))

    def body(place: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
        code = read({**known, name: place})
        bit = emit.binary("and", emit.binary("lshr", code, shift), emit.constant(1, i32))
        wide = emit.widen(bit, target.stored, signed=False)
        at = emit.widen(bit_position(emit, target.layout, place), target.stored, signed=False)
        return [emit.binary("or", carried[0], emit.binary("shl", wide, at))]

    zero = emit.constant(0, target.stored)
    return emit.loop(emit.index(0), emit.index(block), 1, [zero], body)[0]


def _sum_codes(
    emit: Emitter,
    target: Element,
    known: Positions,
    entry: SSAValue,
    read: Callable[[Positions], SSAValue],
) -> SSAValue:
    """One entry of a table, from codes that `read` returns."""
    name, block, code = target.within_word, target.word_term.chain[-1][1], target.type.element_type
    assert isinstance(code, CodeType)
    subset = emit.op(arith.IndexCastOp(entry, i32))
    ones = emit.constant((1 << code.planes) - 1, i32)

    def body(place: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
        shift = emit.op(arith.IndexCastOp(place, i32))
        bit = emit.binary("and", emit.binary("lshr", subset, shift), emit.constant(1, i32))
        mask = emit.binary("mul", bit, ones)
        value = emit.binary(
            "and" if target.table == SUMS else "xor", read({**known, name: place}), mask
        )
        return [emit.binary("sub", carried[0], value)]

    total = emit.loop(emit.index(0), emit.index(block), 1, [emit.constant(0, i32)], body)[0]
    return emit.widen(total, target.stored, signed=False)  # pyright: ignore
