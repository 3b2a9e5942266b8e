"""Loops for ops that move data: `bitpack`, `unpack`, `relayout`, `transpose`.

Packing and unpacking the innermost axis (`row_planes.py`), preparing what kernels read from planes
(`subset_tables.py`, `nibbles.py`), turning channels from first to last or back (`transposing.py`) and
widening a plain tensor are vectorised; so are weights whose output channels lie side by side
(`lane_fill.py`). The rest goes element by element (`word_fill.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import i8
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from lowbit_dialect.layout import storage_bytes
from lowbit_dialect.ops.common import array
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.reshaping import TransposeOp
from lowering.loops.tasks import Share, Units, in_steps
from lowering.loops.worth_sharing import worth_sharing
from lowering.moving.element_access import Element
from lowering.moving.lane_fill import fill_lanes, filled_lanes
from lowering.moving.move_loops import box_loops
from lowering.moving.nibbles import spread_nibbles, spreads_nibbles
from lowering.moving.row_planes import are_rows, convert_rows
from lowering.moving.subset_tables import build_tables, builds_tables
from lowering.moving.transposing import turn, turn_of
from lowering.moving.word_fill import fill_words
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector
from microkernels.target import Target

COPY_LANES = 16


def convert_loops(
    op: ConversionOp | TransposeOp, machine: Target, share: Share | None = None
) -> int:
    """Replace an op that moves data between memrefs by loops, or by a share of the outermost one.

    Returns how many steps that has, 1 where it is not shared.
    """
    emit = Emitter(op)
    assert op.outs is not None
    share = worth_sharing(share, op.input, op.outs)
    units = share and share.units
    source, target = Element(emit, op.input), Element(emit, op.outs)
    order: Sequence[int] = range(source.type.get_num_dims())
    if isinstance(op, TransposeOp):
        order = array(op.permutation, ())
    if (by := turn_of(source, target, order)) is not None:
        extent = turn(emit, source, target, by, units)
    elif isinstance(op, TransposeOp):
        extent = box_loops(emit, op, [op.input], units)
    elif are_rows(source, target):
        extent = convert_rows(emit, source, target, machine, units)
    elif builds_tables(source.layout, target.layout):
        extent = build_tables(emit, source, target, units)
    elif spreads_nibbles(source, target):
        extent = spread_nibbles(emit, source, target, units)
    elif _copies_flat(source, target):
        extent = _copy_flat(emit, source, target, units)
    elif (lanes := filled_lanes(source, target, machine)) > 1:
        extent = fill_lanes(emit, source, target, lanes, units)
    else:
        extent = fill_words(emit, target, source.read, units)
    Rewriter.erase_op(op)
    return extent if share else 1


def _copies_flat(source: Element, target: Element) -> bool:
    """Whether both store the same elements in the same order, differing in width at most.

    Or the same bits, as planes in rows do whose words differ in width, but not their number of bytes.
    """
    if source.encoded and target.encoded:
        return _is_rows(source) and _is_rows(target) and _same_bytes(source, target)
    if source.encoded or target.encoded or source.dtype.kind == "f":
        return False
    total = prod(source.type.get_shape())
    return _in_order(source) and _in_order(target) and total == prod(target.extents)


def _is_rows(element: Element) -> bool:
    """Whether planes lie in rows of full words along the innermost axis."""
    axes = element.layout.row_axes if element.layout else None
    return axes == tuple(range(element.type.get_num_dims()))


def _same_bytes(source: Element, target: Element) -> bool:
    return storage_bytes(source.type) == storage_bytes(target.type)


def _in_order(element: Element) -> bool:
    """Whether elements lie in row-major order (axes may be cut where they divide evenly)."""
    shape = element.type.get_shape()
    if prod(element.extents) != prod(shape):
        return False
    order = [
        (term.axis, [(kind != "by", block) for kind, block in term.chain])
        for term, extent in zip(element.terms, element.extents)
        if extent > 1
    ]
    return order == sorted(order, key=lambda pair: (pair[0] or 0, pair[1]))


def _copy_flat(emit: Emitter, source: Element, target: Element, units: Units | None) -> int:
    total, stored = prod(source.type.get_shape()), (source.stored, target.stored)
    sizes = source.dtype.itemsize, target.dtype.itemsize
    if source.encoded:
        total, stored, sizes = storage_bytes(source.type), (i8, i8), (1, 1)

    def some(first: SSAValue, count: int) -> None:
        x, y = (
            move(emit, one.operand.pointer, [(first, size)])
            for one, size in zip((source, target), sizes)
        )
        loaded = emit.load_some(x, vector(COPY_LANES, stored[0]), sizes[0], count)
        wide = emit.widen(loaded, stored[1], signed=source.dtype.kind == "i")
        emit.store_some(wide, y, sizes[1], count)

    return in_steps(emit, total, COPY_LANES, some, units)
