"""What there is to tune in a program: its layers, equal ones once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from autotune.events import Layer
from autotune.keys import described, key_of
from autotune.machine import pin_core
from autotune.rates import Rates
from lowbit.bench.limits import Work, work_of_op
from lowbit.lowered import as_written
from lowbit.pipeline import lower
from lowbit.program import Program
from lowbit_dialect.names import layer_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.backend.machine import BackendError
from microkernels.target import Target


@dataclass(frozen=True)
class Subject:
    """A layer, and the ops of a program that are it."""

    name: str
    ops: tuple[LinearOp, ...]

    @property
    def work(self) -> Work:
        """What it cannot do without."""
        return work_of_op(self.ops[0])

    def layer(self, limit: float) -> Layer:
        """As a tuner tells of it."""
        return Layer(self.name, described(self.ops[0]), len(self.ops), limit)

    def pin(self, schedule: Schedule) -> None:
        """Give it a schedule."""
        for op in self.ops:
            op.properties["schedule"] = ScheduleAttr(schedule)


def fused(program: Program) -> Program:
    """A copy of a program after stage `graph`, in which each `conv2d` and `dense` is what it will run as."""
    return Program(lower(as_written(program).module, until="graph"))


def subjects_of(program: Program) -> tuple[Subject, ...]:
    """The layers of a fused program, in order, but for those that pin a schedule, or fields of one.

    Raises ValueError if there are none.
    """
    layers = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    if not layers:
        raise ValueError("there is nothing to tune: the program has no conv2d and no dense")
    groups: dict[str, list[LinearOp]] = {}
    for op in layers:
        if op.schedule is None or op.schedule.data == Schedule():
            groups.setdefault(key_of(op), []).append(op)
    if not groups:
        raise ValueError("there is nothing to tune: every layer pins its schedule itself")
    found: dict[str, tuple[LinearOp, ...]] = {}
    for ops in groups.values():
        base = name = _name(ops[0])
        copies = 2
        while name in found:
            name, copies = f"{base}.{copies}", copies + 1
        found[name] = tuple(ops)
    return tuple(Subject(name, ops) for name, ops in found.items())


def _name(op: LinearOp) -> str:
    return layer_of(op) or op.results[0].name_hint or op.name.removeprefix("lowbit.")


def limits(works: Mapping[str, Work], target: Target, threads: int = 1) -> dict[str, float]:
    """Seconds that each layer cannot beat on so many cores of this machine.

    Nothing for a target that it does not run.
    """
    with suppress(BackendError), pin_core():
        rates = Rates(target)
        names = dict.fromkeys(rate for work in works.values() for rate in work.rates)
        seen = {name: rates.median(name) for name in names}
        return {name: work.seconds(seen)[0] / threads for name, work in works.items()}
    return {}
