"""Canonicalisation: what the stock `canonicalize` pass simplifies in the dialect.

    %1 = lowbit.bitpack %0 : tensor<4x!lowbit.odd<1>> -> tensor<4x!lowbit.odd<1>, #packed>
    %2 = lowbit.unpack %1 : tensor<4x!lowbit.odd<1>, #packed> -> tensor<4x!lowbit.odd<1>>

becomes `%0`. Every rewrite gives the same bits, NaN included; adding a zero is folded for integers
alone, since `-0.0 + 0.0` is `0.0`.
"""

from __future__ import annotations

from math import inf
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, Float32Type, TensorType
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import I32_MAX, array, element_of, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import (
    BitpackOp,
    ConversionOp,
    RelayoutOp,
    UnpackOp,
    convert_layout,
)
from lowbit_dialect.ops.elementwise import AddOp, ClipOp
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ranges import needs_range, proven_range


class ProveRangePattern(RewritePattern):
    """State the range of sums that constant weights prove, in place of what was promised.

    Where they prove nothing, or not that no sum wraps, a promise stays only if the op is not valid without.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: Conv2dOp | DenseOp, rewriter: PatternRewriter) -> None:
        if op.result is None or op.range == (proven := proven_range(op)):
            return
        if (proven is None or max(map(abs, array(proven, ()))) > I32_MAX) and needs_range(op):
            return
        op.range = proven
        rewriter.notify_op_modified(op)


class ConvertConstantPattern(RewritePattern):
    """A conversion of a constant is a constant with the other layout."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: BitpackOp | UnpackOp | RelayoutOp, rewriter: PatternRewriter
    ) -> None:
        source = op.input.owner
        if op.result is None or not isinstance(source, ConstantOp):
            return
        rewriter.replace(op, ConstantOp(source.value, op.result.type))


class ComposeConversionsPattern(RewritePattern):
    """A chain of conversions is one conversion, or none when it ends where it began."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: BitpackOp | UnpackOp | RelayoutOp, rewriter: PatternRewriter
    ) -> None:
        if op.result is None:
            return
        source = op.input
        while isinstance(source.owner, ConversionOp):
            source = source.owner.input
        if source.type == op.result.type:
            rewriter.replace(op, [], [source])
        elif source is not op.input:
            direct = convert_layout(source, layout_of(shaped(op.result)))
            assert direct is not None
            rewriter.replace(op, direct)


class ReshapePattern(RewritePattern):
    """Fold a reshape of a reshape, to the same shape, or of a constant."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        source = op.input.owner
        if op.input.type == op.result.type:
            rewriter.replace(op, [], [op.input])
        elif isinstance(source, ReshapeOp):
            rewriter.replace(op, ReshapeOp(source.input, op.result.type))
        elif isinstance(source, ConstantOp):
            type = cast(TensorType[Any], op.result.type)
            held = TensorType(source.value.get_element_type(), type.get_shape())
            value = DenseIntOrFPElementsAttr(held, source.value.data)
            rewriter.replace(op, ConstantOp(value, type))


class TransposePattern(RewritePattern):
    """Fold a transpose that keeps the order, of a transpose, or of a constant."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter) -> None:
        if op.result is None:
            return
        source, order = op.input.owner, array(op.permutation, ())
        if order == tuple(range(len(order))):
            rewriter.replace(op, [], [op.input])
        elif isinstance(source, TransposeOp):
            inner = array(source.permutation, ())
            rewriter.replace(op, TransposeOp(source.input, [inner[axis] for axis in order]))
        elif isinstance(source, ConstantOp):
            values = source.array().transpose(order)
            rewriter.replace(op, ConstantOp.of(values, element_of(op.result.type)))


class ClipPattern(RewritePattern):
    """Fold a clip without bounds, or of a clip."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ClipOp, rewriter: PatternRewriter) -> None:
        if op.result is None:
            return
        inner = op.input.owner
        if op.minimum is None and op.maximum is None and op.input.type == op.result.type:
            rewriter.replace(op, [], [op.input])
        elif isinstance(inner, ClipOp) and inner.input.type == op.result.type:
            rewriter.replace(op, ClipOp(inner.input, *_compose(inner.bounds, op.bounds)))


Bounds = tuple[float | None, float | None]


def _compose(inner: Bounds, outer: Bounds) -> Bounds:
    """Bounds that clip as `inner` and then `outer`: the ends of `inner` clipped by `outer`."""
    ends = -inf if inner[0] is None else inner[0], inf if inner[1] is None else inner[1]
    low, high = (_clip(end, outer) for end in ends)
    return None if low == -inf else low, None if high == inf else high


def _clip(value: float, bounds: Bounds) -> float:
    low, high = bounds
    # Not Python's, which may give -0.0 for 0.0.
    raised = value if low is None else float(np.maximum(value, low))
    return raised if high is None else float(np.minimum(raised, high))


class AddZeroPattern(RewritePattern):
    """Fold `x + 0` on i32."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp, rewriter: PatternRewriter) -> None:
        if op.result is None or isinstance(element_of(op.result.type), Float32Type):
            return
        for kept, zero in ((op.input, op.other), (op.other, op.input)):
            if kept.type == op.result.type and _is_zero(zero):
                rewriter.replace(op, [], [kept])
                return


def _is_zero(value: SSAValue) -> bool:
    return isinstance(value.owner, ConstantOp) and not value.owner.array().any()
