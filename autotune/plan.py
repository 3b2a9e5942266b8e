"""`lowbit-plan`: every op gets the schedule that it will run by.

Needs functions on tensors; leaves a complete `schedule = #lowbit.schedule<...>` on each `conv2d` and `dense`,
which the passes after it execute. Fields that the program pins are kept, as far as they have an effect;
`source` says who decides the others.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from autotune.machine_table import MachineTable
from autotune.processors import table_of
from autotune.ranking import first_choice, stored_as
from autotune.space import Space
from lowbit_dialect.layout import Layout, LayoutAttr, storage_bytes
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.backend.host import missing_on_host
from lowering.loops.sharing import parallel_axis
from lowering.preconditions import target_of
from microkernels.legality import executed
from microkernels.nest import nest_of
from microkernels.table import find_kernel
from microkernels.target import Target


@dataclass(frozen=True)
class LowbitPlanPass(ModulePass):
    """A schedule for every op, for a target."""

    name = "lowbit-plan"

    target: str = "host"
    source: Literal["default", "model", "records", "exact"] = "default"
    """`default` is the first choice of the model by a shipped table, `model` by one that is measured; `exact`
    chooses for all ops of a function together (`selection.py`)."""
    threads: int = 1
    least: int = 2000
    """Nanoseconds that an op must take on one thread, as estimated, to be shared out unless it pins how:
    to hand over a task and claim its units takes a few hundred."""
    ram: int = 0
    """Bytes that the arena of a function may have at most; 0 for any number. For source=exact."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Complete the schedule of each `conv2d` and `dense`."""
        target = target_of(self.target)
        if self.ram and self.source != "exact":
            raise PassFailedException(f"ram = {self.ram} is for source=exact, not {self.source}")
        if self.source == "exact":
            from autotune.selection import Selector

            selector = Selector.of(target, self.threads)
            for func in op.ops:
                if isinstance(func, FuncOp) and not func.is_declaration:
                    selector.pin(func, self.ram)
        ops = [inner for inner in op.walk() if isinstance(inner, LinearOp)]
        if self.source == "records":
            from autotune.recorded import pin_recorded

            pin_recorded(ops, target, self.threads)
        if self.source == "model" and (lacks := missing_on_host(target)):
            raise PassFailedException(
                f"source=model measures the machine it runs on, but {lacks}: use source=default"
            )
        table = table_of(target)
        if ops and self.source == "model":
            from autotune.machine_measured import measured_table

            table = measured_table(target)
        known: dict[object, Schedule] = {}
        for inner in ops:
            try:
                schedule = planned(inner, target, self.threads, self.least, table, known)
            except ValueError as error:
                raise PassFailedException(f"'{inner.name}': {error}") from error
            inner.properties["schedule"] = ScheduleAttr(schedule)


def planned(
    op: LinearOp,
    target: Target,
    threads: int = 1,
    least: int = 0,
    machine: MachineTable | None = None,
    known: MutableMapping[object, Schedule] | None = None,
) -> Schedule:
    """The complete schedule of an op, what it pins kept; raises ValueError if that is impossible.

    `known` are choices by what decides them, for one target, number of threads and machine; it is added to.
    """
    pinned = op.schedule.data if op.schedule else Schedule()
    space, table = Space(op, target, threads), machine or table_of(target)
    open_ = replace(pinned, parallel=pinned.parallel or "none")
    known = {} if known is None else known
    key = space.key, open_, stored_as(op)
    if (schedule := known.get(key)) is None:
        schedule = known[key] = first_choice(space, table, open_, stored_as(op))
    if pinned.parallel is None:
        schedule = shared_out(op, space, schedule, least)
    if error := space.refusal(schedule):
        raise ValueError(error)
    return schedule


def shared_out(op: LinearOp, space: Space, schedule: Schedule, least: int = 0) -> Schedule:
    """A complete schedule with the axis that the threads of a space share out, if they gain by it."""
    if space.threads == 1:
        return schedule
    parallel = _parallel(op, schedule, space.target, space.threads, least)
    return space.canonical(replace(schedule, parallel=parallel))


def _parallel(op: LinearOp, schedule: Schedule, target: Target, threads: int, least: int) -> str:
    """The axis that threads share out."""
    assert schedule.algorithm and schedule.microkernel and schedule.unroll and schedule.vectors
    work = executed(op.contraction, schedule.algorithm)
    kernel = find_kernel(schedule.microkernel, target)
    nest = nest_of(work, schedule, kernel)
    words = min(schedule.unroll, -(-work.inputs // kernel.channels_per_word))
    rows, columns = work.window.rows, work.window.columns
    images = (work.batch, rows.size, columns.size, work.inputs * work.groups)
    taps = (rows.kernel, columns.kernel, work.inputs, work.outputs * work.groups)
    read = operand_bytes(work.activation, kernel.input_layout(work), work.input_axes, images)
    weights = operand_bytes(
        work.weight, kernel.weight_layout(work, schedule.vectors), work.weight_axes, taps
    )
    return parallel_axis(nest, threads, least, words, weighs=weights > read)


def operand_bytes(
    element: Attribute, layout: Layout, axes: tuple[int, ...], extents: tuple[int, ...]
) -> int:
    """Bytes of an operand whose `axes` have these extents."""
    shape = [extents[axes.index(axis)] for axis in range(len(axes))]
    return storage_bytes(TensorType(element, shape, LayoutAttr(layout)))
