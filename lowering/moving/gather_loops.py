"""Loops for the ops that gather windows, in tasks or not."""

from __future__ import annotations

from xdsl.rewriter import Rewriter

from lowbit_dialect.ops.gather import GatherOp, LinesOp, SubsampleOp, WindowsOp
from lowering.loops.tasks import Share
from lowering.loops.worth_sharing import worth_sharing
from lowering.moving.line_loops import line_loops
from lowering.moving.subsample_loops import subsample_loops
from lowering.moving.window_loops import window_loops
from microkernels.emit import Emitter
from microkernels.target import Target


def gather_loops(op: GatherOp, machine: Target, share: Share | None = None) -> int:
    """Replace an op that gathers on memrefs by loops, or by a share of the outermost one.

    Returns how many steps that has, 1 where it is not shared.
    """
    assert op.outs is not None
    share = worth_sharing(share, op.input, op.outs)
    emit, units = Emitter(op), share and share.units
    match op:
        case LinesOp():
            extent = line_loops(emit, op, units)
        case SubsampleOp():
            extent = subsample_loops(emit, op, machine, units)
        case _:
            assert isinstance(op, WindowsOp)
            extent = window_loops(emit, op, units)
    Rewriter.erase_op(op)
    return extent if share else 1
