"""Loops for `corrections`: what the sums of a kernel lack, for each border class and channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import Attribute, SSAValue
from xdsl.rewriter import Rewriter

from lowbit_dialect.algebra import inside_terms
from lowbit_dialect.geometry import WindowAxis
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowering.loops.borders import tap_bounds
from lowering.loops.index_nest import nest, outermost
from lowering.loops.tasks import Share
from lowering.moving.element_access import Element, lanes_along
from lowering.moving.logical_indices import LogicalIndices
from microkernels.emit import Emitter
from microkernels.llvm_types import vector

LANES = 16


def correction_loops(op: CorrectionsOp, share: Share | None = None) -> int:
    """Replace `corrections` on memrefs by loops over border classes, channels and taps.

    Returns the extent of the outermost loop, of which a `share` is a part.
    """
    emit, work = Emitter(op), op.contraction
    assert op.outs is not None
    weights, table = Element(emit, op.weights), Element(emit, op.outs)
    a, b, shift = inside_terms(work.activation, work.weight, op.products.data)
    rows, columns = work.window.rows, work.window.columns
    along, inner = work.weight_axes[-1], table.terms[-1]
    lanes = lanes_along(weights, along, table, inner, LANES) if inner.axis == 2 else 1
    type = vector(lanes, i32)
    *outer, last = table.extents
    extents, reads = (*outer, last // lanes), rows.kernel * columns.kernel * work.inputs
    # An element takes a nanosecond or more to read.
    if share is not None and prod(extents) * lanes * reads < share.least:
        correction_loops(op)
        return 1

    def bounds(axis: WindowAxis, index: SSAValue) -> tuple[SSAValue, SSAValue]:
        """Taps inside for a border class: those of an output that has the class."""
        first = emit.at("min", index, axis.out - 1)
        last = emit.at("add", index, axis.out - axis.tail - 1 - axis.head)
        beyond = emit.op(arith.CmpiOp(index, emit.index(axis.head), "sgt"))
        return tap_bounds(emit, axis, emit.op(arith.SelectOp(beyond, last, first)))

    def inside(tap: SSAValue, low: SSAValue, high: SSAValue) -> SSAValue:
        after = emit.op(arith.CmpiOp(tap, low, "sge"))
        return emit.op(arith.AndIOp(after, emit.op(arith.CmpiOp(tap, high, "slt"))))

    def entry(indices: list[SSAValue]) -> None:
        pointer, known = table.stored_at(indices, table.terms, lanes)
        places = LogicalIndices(emit, table.type.get_shape(), known, 2, lanes)
        y, x, output = places.indices
        y_bounds, x_bounds = bounds(rows, y), bounds(columns, x)

        def term(taps: list[SSAValue]) -> SSAValue:
            ky, kx, channel = taps
            at: list[SSAValue] = [channel] * len(work.weight_axes)
            for axis, index in zip(reversed(work.weight_axes), (output, channel, kx, ky)):
                at[axis] = index
            w = weights.read_lanes(at, along, lanes) if lanes > 1 else weights.read(at)
            seen = emit.binary("mul", w, emit.constant(a, type))
            seen = emit.binary("add", seen, emit.constant(b, type))
            seen = emit.binary("ashr", seen, emit.constant(shift, type))
            filled = 0 if op.fill is None else op.fill.value.data
            unseen = emit.binary("mul", w, emit.constant(work.pad_value - filled, type))
            if op.fill is not None:
                unseen = emit.binary("add", unseen, seen)
            both = arith.AndIOp(inside(ky, *y_bounds), inside(kx, *x_bounds))
            return emit.op(arith.SelectOp(emit.op(both), seen, unseen))

        total = _sum(emit, (rows.kernel, columns.kernel, work.inputs), type, term)
        if (held := weights.held(output, along, lanes)) is not None:
            total = emit.select(held, total, emit.constant(0, type))
        total = emit.widen(places.only(total), table.stored, signed=True)
        emit.store(total, pointer, table.dtype.itemsize)

    nest(emit, extents, entry, share and share.units)
    Rewriter.erase_op(op)
    return outermost(extents)


def _sum(
    emit: Emitter,
    extents: Sequence[int],
    type: Attribute,
    term: Callable[[list[SSAValue]], SSAValue],
) -> SSAValue:
    """Sum of terms over a box of indices."""

    def level(indices: list[SSAValue], total: SSAValue) -> SSAValue:
        if len(indices) == len(extents):
            return emit.binary("add", total, term(indices))

        def body(index: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            return [level([*indices, index], carried[0])]

        high = emit.index(extents[len(indices)])
        return emit.loop(emit.index(0), high, 1, [total], body)[0]

    return level([], emit.constant(0, type))
