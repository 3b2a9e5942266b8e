"""Loops that build the tables that kernels look up, from planes packed in rows of 32-bit words.

The table of `B` codes is the weighted sum over their planes of the table of `B` bits `n`, whose entry
`s` is `popcount(n & s)` for `sums` and `popcount(n ^ s)` for `choices`. Two tables of 4 channels a step
come from a constant of 256 x 32 bytes indexed by a byte of the plane, one addition a plane and one to
double; a table of 6 is a broadcast, a mask and a popcount of 64 bytes.
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
    i16,
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
from microkernels.llvm_ops import vector

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
    places = emit.constants(range(64), i8)
    name = "xor" if target.table == CHOICES else "and"

    def table(planes: Sequence[SSAValue], first: SSAValue | int, shift: int) -> SSAValue:
        """The table whose six channels are `shift` bits above byte `first` of each plane."""
        parts: list[SSAValue] = []
        for plane in planes:
            word = emit.load(emit.offset(plane, first), i16, 1)
            bits = emit.binary("lshr", word, emit.constant(shift, i16))
            bits = emit.binary("and", bits, emit.constant(63, i16))
            lanes = emit.splat(emit.widen(bits, i8, signed=False), 64)
            parts.append(emit.intrinsic("ctpop", emit.binary(name, lanes, places)))
        return _horner(emit, parts)

    def build(planes: Sequence[SSAValue], y: SSAValue, tables: int) -> None:
        # Four tables take three bytes of a plane; the last reads one byte more.
        whole = min(tables // 4, (plane_bytes - 1) // 3)

        def four(at: list[SSAValue]) -> None:
            here = [move(emit, plane, [(at[0], 3)]) for plane in planes]
            out = move(emit, y, [(at[0], 256)])
            for place in range(4):
                byte, shift = divmod(6 * place, 8)
                emit.store(table(here, byte, shift), emit.offset(out, 64 * place), 1)

        if whole:
            nest(emit, [whole], four)
        for place in range(4 * whole, tables):
            byte = min(6 * place // 8, plane_bytes - 2)
            filled = table(planes, byte, 6 * place - 8 * byte)
            emit.store(filled, emit.offset(y, 64 * place), 1)

    return build


def _bit_tables(emit: Emitter, target: Element) -> SSAValue:
    """Address of the tables of every byte of bits: 32 bytes each, the low four bits' first."""
    owner = emit.anchor
    while not isinstance(owner, ModuleOp):
        parent = owner.parent_op()
        assert parent is not None
        owner = parent
    assert target.table is not None
    name = f"{target.table}_of_bits"
    data = bit_tables(choices=target.table == CHOICES)
    type = MemRefType(i8, [data.size])
    if SymbolTable.lookup_symbol(owner, name) is None:
        value = DenseIntOrFPElementsAttr(TensorType(i8, [data.size]), BytesAttr(data.tobytes()))
        held = memref.GlobalOp.get(
            StringAttr(name), type, value, constant=UnitAttr(), alignment=CACHE_LINE
        )
        Rewriter.insert_op(held, InsertPoint.at_start(owner.body.block))
    return emit.pointer(emit.op(memref.GetGlobalOp(name, type)))


def bit_tables(*, choices: bool) -> Array:
    """The tables of the two halves of every byte, `[256, 2, 16] u8`."""
    halves = np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1)
    places = np.arange(16)
    both = halves[:, :, None] ^ places if choices else halves[:, :, None] & places
    return np.bitwise_count(both).astype(np.uint8)
