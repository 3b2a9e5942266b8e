"""Loops for the ops on rows: vectors of 16 on every target, so that sums have one order; scalar selection."""

from __future__ import annotations

from math import prod

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, f32, i32, i64
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.rows import LANES, ReduceOp, RowOp, TopKOp
from lowbit_dialect.reference_rows import JOIN
from lowering.loops.index_nest import nest
from lowering.loops.tasks import Share
from lowering.loops.worth_sharing import worth_sharing
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import lanes_of, vector

LEAST = -(2**63)


def row_loops(op: RowOp, share: Share | None = None) -> int:
    """Replace an op on rows of memrefs by loops, or by a share of the rows; return how many are shared."""
    assert op.outs is not None
    share = worth_sharing(share, op.input)
    emit, (*leading, length) = Emitter(op), shape_of(op.input)
    x, y, count = emit.pointer(op.input), emit.pointer(op.outs), shape_of(op.outs)[-1]

    def row(at: list[SSAValue]) -> None:
        source, target = move(emit, x, [(at[0], 4 * length)]), move(emit, y, [(at[0], 4 * count)])
        if isinstance(op, TopKOp):
            _select(emit, op, source, target)
        else:
            assert isinstance(op, ReduceOp)
            _reduce(emit, op, source, target)

    nest(emit, [prod(leading)], row, share and share.units)
    Rewriter.erase_op(op)
    return prod(leading) if share else 1


def _reduce(emit: Emitter, op: ReduceOp, x: SSAValue, y: SSAValue) -> None:
    name, type, length = op.function.data, vector(LANES, f32), shape_of(op.input)[-1]
    total = start = emit.constant(JOIN[name][1], type)

    def join(a: SSAValue, b: SSAValue) -> SSAValue:
        largest = {"max": "maxnum", "min": "minnum"}.get(name)
        return emit.intrinsic(largest, a, b) if largest else emit.binary("fadd", a, b)

    def step(at: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
        return [join(carried[0], emit.load(move(emit, x, [(at, 4)]), type, 4))]

    whole, rest = length // LANES * LANES, length % LANES
    if whole:
        (total,) = emit.loop(emit.index(0), emit.index(whole), LANES, [total], step)
    if rest:
        loaded = emit.load_some(emit.offset(x, 4 * whole), type, 4, rest)
        picked = [lane if lane < rest else LANES + lane for lane in range(LANES)]
        total = join(total, emit.shuffle(loaded, picked, start))
    while (half := lanes_of(total.type) // 2) > 0:
        upper = emit.shuffle(total, range(half, 2 * half))
        total = join(emit.shuffle(total, range(half)), upper)
    if name == "mean":
        total = emit.binary("fdiv", total, emit.constant(length, total.type))
    else:
        total = emit.binary("fadd", total, emit.constant(0.0, total.type))
    emit.store(total, y, 4)


def _select(emit: Emitter, op: TopKOp, x: SSAValue, y: SSAValue) -> None:
    """Each result is the best of those worse than the one before: as many passes as results."""
    assert op.outs is not None
    length, count = (shape_of(one)[-1] for one in (op.input, op.outs))
    whole, least = element_of(op.outs.type) == f32, emit.constant(LEAST, i64)

    def result(at: SSAValue, before: list[SSAValue]) -> list[SSAValue]:
        def better(place: SSAValue, best: list[SSAValue]) -> list[SSAValue]:
            rank = _rank(emit, op, move(emit, x, [(place, 4)]), place)
            left = emit.compare("slt", rank, before[0])
            return [emit.intrinsic("smax", best[0], emit.op(arith.SelectOp(left, rank, least)))]

        (best,) = emit.loop(emit.index(0), emit.index(length), 1, [least], better)
        behind = emit.widen(best, i32, signed=True)
        chosen = emit.binary("sub", emit.constant(length - 1, i32), behind)
        if whole:
            place = emit.op(arith.IndexCastOp(chosen, IndexType()))
            chosen = emit.load(move(emit, x, [(place, 4)]), f32, 4)
        emit.store(chosen, move(emit, y, [(at, 4)]), 4)
        return [best]

    emit.loop(emit.index(0), emit.index(count), 1, [emit.constant(-1 - LEAST, i64)], result)


def _rank(emit: Emitter, op: TopKOp, pointer: SSAValue, place: SSAValue) -> SSAValue:
    """An i64 that is greater for a better number, and among equals for an earlier one."""
    number = emit.binary("fadd", emit.load(pointer, f32, 4), emit.constant(0.0, f32))
    bits = emit.bitcast(number, i32)
    # As integers floats are in order once those below 0 are counted down.
    below = emit.binary("ashr", bits, emit.constant(31, i32))
    rank = emit.binary("xor", bits, emit.binary("and", below, emit.constant(2**31 - 1, i32)))
    if op.smallest:
        rank = emit.binary("xor", rank, emit.constant(-1, i32))
    high = emit.binary("shl", emit.widen(rank, i64, signed=True), emit.constant(32, i64))
    behind = emit.at("sub", emit.index(shape_of(op.input)[-1] - 1), place)
    return emit.binary("or", high, emit.op(arith.IndexCastOp(behind, i64)))
