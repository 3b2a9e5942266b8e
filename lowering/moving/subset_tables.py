"""Loops that build the tables that kernels look up, from planes packed in rows of 32-bit words.

The table of `B` codes is the weighted sum over their planes of the table of `B` bits `n`, whose entry
`s` is `-popcount(n & s)` for `sums` and `-popcount(n ^ s)` for `choices`. Those of all `n` are constants,
of which a step takes 2 for 4 channels (256 x 32 bytes by a byte of the plane) or 1 for 6 (64 x 64 bytes): one
addition a plane and one to double.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    IndexType,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
    UnitAttr,
    i8,
    i32,
)
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import SymbolTable

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import CHOICES, Array, Layout, Term
from lowering.loops.index_nest import nest
from lowering.loops.tasks import Units
from lowering.moving.element_access import Element
from lowering.moving.row_planes import row_terms
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector

CACHE_LINE = 64


def builds_tables(source: Layout | None, target: Layout | None) -> bool:
    """Whether tables of 4 or 6 channels are built from planes in rows of 32-bit words."""
    if (rows := row_terms(source)) is None or target is None or target.table is None:
        return False
    leading, axis = rows
    blocks = [Term(axis, (("by", size),)) for size in (4, 6)]
    return target.terms in [(*leading, block, target.table) for block in blocks]


def build_tables(
    emit: Emitter, source: Element, target: Element, units: Units | None = None
) -> int:
    """Fill every table of the target, or those of some rows; return the rows. See `builds_tables`."""
    shape, channels = target.type.get_shape(), target.word_term
    assert channels.axis is not None
    size = channels.chain[-1][1]
    tables = -(-shape[channels.axis] // size)
    rows = prod(shape) // shape[channels.axis]
    code = target.type.element_type
    assert isinstance(code, CodeType)
    plane_bytes = source.plane_bytes
    build = _fours(emit, target) if size == 4 else _sixes(emit, target, plane_bytes)

    def row(at: list[SSAValue]) -> None:
        x = move(emit, source.operand.pointer, [(at[0], code.planes * plane_bytes)])
        y = move(emit, target.operand.pointer, [(at[0], tables << size)])
        planes = [emit.offset(x, plane * plane_bytes) for plane in reversed(range(code.planes))]
        build(planes, y, tables)

    nest(emit, [rows], row, units)
    return rows


Build = Callable[[Sequence[SSAValue], SSAValue, int], None]
"""Fills the tables of one pixel from the addresses of its planes, the top one first."""


def _horner(emit: Emitter, parts: Sequence[SSAValue]) -> SSAValue:
    """The sum of `parts`, each worth twice the one after it."""
    total = parts[0]
    for part in parts[1:]:
        total = emit.binary("add", emit.binary("add", total, total), part)
    return total


def _fours(emit: Emitter, target: Element) -> Build:
    bits = _bit_tables(emit, target)

    def build(planes: Sequence[SSAValue], y: SSAValue, tables: int) -> None:
        def some(byte: SSAValue, count: int) -> None:
            parts: list[SSAValue] = []
            for plane in planes:
                bits_of_two = emit.load(move(emit, plane, [(byte, 1)]), i8, 1)
                wide = emit.op(
                    arith.IndexCastOp(emit.widen(bits_of_two, i32, signed=False), IndexType())
                )
                pointer = move(emit, bits, [(wide, 32)])
                parts.append(emit.load(pointer, vector(16 * count, i8), 16))
            emit.store(_horner(emit, parts), move(emit, y, [(byte, 32)]), 1)

        if tables > 1:
            nest(emit, [tables // 2], lambda at: some(at[0], 2))
        if tables % 2:
            some(emit.index(tables // 2), 1)

    return build


def _sixes(emit: Emitter, target: Element, plane_bytes: int) -> Build:
    bits = _bit_tables(emit, target)

    def words(planes: Sequence[SSAValue], first: int) -> list[SSAValue]:
        return [emit.load(emit.offset(plane, first), i32, 1) for plane in planes]

    def table(words: Sequence[SSAValue], shift: int) -> SSAValue:
        """The table whose six channels are `shift` bits up in the words of the planes."""
        parts: list[SSAValue] = []
        for word in words:
            # To where they count tables of 64 bytes.
            name = "lshr" if shift > 6 else "shl"
            at = emit.binary(name, word, emit.constant(abs(shift - 6), i32))
            at = emit.binary("and", at, emit.constant(63 << 6, i32))
            pointer = move(emit, bits, [(emit.op(arith.IndexCastOp(at, IndexType())), 1)])
            parts.append(emit.load(pointer, vector(64, i8), 64))
        return _horner(emit, parts)

    def build(planes: Sequence[SSAValue], y: SSAValue, tables: int) -> None:
        # Four tables take three bytes of a plane and are read from four.
        whole = min(tables // 4, (plane_bytes - 1) // 3)

        def four(at: list[SSAValue]) -> None:
            here = words([move(emit, plane, [(at[0], 3)]) for plane in planes], 0)
            out = move(emit, y, [(at[0], 256)])
            for place in range(4):
                emit.store(table(here, 6 * place), emit.offset(out, 64 * place), 1)

        if whole:
            nest(emit, [whole], four)
        for place in range(4 * whole, tables):
            byte = min(6 * place // 8, plane_bytes - 4)
            filled = table(words(planes, byte), 6 * place - 8 * byte)
            emit.store(filled, emit.offset(y, 64 * place), 1)

    return build


def _bit_tables(emit: Emitter, target: Element) -> SSAValue:
    """Address of the tables of all bits of a step, see `bit_tables`."""
    owner = emit.anchor
    while not isinstance(owner, ModuleOp):
        parent = owner.parent_op()
        assert parent is not None
        owner = parent
    channels = target.word_term.chain[-1][1]
    name = f"{target.table}_of_{channels}_bits"
    data = bit_tables(channels, choices=target.table == CHOICES)
    type = MemRefType(i8, [data.size])
    if SymbolTable.lookup_symbol(owner, name) is None:
        value = DenseIntOrFPElementsAttr(TensorType(i8, [data.size]), BytesAttr(data.tobytes()))
        held = memref.GlobalOp.get(
            StringAttr(name), type, value, constant=UnitAttr(), alignment=CACHE_LINE
        )
        Rewriter.insert_op(held, InsertPoint.at_start(owner.body.block))
    return emit.pointer(emit.op(memref.GetGlobalOp(name, type)))


def bit_tables(channels: int, *, choices: bool) -> Array:
    """The tables of 6 bits, `[64, 64] u8`; of the two halves of every byte, the low one first, if it is 4:
    `[256, 2, 16] u8`.
    """
    if channels == 6:
        bits = np.arange(64)[:, None]
    else:
        bits = np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1)[:, :, None]
    places = np.arange(1 << channels)
    counts = np.bitwise_count(bits ^ places if choices else bits & places)
    return np.negative(counts.astype(np.uint8))
