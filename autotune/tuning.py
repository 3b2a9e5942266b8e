"""Tuning: strategies propose candidates, workers measure them, a log keeps what came of each.

    tune([Task(layer, key, subject, strategy), ...], measurer, run, listen)

Time goes in turns of a few candidates, each to the layer of which most is to be gained: the seconds that
its last turns gained, or, while it is new, what a new layer may gain. A turn begins with what by now is
fastest for like layers. At the end, in time that is
kept for that, the fastest of each layer are timed again, beside the default, since the fastest of many
measurements is a lucky one; and inside the program (`whole.py`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from math import isfinite
from typing import Literal, Protocol

from autotune.events import Best, Event, Finished, Layer, Started, Tried
from autotune.identity import tool_versions
from autotune.keys import distance
from autotune.log import Log
from autotune.measuring import C, Subject
from autotune.outcome import Measured, Outcome
from autotune.record import Record
from autotune.records import query, tried
from autotune.whole import Choice, Settled, Whole, settle
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target

Listener = Callable[[Event], None]
TURN = 8
"""Candidates of a turn."""
LENDERS = 2
"""Like layers whose fastest schedules begin a turn."""
AGAIN = 8
"""Candidates of a layer that are timed again: of 73 for C6 the three fastest were all lucky ones, and 9 %
slower than the best (Zen 3, two threads of one core, 2026-11)."""
FINALISTS = 3
"""Of these the fastest, which are tried inside the program."""
_KEPT = 0.25
"""The part of the time that is kept for timing the best again where that is done inside a program."""
_KEPT_ALONE = 0.05
"""The same where it is not."""
_GRACE = 2.0
"""Seconds after the end for what is under way."""
_LEAST = 10.0
"""Seconds that programs may be timed for where no time is given, or a part of `_KEPT` of what was needed."""
_HOPE = 0.3
"""The part of its time that a layer of which nothing is known may gain in its first turn."""


class Strategy(Protocol):
    """Proposes schedules of one op."""

    def propose(self, count: int) -> list[Schedule]:
        """The next ones to try; fewer only if the space has no more."""
        ...

    def observe(self, schedule: Schedule, outcome: Outcome) -> None:
        """Hear what came of a schedule, proposed or not."""
        ...


class Measuring(Protocol):
    """What measures: `Measurer`, or a cluster of them."""

    machine: str

    def measure(
        self,
        candidates: Iterable[C],
        subject: Subject | None = None,
        until: float | None = None,
    ) -> Iterator[tuple[C, Outcome]]:
        """Measure candidates of a subject, and yield each as it is done, until some time."""
        ...


@dataclass
class Task:
    """A layer, who proposes its schedules, and how far it is."""

    layer: Layer
    key: str
    op: str
    subject: Subject
    default: Schedule
    strategy: Strategy
    predict: Callable[[Schedule], float | None] = lambda schedule: None
    sources: dict[Schedule, str] = field(default_factory=dict[Schedule, str])
    """Who thought of what comes first: `default`, `model`, `records` or `like`, a layer that is."""
    fit: Callable[[Schedule], Schedule | None] = lambda schedule: None
    """Makes a schedule of a like layer one of this; None where that makes no sense."""
    times: dict[Schedule, Measured] = field(default_factory=dict[Schedule, Measured])
    heard: set[Schedule] = field(default_factory=set[Schedule])
    """Those whose outcome is known."""
    tried: int = 0
    gained: float = _HOPE
    """The part of its time that a candidate of its last turns gained, of which older ones weigh less."""
    exhausted: bool = False

    @property
    def best(self) -> float | None:
        """Seconds of the fastest candidate."""
        return min((one.seconds for one in self.times.values()), default=None)

    @property
    def promise(self) -> float:
        """Seconds that a candidate may gain in a call of the program."""
        if self.best is None:
            return 0.0 if self.tried else float("inf")
        return self.layer.count * self.best * self.gained

    def hear(self, schedule: Schedule, outcome: Outcome) -> None:
        """Take note of an outcome."""
        self.strategy.observe(schedule, outcome)
        self.heard.add(schedule)
        if isinstance(outcome, Measured):
            self.times[schedule] = outcome

    def lent(self, others: Iterable[Task]) -> list[Schedule]:
        """What is fastest for the layers that are most like this one, as far as it is new here."""
        known = (other for other in others if other is not self and other.times)
        far = [(distance(self.op, other.op), other) for other in known]
        near = sorted((one for one in far if isfinite(one[0])), key=lambda one: one[0])
        fitted = (self.fit(other.fastest) for _, other in near[:LENDERS])
        new = [one for one in dict.fromkeys(fitted) if one is not None and one not in self.heard]
        self.sources |= dict.fromkeys(new, "like")
        return new

    @property
    def fastest(self) -> Schedule:
        """Of those that were measured."""
        return min(self.times, key=lambda schedule: self.times[schedule].relative)

    def finalists(self, times: Mapping[Schedule, Measured], count: int) -> list[Schedule]:
        """The default and the fastest by some times, fastest first."""
        ranked = sorted(times, key=lambda schedule: times[schedule].relative)
        return list(dict.fromkeys((self.default, *ranked[:count])))


@dataclass(frozen=True)
class Run:
    """What limits the work, and what is written of it."""

    target: str
    strategy: str
    log: Log
    trials: int | None = None
    """Of all layers together."""
    time_budget: float | None = None
    workers: int = 1
    seed: int = 0
    resume: bool = False
    threads: int = 1
    began: float | None = None
    """When the time began, by the monotonic clock; None for now."""
    whole: Whole | None = None
    """What the layers are of; None where nothing but them is timed."""


def tune(tasks: Sequence[Task], measurer: Measuring, run: Run, listen: Listener) -> None:
    """Work until a limit is reached, telling `listen` of everything; an interrupt goes through."""
    records = _logged(run.log) if run.resume else ()
    resumed = sum(_resume(task, measurer.machine, run, records) for task in tasks)
    layers = tuple(task.layer for task in tasks)
    limits = run.trials, run.time_budget, run.workers
    listen(Started(layers, run.strategy, *limits, resumed, measurer.machine))
    session = _Session(measurer, run, listen)
    for task in tasks:
        if task.default not in task.times:
            session.measure(task, [task.default])
    why = session.search(tasks)
    listen(session.finish(tasks, why))


def _resume(task: Task, machine: str, run: Run, records: Sequence[Record]) -> int:
    """Tell a task what the log has of it; returns how many schedules that are."""
    known = query(
        records,
        key=task.key,
        machine=machine,
        target=resolve_target(run.target),
        threads=run.threads,
        versions=tool_versions(),
    )
    count = 0
    for text, outcome in tried(known).items():
        with suppress(ValueError):  # a record of a schedule that there is no more
            task.hear(Schedule.parse(text), outcome)
            count += 1
    return count


def _logged(log: Log) -> tuple[Record, ...]:
    """The records of a log; warns of lines that are none."""
    contents = log.read()
    for line in contents.bad:
        warnings.warn(str(line), stacklevel=2)
    return contents.records


class _Session:
    """One run of the tuner."""

    def __init__(self, measurer: Measuring, run: Run, listen: Listener):
        self._measurer, self._run, self._listen = measurer, run, listen
        self._began = time.monotonic() if run.began is None else run.began
        self._trial = 0

    def search(self, tasks: Sequence[Task]) -> Literal["trials", "time", "space"]:
        """Give turns to layers until a limit is reached; say which."""
        while True:
            if self._left() <= 0:
                return "trials"
            if self._late():
                return "time"
            open_ = [task for task in tasks if not task.exhausted]
            task = max(open_, key=lambda task: task.promise, default=None)
            if task is None or task.promise == 0:
                return "space"
            self._turn(task, tasks)

    def _turn(self, task: Task, tasks: Sequence[Task]) -> None:
        before, most = task.best, min(TURN, self._left())
        proposed = task.lent(tasks)[:most]
        proposed += (
            one for one in task.strategy.propose(most - len(proposed)) if one not in proposed
        )
        task.exhausted = not proposed
        self.measure(task, proposed)
        if before is not None and task.best is not None:
            task.gained = (task.gained + (before - task.best) / before) / 2

    def measure(self, task: Task, schedules: Sequence[Schedule]) -> None:
        """Measure candidates, write and tell what came of each; begins none when the time is over."""
        with closing(self._measured(self._in_time(schedules), task.subject)) as outcomes:
            for schedule, outcome in outcomes:
                self._trial += 1
                task.tried += 1
                task.hear(schedule, outcome)
                source = task.sources.get(schedule, self._run.strategy)
                self._run.log.append(self._record(task, schedule, outcome, source))
                seconds = time.monotonic() - self._began
                told = self._trial, seconds, task.best, task.predict(schedule), source
                self._listen(Tried(task.layer.name, schedule, outcome, *told))

    def _in_time(self, schedules: Sequence[Schedule]) -> Iterator[Schedule]:
        """The first, and the others as long as there is time to search."""
        yield from schedules[:1]
        yield from takewhile(lambda _: not self._late(), schedules[1:])

    def _measured(
        self, candidates: Iterable[C], subject: Subject, until: float | None = None
    ) -> Generator[tuple[C, Outcome]]:
        budget = self._run.time_budget
        end = None if budget is None else self._began + budget + _GRACE
        yield from self._measurer.measure(candidates, subject, until or end)

    def finish(self, tasks: Sequence[Task], why: Literal["trials", "time", "space"]) -> Finished:
        """The winners when those that seem so are timed once more, alone and then inside the program.

        A layer of which nothing was measured is not among them.
        """
        known = [task for task in tasks if task.best is not None]
        times = {task.layer.name: self._again(task) for task in known}
        choice = {name: min(one, key=lambda s: one[s].relative) for name, one in times.items()}
        settled = self._inside(known, choice, times)
        if settled is not None:
            choice = {t.layer.name: settled.choice.get(t.layer.name, t.default) for t in known}
        best = (self._best(task, choice[task.layer.name], times) for task in known)
        found = tuple(one for one in best if one is not None)
        return Finished(found, why, *((settled.seconds, settled.default) if settled else ()))

    def _again(self, task: Task) -> dict[Schedule, Measured]:
        """Times of the fastest, measured once more where there is time."""
        finalists = task.finalists(task.times, AGAIN)
        outcomes = self._measured(finalists, task.subject)
        again = {s: one for s, one in outcomes if isinstance(one, Measured)}
        return again or {s: task.times[s] for s in finalists if s in task.times}

    def _inside(
        self,
        tasks: Sequence[Task],
        choice: Choice,
        times: Mapping[str, Mapping[Schedule, Measured]],
    ) -> Settled | None:
        """The choice that is best for the whole program, the longest layers being looked at first."""
        run, now = self._run, time.monotonic()
        if run.whole is None or not tasks:
            return None
        whole, elapsed = run.whole, now - self._began
        end = max(_LEAST, _KEPT * elapsed) + now
        until = end if run.time_budget is None else self._began + run.time_budget
        longest = sorted(tasks, key=lambda task: -task.layer.count * (task.best or 0.0))
        rivals = {
            task.layer.name: task.finalists(times[task.layer.name], FINALISTS) for task in longest
        }
        return settle(
            whole, choice, rivals, lambda plans: dict(self._measured(plans, whole.subject, until))
        )

    def _best(
        self, task: Task, schedule: Schedule, times: Mapping[str, Mapping[Schedule, Measured]]
    ) -> Best | None:
        one = times[task.layer.name].get(schedule) or task.times.get(schedule)
        name = task.layer.name
        return one and Best(name, schedule, one.seconds, one.seconds / one.relative)

    def _left(self) -> int:
        """Candidates that may still be tried."""
        return TURN if self._run.trials is None else self._run.trials - self._trial

    def _late(self) -> bool:
        """Whether the time to search is over."""
        budget, kept = self._run.time_budget, _KEPT if self._run.whole else _KEPT_ALONE
        return budget is not None and time.monotonic() - self._began >= budget * (1 - kept)

    def _record(self, task: Task, schedule: Schedule, outcome: Outcome, strategy: str) -> Record:
        return Record(
            key=task.key,
            op=task.op,
            schedule=str(schedule),
            target=self._run.target,
            threads=self._run.threads,
            machine=self._measurer.machine,
            versions=tool_versions(),
            outcome=outcome,
            strategy=strategy,
            seed=self._run.seed,
            trial=self._trial,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
