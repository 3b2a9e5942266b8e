"""Canonicalisation of the ops that move elements: what moves nothing goes, what moves twice moves once."""

from __future__ import annotations

from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from lowbit_dialect.ops.common import array, element_of, shape_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, MoveOp, PadOp, RepeatOp

FOLDED = 1 << 16
"""Elements of a result up to which known values are moved ahead: more would rather be made than stored."""


class ConstantMovePattern(RewritePattern):
    """Move known values ahead, unless that makes them many."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: ConcatOp | ExtractSliceOp | PadOp | RepeatOp, rewriter: PatternRewriter
    ) -> None:
        from lowbit_dialect.reference import evaluate_op

        owners = {value: value.owner for value in op.moved}
        known = {v: o.array() for v, o in owners.items() if isinstance(o, ConstantOp)}
        if op.result is None or len(known) < len(owners):
            return
        type = op.result.type
        if _size(op.result) <= max(FOLDED, sum(_size(value) for value in op.moved)):
            rewriter.replace(op, ConstantOp.of(evaluate_op(op, known), element_of(type)))


def _size(value: SSAValue) -> int:
    size = 1
    for extent in shape_of(value):
        size *= extent
    return size


class SameMovePattern(RewritePattern):
    """A move that leaves everything where it is vanishes."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: ConcatOp | ExtractSliceOp | PadOp | RepeatOp, rewriter: PatternRewriter
    ) -> None:
        if op.result is None or len(op.moved) != 1 or op.moved[0].type != op.result.type:
            return
        if isinstance(op, ExtractSliceOp) and any(step < 0 for step in array(op.steps, ())):
            return
        rewriter.replace(op, [], [op.moved[0]])


class ConcatPattern(RewritePattern):
    """A concatenation of concatenations along the same axis is one."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter) -> None:
        if op.result is None:
            return
        parts: list[SSAValue] = []
        for value in op.inputs:
            inner = value.owner
            if isinstance(inner, ConcatOp) and inner.axis == op.axis:
                parts.extend(inner.inputs)
            else:
                parts.append(value)
        if len(parts) > len(op.inputs):
            rewriter.replace(op, ConcatOp(parts, op.axis.value.data))


class ExtractSlicePattern(RewritePattern):
    """A slice of a slice is one; a slice of one part of a concatenation is a slice of that part."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ExtractSliceOp, rewriter: PatternRewriter) -> None:
        if op.result is None:
            return
        inner, sizes = op.input.owner, shape_of(op.result)
        starts, steps = array(op.starts, ()), array(op.steps, ())
        if isinstance(inner, ExtractSliceOp):
            before, wide = array(inner.starts, ()), array(inner.steps, ())
            first = [a + s * w for a, s, w in zip(before, starts, wide)]
            step = [s * w for s, w in zip(steps, wide)]
            rewriter.replace(op, ExtractSliceOp(inner.input, first, sizes, step))
        elif isinstance(inner, ConcatOp):
            axis = inner.axis.value.data
            ends = starts[axis], starts[axis] + (sizes[axis] - 1) * steps[axis]
            offset = 0
            for part in inner.inputs:
                extent = shape_of(part)[axis]
                if offset <= min(ends) and max(ends) < offset + extent:
                    moved = [*starts[:axis], starts[axis] - offset, *starts[axis + 1 :]]
                    rewriter.replace(op, ExtractSliceOp(part, moved, sizes, steps))
                    return
                offset += extent


class RepeatPattern(RewritePattern):
    """A repetition of a repetition is one."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RepeatOp, rewriter: PatternRewriter) -> None:
        inner = op.input.owner
        if op.result is not None and isinstance(inner, RepeatOp):
            factors = zip(array(op.factors, ()), array(inner.factors, ()))
            rewriter.replace(op, RepeatOp(inner.input, [a * b for a, b in factors]))


def patterns_of(kind: type[MoveOp]) -> tuple[RewritePattern, ...]:
    """The patterns on one kind of op."""
    special: dict[type[MoveOp], tuple[RewritePattern, ...]] = {
        ConcatOp: (ConcatPattern(),),
        ExtractSliceOp: (ExtractSlicePattern(),),
        RepeatOp: (RepeatPattern(),),
    }
    return SameMovePattern(), ConstantMovePattern(), *special.get(kind, ())
