"""`lowbit-plan`: every op gets the schedule that it will run by.

Needs functions on tensors; leaves `schedule = #lowbit.schedule<...>` on each `conv2d` and `dense`. Fields
that the program pins are kept; `source` says who decides the others. May be left out: an op without a
schedule gets the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import ScheduleAttr
from lowering.preconditions import target_of
from microkernels.choice import schedule_of
from microkernels.target import Target


@dataclass(frozen=True)
class LowbitPlanPass(ModulePass):
    """A schedule for every op, for a target."""

    name = "lowbit-plan"

    target: str = "host"
    source: Literal["default", "model", "records", "exact"] = "default"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Complete the schedule of each `conv2d` and `dense`."""
        if self.source != "default":
            raise PassFailedException(
                f"lowbit-plan has no schedules from '{self.source}' yet: use source=default"
            )
        target = target_of(self.target)
        for inner in op.walk():
            if isinstance(inner, LinearOp):
                _plan(inner, target)


def _plan(op: LinearOp, target: Target) -> None:
    try:
        schedule = schedule_of(op, target)
    except ValueError as error:
        raise PassFailedException(f"'{op.name}': {error}") from error
    op.properties["schedule"] = ScheduleAttr(schedule)
