"""Measure candidates in processes of their own, which may die of them.

    with Measurer(Subject(text, "host"), workers=2) as measurer:
        for schedule, outcome in measurer.measure(schedules):
            ...

A worker lives on from candidate to candidate. It is killed when one takes too long, replaced when it dies,
grows or has served for long, and what it was doing becomes a `Failed`, which nobody tries again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle, islice
from types import MappingProxyType
from typing import Any, TypeVar, cast

from autotune.candidate import Plan
from autotune.identity import machine_identity
from autotune.outcome import Failed, Measured, Outcome
from autotune.stopwatch import Effort
from autotune.workbench import RUNS
from lowbit_dialect.schedule import Schedule
from lowering.backend.isolate import IsolationError, Limits, Worker, wait

EFFORT = Effort()
LIMITS = Limits(seconds=20.0, cpu_seconds=40, memory=4 << 30)
"""What a candidate may take, of which most need a tenth of a second."""
_PREPARING = Limits(seconds=300.0, cpu_seconds=600, memory=64 << 30)
_PREPARE = "autotune.measuring_worker:prepare"
_RECYCLE = 500
_GROWTH = 512 << 20
"""Bytes of address space by which a worker may grow."""
_OUT_OF_MEMORY = ("out of memory", "bad_alloc", "MemoryError", "Cannot allocate memory")


C = TypeVar("C", Schedule, Plan)


class MeasuringError(ValueError):
    """A subject cannot be measured, whatever its schedule; the message says why."""


@dataclass(frozen=True)
class Subject:
    """What is measured: a layer, or a whole program."""

    program: str
    """Text of a module: a function on tensors, whose one `conv2d` or `dense` takes a schedule, or whose
    several take a plan."""
    target: str = "host"
    threads: int = 1
    """At most."""


@dataclass
class _Hand:
    """A worker and what it is at."""

    worker: Worker
    core: list[int]
    """The one that it is kept to; none where threads cannot be pinned."""
    prepared: set[Subject] = field(default_factory=set[Subject])
    candidate: Schedule | Plan | None = None
    """What is tried."""
    preparing: bool = False
    """Whether the subject is made ready first."""
    memory: int = 0
    """Bytes of address space that it had when it last made one ready."""


class Measurer:
    """Worker processes, on a core each, that live until it is closed."""

    def __init__(
        self,
        subject: Subject | None = None,
        workers: int = 1,
        *,
        reference: Schedule | None = None,
        limits: Limits = LIMITS,
        effort: Effort = EFFORT,
        recycle: int = _RECYCLE,
        job: str = "autotune.measuring_worker:measure",
        preparing: str = _PREPARE,
        machine: str | None = None,
        more: Mapping[str, Any] = MappingProxyType({}),
    ):
        """`reference` is the candidate that all others are timed beside: the default schedule unless given.

        A process tries at most `recycle` candidates, by the function that `job` names, of subjects that the
        function `preparing` has made ready; requests say `more` besides. `machine` is what runs the code
        where that is not this one.
        """
        self.machine = machine or machine_identity()
        """The machine that measures."""
        self._preparing, self._more = preparing, more
        self._subject, self._limits, self._effort, self._job = subject, limits, effort, job
        self._reference = "" if reference is None else str(reference)
        self._cores = _cores()
        turn = cycle(reversed(self._cores))
        self._hands = [_Hand(Worker(limits, recycle), [*islice(turn, 1)]) for _ in range(workers)]
        self._best: dict[Subject, float] = {}

    def measure(
        self,
        candidates: Iterable[C],
        subject: Subject | None = None,
        until: float | None = None,
    ) -> Iterator[tuple[C, Outcome]]:
        """Measure candidates of a subject, by default the one given first, and yield each as it is done.

        The next one is taken when a worker is free for it; those under way at a time of the monotonic clock,
        `until`, are given up. Raises `MeasuringError` for a subject that cannot be measured.
        """
        subject = subject or self._subject
        if subject is None:
            raise MeasuringError("there is no layer to measure: give a subject")
        coming = iter(candidates)
        try:
            for hand in self._hands:
                self._begin(hand, subject, next(coming, None))
            while done := wait((hand.worker for hand in self._hands), seconds_to(until)):
                for hand in [hand for hand in self._hands if hand.worker in done]:
                    candidate, outcome = hand.candidate, self._answer(hand, subject)
                    # It works on while the caller looks at the outcome.
                    self._begin(hand, subject, candidate if outcome is None else next(coming, None))
                    if outcome is not None and candidate is not None:
                        yield cast(C, candidate), outcome
        finally:
            for hand in self._hands:
                if hand.worker.under_way:
                    hand.worker.close()

    def close(self) -> None:
        """End the workers."""
        for hand in self._hands:
            hand.worker.close()

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, hand: _Hand, subject: Subject, candidate: Schedule | Plan | None) -> None:
        """Let a worker try a candidate, or make the subject ready for that."""
        hand.candidate = candidate
        if candidate is None:
            return
        if hand.worker.fresh:
            hand.prepared.clear()
        hand.preparing = subject not in hand.prepared
        asked: dict[str, Any] = {
            "subject": asdict(subject),
            "reference": self._reference,
            "effort": asdict(self._effort),
            "cores": hand.core if subject.threads == 1 else self._cores,
            **self._more,
        }
        if hand.preparing:
            job, more, limits = self._preparing, dict[str, Any](), _PREPARING
        else:
            more = {"schedule": str(candidate), "best": self._best.get(subject)}
            job, limits = self._job, _limits_of(candidate, self._limits)
        hand.worker.ask(job, json.dumps(asked | more).encode(), limits)

    def _answer(self, hand: _Hand, subject: Subject) -> Outcome | None:
        """What came of a candidate; None if the subject was made ready for it."""
        if hand.preparing:
            try:
                hand.memory = json.loads(hand.worker.answer())["memory"]
            except IsolationError as error:
                raise MeasuringError(f"the layer cannot be measured: {_told(error)}") from error
            hand.prepared.add(subject)
            return None
        try:
            told = json.loads(hand.worker.answer())
            memory = told.pop("memory")
            outcome = Failed(**told) if "kind" in told else Measured(**told)
        except IsolationError as error:
            outcome, memory = failure_of(error), 0
        except (ValueError, TypeError, KeyError, AttributeError):
            outcome, memory = Failed("crash", "the worker gave an answer that is none"), 0
        if isinstance(outcome, Failed) and outcome.kind not in ("refused", "compile"):
            hand.worker.close()  # who knows what it has written where
        elif memory > hand.memory + _GROWTH:
            hand.worker.close()
        if isinstance(outcome, Measured):
            self._best[subject] = min(outcome.relative, self._best.get(subject, outcome.relative))
        return outcome


def seconds_to(until: float | None) -> float | None:
    """Seconds that are left to a time of the monotonic clock; None if there is no end."""
    return None if until is None else max(0.0, until - time.monotonic())


def _limits_of(candidate: Schedule | Plan, limits: Limits) -> Limits:
    """What a candidate may take: a program as much as all its layers."""
    if isinstance(candidate, Schedule):
        return limits
    ops = len(candidate.schedules)
    seconds, cpu_seconds = limits.seconds * ops, limits.cpu_seconds * ops
    return replace(limits, seconds=seconds, cpu_seconds=cpu_seconds)


def failure_of(error: IsolationError) -> Failed:
    """What the end of a worker says of the candidate that it tried."""
    told = _told(error)
    if error.late or error.killer == "SIGXCPU":
        return Failed("timeout", told)
    # Without being asked, only the system kills so, when memory runs out.
    if error.killer == "SIGKILL" or out_of_memory(told):
        return Failed("memory", told)
    if error.killer in ("SIGSEGV", "SIGBUS") and error.words.startswith(RUNS):
        return Failed("bounds", told)
    return Failed("crash", told)


def out_of_memory(told: str) -> bool:
    """Whether a message says that memory ran out."""
    return any(words in told for words in _OUT_OF_MEMORY)


def _told(error: IsolationError) -> str:
    """The message without the name of a function of ours."""
    text = str(error)
    first, _, rest = text.partition(" ")
    return f"the process {rest}" if ":" in first and not error.raised else text


def _cores() -> list[int]:
    """Those that this process may use; none where threads cannot be pinned."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
