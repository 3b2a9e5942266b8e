"""Passes of xDSL, with its patterns, in one walk over the ops that these rewrite.

xDSL's drivers show every op to every pattern until nothing changes, and look on the way whether it is dead:
24 ms of the 200 that a layer takes (C2, uint1 by uint1, Zen 5, 2026-11), where this takes 5.
"""

from collections.abc import Mapping

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnrealizedConversionCastOp
from xdsl.dialects.scf import ForOp, IfOp, IndexSwitchOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.transforms.convert_scf_to_cf import (
    ConvertScfToCf,
    ForLowering,
    IfLowering,
    SwitchLowering,
)
from xdsl.transforms.dead_code_elimination import is_trivially_dead
from xdsl.transforms.reconcile_unrealized_casts import (
    ReconcileUnrealizedCastsPass,
    ReconcileUnrealizedCastsPattern,
)

from lowering.llvm.conversion import ops_below

_BRANCHES: Mapping[type[Operation], RewritePattern] = {
    ForOp: ForLowering(),
    IfOp: IfLowering(),
    IndexSwitchOp: SwitchLowering(),
}
_CASTS: Mapping[type[Operation], RewritePattern] = {
    UnrealizedConversionCastOp: ReconcileUnrealizedCastsPattern(warn_on_failure=True)
}


def _rewrite(module: ModuleOp, patterns: Mapping[type[Operation], RewritePattern]) -> None:
    """Erase what is dead, then show each op to its pattern once, outer ops first."""
    for op in reversed(ops_below(module)):  # readers before what they read
        if op.results and is_trivially_dead(op) and op.parent is not None:
            op.parent.erase_op(op)
    for op in ops_below(module):
        pattern = patterns.get(type(op))
        if pattern is not None and op.parent is not None:
            pattern.match_and_rewrite(op, PatternRewriter(op))


class ConvertScfToCfOncePass(ConvertScfToCf):
    """`convert-scf-to-cf`: the same text, sooner."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Turn loops and conditions into branches."""
        _rewrite(op, _BRANCHES)


class ReconcileUnrealizedCastsOncePass(ReconcileUnrealizedCastsPass):
    """`reconcile-unrealized-casts`: the same text, sooner."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Erase casts there and back."""
        _rewrite(op, _CASTS)
