"""What a `conv2d` or `dense` may run by: of each algorithm and kernel the best schedule, and what it reads.

Seconds are those of the op itself: what its input must be converted for is left to who decides for all ops
at once (`selection.py`), since several may read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median

from autotune.machine_table import MachineTable
from autotune.model import Model
from autotune.preparing import again, preparing
from autotune.ranking import Ranking, first_choice
from autotune.space import Space
from autotune.storing import Form, gathers, wanted
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import CHOICES, Schedule
from lowering.packing.layout_assignment import rows_of
from microkernels.target import Target

LEAST = 0.5
"""The part of a measured time that is left to an op at least when what prepares its input is taken off."""


@dataclass(frozen=True)
class Choice:
    """A schedule, and what it means for the ops around."""

    schedule: Schedule
    seconds: float
    """Of a call, its input being stored as it `reads` it."""
    reads: Form
    """How its input must be stored; what is made of that for it alone is in its seconds."""
    packs: bool
    """Whether it can write planes."""


class Choices:
    """The choices of one op; `times` are what schedules of it were measured to take alone."""

    def __init__(
        self,
        op: LinearOp,
        target: Target,
        machine: MachineTable,
        threads: int = 1,
        times: Mapping[Schedule, float] | None = None,
    ):
        self.op, self.machine = op, machine
        self.space = Space(op, target, threads)
        self.work = self.space.demand.work
        self.model = Model(self.work, target, machine, "ready", threads)
        self.times = {self.space.canonical(one): seconds for one, seconds in (times or {}).items()}
        self.factor = median(
            [seconds / self._alone(one) for one, seconds in self.times.items()] or [1.0]
        )

    def find(self, pinned: Schedule) -> list[Choice]:
        """The best schedule of each algorithm and kernel, fields of `pinned` kept, the fastest first.

        Raises ValueError where there is none, saying what is in the way.
        """
        pinned = replace(pinned, parallel=pinned.parallel or "none")
        if pinned.algorithm and self.work == self.work.gathered:
            pinned = replace(pinned, algorithm="direct")
        found: dict[tuple[object, ...], Choice] = {}
        measured = (one for one in self.times if pinned.completed(one) == one)
        for schedule in (*measured, *self._ranked(pinned)):
            one = self.of(schedule)
            key = schedule.algorithm, schedule.microkernel, one.reads, one.packs
            if key not in found or one.seconds < found[key].seconds:
                found[key] = one
        if not found:
            first_choice(self.space, self.machine, pinned)  # which says why
        return sorted(found.values(), key=lambda one: one.seconds)

    def _ranked(self, pinned: Schedule) -> Iterator[Schedule]:
        """By the model the best schedule of each algorithm and kernel, of tables whole and in strips."""
        for algorithm in self.space.domain("algorithm", Schedule()):
            for kernel in self.space.domain("microkernel", Schedule(algorithm=str(algorithm))):
                way = Schedule(algorithm=str(algorithm), microkernel=str(kernel))
                if pinned.completed(way) != replace(pinned, **way.closed()):  # pyright: ignore[reportArgumentType]
                    continue
                strips = pinned.tables is None and self.space.strips(way)
                for tables in CHOICES["tables"] if strips else (pinned.tables,):
                    yield from self._best(replace(pinned, **way.closed(), tables=tables))  # pyright: ignore[reportArgumentType]

    def _best(self, pinned: Schedule) -> Iterator[Schedule]:
        """The best schedule, and the best that writes planes if that depends on its block."""
        found = [one for one, _ in Ranking(self.space, self.model, pinned).best(1)]
        yield from found
        if found and pinned.vectors is None and not self._packs(found[0]):
            for vectors in self.space.domain("vectors", pinned):
                wider = replace(pinned, vectors=vectors)  # pyright: ignore[reportArgumentType]
                if self._packs(wider):
                    yield from (one for one, _ in Ranking(self.space, self.model, wider).best(1))

    def _packs(self, schedule: Schedule) -> bool:
        assert schedule.vectors
        kernel = self.model.cost(schedule.algorithm or "", schedule.microkernel or "").kernel
        work = self.space.way(schedule).work
        return kernel.packs(*kernel.channels(work), kernel.lanes * schedule.vectors)

    def of(self, schedule: Schedule) -> Choice:
        """The choice that a schedule is."""
        cost = self.model.cost(schedule.algorithm or "", schedule.microkernel or "")
        reads = wanted(self.op, cost.kernel, schedule.algorithm or "")
        if schedule.tables == "strips" and reads is not None:
            reads = rows_of(reads)
        seconds = self._seconds(schedule, reads)
        if schedule in self.times:
            measured = self.times[schedule]
            seconds = max(measured - self._alone(schedule) + seconds, LEAST * measured)
        else:
            seconds *= self.factor
        return Choice(schedule, seconds, reads, self._packs(schedule))

    def _seconds(self, schedule: Schedule, reads: Form) -> float:
        """What the model says, with what is made of the input for this op alone."""
        own = 0.0
        if schedule.tables == "strips" or gathers(self.op, schedule.algorithm):
            own = self._prepared(schedule, planes=reads is not None and reads.packed)
        return self.model.predict(schedule).seconds + own

    def _alone(self, schedule: Schedule) -> float:
        """What the model says of a program of this op, which is what is measured."""
        layout = layout_of(shaped(self.op.input))
        prepared = self._prepared(schedule, planes=layout is not None and layout.packed)
        return self.model.predict(schedule).seconds + prepared

    def _prepared(self, schedule: Schedule, *, planes: bool) -> float:
        """Seconds of preparing activations that come as planes or as codes."""
        cost = self.model.cost(schedule.algorithm or "", schedule.microkernel or "")
        times, stored = again(self.model.nest(schedule), schedule), "planes" if planes else "codes"
        cycles = preparing(self.work, schedule, cost, times, stored, self.machine)
        return self.machine.seconds(cycles) / self.model.threads
