"""A layer as the tuner gets it: what is measured, where its search begins, who proposes what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp

from autotune.alone import alone
from autotune.candidate import linear_of
from autotune.correction import Correction, Sample, samples_of
from autotune.keys import described, key_of
from autotune.measuring import Subject as Measured
from autotune.model import Model
from autotune.plan import LowbitPlanPass, planned, shared_out
from autotune.preparing import Stored
from autotune.processors import table_of
from autotune.ranking import stored_as
from autotune.record import Record
from autotune.shortlist import shortlist
from autotune.space import Space, reads_alone
from autotune.starts import FIRST, fitted, recorded
from autotune.tuning import Task
from lowbit.program import Program
from lowbit.tuning.asked import STRATEGIES, Asked
from lowbit.tuning.subjects import Subject
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule


class Searched:
    """A layer, its space and its model."""

    def __init__(self, subject: Subject, asked: Asked):
        self._subject, self._asked = subject, asked
        # What this one of the ops cannot have, none of them gets.
        self._inside = min(subject.ops, key=reads_alone)
        self._module = alone(self._inside)
        self._op = linear_of(self._module)
        self._stored: Stored = stored_as(self._op)
        self._machine = table_of(asked.target)
        self._space = space = Space(self._inside, asked.target, asked.threads)
        self._model = Model(
            space.demand.work, asked.target, self._machine, self._stored, asked.threads
        )

    def samples(self, records: Sequence[Record]) -> list[Sample]:
        """What records say of predictions."""
        return samples_of(key_of(self._op), self._space, self._model, records)

    def task(
        self, limit: float, records: Sequence[Record], correction: Correction | None = None
    ) -> Task:
        """What the tuner works on; nothing takes less than `limit` seconds."""
        asked, space, model = self._asked, self._space, self._model
        evolves = asked.strategy in ("guided", "evolutionary")
        sources: dict[Schedule, str] = {}
        if evolves:
            found = recorded(space, records, described(self._op))
            sources |= dict.fromkeys(found, "records")
        if asked.strategy == "guided":
            sources = dict.fromkeys(self._first(correction), "model") | sources

        def predict(schedule: Schedule) -> float:
            told = model.predict(schedule)
            return (correction(schedule, told) if correction else told).seconds

        default = default_of(self._inside, asked)
        return Task(
            self._subject.layer(limit),
            key_of(self._op),
            described(self._op),
            measured(self._module, asked),
            default,
            STRATEGIES[asked.strategy](space, asked.seed, list(sources)),
            predict,
            sources | {default: "default"},
            (lambda schedule: fitted(space, schedule)) if evolves else lambda schedule: None,
        )

    def _first(self, correction: Correction | None) -> list[Schedule]:
        """What the model has measured first."""
        space = self._space
        first = shortlist(space, self._machine, FIRST, self._stored, correction)
        return [shared_out(self._inside, space, schedule) for schedule, _ in first]


def default_of(op: LinearOp, asked: Asked) -> Schedule:
    """What an op runs as without tuning."""
    return planned(op, asked.target, asked.threads, LowbitPlanPass.least)


def measured(program: Program | ModuleOp, asked: Asked) -> Measured:
    """A program as workers get it."""
    return Measured(str(program), str(asked.target), asked.threads)
