"""Loops for the ops that gather windows, in tasks or not."""

from __future__ import annotations

from xdsl.rewriter import Rewriter

from lowbit_dialect.layout import storage_bytes
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.gather import GatherOp, LinesOp, WindowsOp
from lowering.conversion_loops import BYTES_PER_NANOSECOND
from lowering.line_loops import line_loops
from lowering.tasks import Share
from lowering.window_loops import window_loops
from microkernels.emit import Emitter


def gather_loops(op: GatherOp, share: Share | None = None) -> int:
    """Replace `lines` or `windows` on memrefs by loops, or by a share of the outermost one.

    Returns the extent of that.
    """
    assert op.outs is not None
    moved = storage_bytes(shaped(op.input)) + storage_bytes(shaped(op.outs))
    if share is not None and moved // BYTES_PER_NANOSECOND < share.least:
        gather_loops(op)
        return 1
    emit, units = Emitter(op), share and share.units
    if isinstance(op, LinesOp):
        extent = line_loops(emit, op, units)
    else:
        assert isinstance(op, WindowsOp)
        extent = window_loops(emit, op, units)
    Rewriter.erase_op(op)
    return extent
