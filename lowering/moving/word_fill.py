"""Fill the words of a memref in any layout, one after another: the general way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES
from lowering.loops.index_nest import nest, outermost
from lowering.loops.tasks import Units
from lowering.moving.element_access import Element, Known, Places, bit_position, storage_extents
from lowering.moving.preparation import sum_codes
from microkernels.address import move
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
    shape = target.type.get_shape()

    def read(known: Known) -> SSAValue:
        places = Places(emit, shape, known)
        value = value_at([places.index(axis) for axis in range(len(shape))])
        if target.encoded:
            code = target.type.element_type
            assert isinstance(code, CodeType)
            value = emit.binary("sub", value, emit.constant(code.offset, i32))
            value = emit.binary("ashr", value, emit.constant(code.scale - 1, i32))
        return places.only(value)

    def word(indices: list[SSAValue]) -> None:
        strides = [target.operand.stride(t.axis, t.chain) for t in target.terms]
        pointer = move(emit, target.operand.pointer, list(zip(indices, strides)))
        known = {(t.axis, t.chain): i for t, i in zip(target.terms, indices) if t.axis is not None}
        size = target.dtype.itemsize
        if not target.encoded:
            value = read(known)
            if target.dtype.kind != "f":
                value = emit.widen(value, target.stored, signed=True)
            emit.store(value, pointer, size)
            return
        entry = indices[target.terms.index(target.table or PLANES)]
        if target.table:
            emit.store(sum_codes(emit, target, known, entry, read), pointer, size)
            return
        plane = entry
        emit.store(_gather_bits(emit, target, known, plane, read), pointer, size)

    nest(emit, storage_extents(target), word, units)
    return outermost(storage_extents(target))


def _gather_bits(
    emit: Emitter,
    target: Element,
    known: Known,
    plane: SSAValue,
    read: Callable[[Known], SSAValue],
) -> SSAValue:
    """The word of one plane, from the elements whose bits it holds."""
    term = target.word_term
    block = term.chain[-1][1]
    assert term.axis is not None
    name = (term.axis, (*term.chain[:-1], ("in", block)))
    shift = emit.op(arith.IndexCastOp(plane, i32))

    def body(place: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
        code = read({**known, name: place})
        bit = emit.binary("and", emit.binary("lshr", code, shift), emit.constant(1, i32))
        wide = emit.widen(bit, target.stored, signed=False)
        at = emit.widen(bit_position(emit, target.layout, place), target.stored, signed=False)
        return [emit.binary("or", carried[0], emit.binary("shl", wide, at))]

    zero = emit.constant(0, target.stored)
    return emit.loop(emit.index(0), emit.index(block), 1, [zero], body)[0]
