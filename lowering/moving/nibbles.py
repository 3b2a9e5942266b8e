"""Loops that spread planes packed in rows of 32-bit words to nibbles, four channels a byte.

Bytes are widened, shifted once and masked, 32 at a time.
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import i8, i16
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, Term
from lowering.loops.index_nest import nest
from lowering.loops.tasks import Units, in_steps
from lowering.moving.copying import powers
from lowering.moving.element_access import Element
from lowering.moving.row_planes import row_terms
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector


def spreads_nibbles(source: Element, target: Element) -> bool:
    """Whether bytes of four channels are spread from planes in rows of 32-bit words."""
    if (rows := row_terms(source.layout)) is None or target.dtype.itemsize != 1:
        return False
    leading, axis = rows
    nibbles = Term(axis, (("by", 16),)), Term(axis, (("in", 16), ("by", 4)))
    layout = target.layout
    return layout is not None and not layout.msb and target.terms == (*leading, PLANES, *nibbles)


def spread_nibbles(
    emit: Emitter, source: Element, target: Element, units: Units | None = None
) -> int:
    """Fill every byte of the target, or those of some rows or runs; see `spreads_nibbles`.

    Returns how many rows or runs there are.
    """
    code, axis = target.type.element_type, source.word_term.axis
    assert isinstance(code, CodeType) and axis is not None
    shape = target.type.get_shape()
    rows = prod(shape) // shape[axis] * code.planes
    halves = -(-shape[axis] // 16)

    if halves % 2 == 0:
        pointers = source.operand.pointer, target.operand.pointer
        return _spread_run(emit, *pointers, rows * halves * 2, units)

    def row(at: list[SSAValue]) -> None:
        x = move(emit, source.operand.pointer, [(at[0], (halves + 1) * 2)])
        y = move(emit, target.operand.pointer, [(at[0], halves * 4)])
        _spread_run(emit, x, y, halves * 2, None)

    nest(emit, [rows], row, units)
    return rows


SPREAD_BYTES = 32
"""Bytes spread at a time, to two vectors of AVX2."""


def _spread_run(emit: Emitter, x: SSAValue, y: SSAValue, size: int, units: Units | None) -> int:
    """Spread bytes that follow each other, or some blocks of them; return how many blocks there are."""

    def some(first: SSAValue, count: int) -> None:
        begin = move(emit, x, [(first, 1)]), move(emit, y, [(first, 2)])
        for offset, bytes in powers(count, SPREAD_BYTES):
            loaded = emit.load(emit.offset(begin[0], offset), vector(bytes, i8), 1)
            both = emit.widen(loaded, i16, signed=False)
            both = emit.binary("or", both, emit.binary("shl", both, emit.constant(4, both.type)))
            both = emit.binary("and", both, emit.constant(0x0F0F, both.type))
            emit.store(both, emit.offset(begin[1], 2 * offset), 1)

    return in_steps(emit, size, SPREAD_BYTES, some, units)
