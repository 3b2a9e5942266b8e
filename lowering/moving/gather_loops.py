"""Loops for the ops that gather windows, in tasks or not."""

from __future__ import annotations

from xdsl.rewriter import Rewriter

from lowbit_dialect.layout import storage_bytes
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.gather import GatherOp, LinesOp, SubsampleOp, WindowsOp
from lowering.loops.tasks import Share
from lowering.moving.copying import BYTES_PER_NANOSECOND
from lowering.moving.line_loops import line_loops
from lowering.moving.subsample_loops import subsample_loops
from lowering.moving.window_loops import window_loops
from microkernels.emit import Emitter
from microkernels.target import Target


def gather_loops(op: GatherOp, machine: Target, share: Share | None = None) -> int:
    """Replace an op that gathers on memrefs by loops, or by a share of the outermost one.

    Returns the extent of that.
    """
    assert op.outs is not None
    moved = storage_bytes(shaped(op.input)) + storage_bytes(shaped(op.outs))
    if share is not None and moved // BYTES_PER_NANOSECOND < share.least:
        gather_loops(op, machine)
        return 1
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
    return extent
