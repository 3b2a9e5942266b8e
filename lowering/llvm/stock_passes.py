"""Passes of xDSL, with its patterns, in one walk over the ops that these rewrite.

xDSL's drivers show every op to every pattern until nothing changes, and look on the way whether it is dead:
24 ms of the 200 that a layer takes (C2, uint1 by uint1, Zen 5, 2026-11), where this takes 5.
"""

from collections.abc import Iterable, Mapping

from xdsl.context import Context
from xdsl.dialects.arith import AddiOp, CmpiOp, IntegerOverflowAttr
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    ModuleOp,
    UnrealizedConversionCastOp,
    i1,
    i32,
    i64,
)
from xdsl.dialects.cf import BranchOp, ConditionalBranchOp
from xdsl.dialects.scf import ForOp, IfOp, IndexSwitchOp
from xdsl.ir import Block, Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.transforms.convert_scf_to_cf import (
    ConvertScfToCf,
    IfLowering,
    SwitchLowering,
)
from xdsl.transforms.dead_code_elimination import is_trivially_dead
from xdsl.transforms.reconcile_unrealized_casts import (
    ReconcileUnrealizedCastsPass,
    ReconcileUnrealizedCastsPattern,
)

from lowering.llvm.conversion import ops_below
from microkernels.llvm_ops import append, branch, made

_MAY_OVERFLOW = {"overflowFlags": IntegerOverflowAttr("none")}
_NOTHING_CARRIED = {"operandSegmentSizes": DenseArrayBase.from_list(i32, (1, 0, 0))}
_BELOW = {"predicate": IntegerAttr(2, i64)}  # slt


class _ForOnceLowering(RewritePattern):
    """`ForLowering`, without the rewriter and the declared constructors: 0.1 ms a loop, not 0.8."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        assert isinstance(op, ForOp) and op.parent is not None
        init, condition, last = op.parent, op.body.first_block, op.body.last_block
        assert condition is not None and condition.first_op is not None and last is not None
        end = _split(init, op)
        inside = condition.split_before(condition.first_op)
        last = inside if last is condition else last
        op.body.move_blocks_before(end)
        number, results = condition.args[0], condition.args[1:]
        terminator = last.last_op
        assert terminator is not None
        stepped = made(AddiOp, [number, op.step], [number.type], _MAY_OVERFLOW)
        carried = [*stepped.results, *terminator.operands]
        last.erase_op(terminator)
        append(last, stepped)
        append(last, branch(BranchOp, carried, [condition]))
        append(init, branch(BranchOp, [op.lb, *op.iter_args], [condition]))
        below = made(CmpiOp, [number, op.ub], [i1], _BELOW)
        append(condition, below)
        forked = branch(ConditionalBranchOp, [*below.results], [inside, end], _NOTHING_CARRIED)
        append(condition, forked)
        for old, new in zip(op.results, results, strict=True):
            old.replace_all_uses_with(new)
        end.erase_op(op)


def _split(block: Block, first: Operation) -> Block:
    """`Block.split_before`, without counting the blocks before it: a network has a thousand."""
    assert block.parent is not None
    end = Block()
    block.parent.insert_block_after(end, block)
    moved: Operation | None = first
    while moved is not None:
        after = moved.next_op
        block.detach_op(moved)
        append(end, moved)
        moved = after
    return end


_BRANCHES: Mapping[type[Operation], RewritePattern] = {
    ForOp: _ForOnceLowering(),
    IfOp: IfLowering(),
    IndexSwitchOp: SwitchLowering(),
}
_CASTS: Mapping[type[Operation], RewritePattern] = {
    UnrealizedConversionCastOp: ReconcileUnrealizedCastsPattern(warn_on_failure=True)
}


def _rewrite(ops: Iterable[Operation], patterns: Mapping[type[Operation], RewritePattern]) -> None:
    """Show each op to its pattern once."""
    for op in ops:
        pattern = patterns.get(type(op))
        if pattern is not None and op.parent is not None:
            pattern.match_and_rewrite(op, PatternRewriter(op))


def _erase_dead(module: ModuleOp) -> None:
    for op in reversed(ops_below(module)):  # readers before what they read
        results = iter(op.results)  # to index them takes three times as long
        unused = (first := next(results, None)) is not None and first.first_use is None
        if unused and is_trivially_dead(op) and op.parent is not None:
            op.parent.erase_op(op)


class ConvertScfToCfOncePass(ConvertScfToCf):
    """`convert-scf-to-cf`: the same text, sooner."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Turn loops and conditions into branches."""
        _erase_dead(op)
        # The last first: what follows a loop moves to a block of its own once, not with each loop before it.
        _rewrite(reversed(ops_below(op)), _BRANCHES)


class ReconcileUnrealizedCastsOncePass(ReconcileUnrealizedCastsPass):
    """`reconcile-unrealized-casts`: the same text, sooner."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Erase casts there and back."""
        _erase_dead(op)
        _rewrite(ops_below(op), _CASTS)
