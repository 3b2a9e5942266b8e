"""The process that tries candidates, one after another: the far side of `autotune.measuring`.

    prepare  {"subject": {...}, "reference": "", "effort": {...}, "cores": [1]}  ->  {"memory": 123}
    measure  the same and {"schedule": "...", "best": 0.9}
             ->  {"seconds": ...} or {"kind": "wrong", "message": "..."}, and "memory"

Requests and answers are JSON. What a candidate does that Python cannot catch ends the process.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Protocol

from xdsl.context import Context
from xdsl.utils.exceptions import DiagnosticException

from autotune.candidate import Candidate, Edit, Plan, compile_candidate, linears_of
from autotune.measuring import Subject, out_of_memory
from autotune.outcome import Failed, FailureKind, Outcome
from autotune.plan import LowbitPlanPass
from autotune.stopwatch import Effort, Placed
from autotune.stopwatch import measure as measure_time
from autotune.workbench import RUNS, OutOfBounds, Workbench, Wrong, address_space
from lowering.backend.host import resolve_target
from lowering.backend.jit import Jit
from lowering.backend.machine import BackendError
from microkernels.target import Target

NO_CODE = MemoryError, BackendError, DiagnosticException, ValueError
"""What making code of a candidate may raise."""
_PREPARED = 32
"""Subjects that are kept."""
_LONGEST = 400
"""Characters of a message."""


class Tries(Protocol):
    """A subject made ready."""

    reference: Plan

    def outcome(
        self, plan: Plan, best: float | None, effort: Effort, edit: Edit | None = None
    ) -> Outcome:
        """Try a candidate."""
        ...


class Station:
    """A subject made ready, with the candidate that all others are timed beside."""

    def __init__(self, subject: Subject, reference: str, effort: Effort):
        """Raises what compiling and comparing the reference candidate do."""
        self._target, self._threads = resolve_target(subject.target), subject.threads
        self.bench = Workbench(subject.program, self._target)
        self._laid_out: dict[str, Jit] = {}
        self.reference = (
            Plan.parse(reference) if reference else planned(self.bench, self._target, self._threads)
        )
        candidate = self._compiled(self.reference, None)
        self.bench.check(candidate)
        memory = self.bench.memory(candidate)
        self._beside = [Placed(candidate, memory) for _ in range(effort.allocations)]

    def outcome(
        self, plan: Plan, best: float | None, effort: Effort, edit: Edit | None = None
    ) -> Outcome:
        """Compile a candidate, compare it with the reference, and time it."""
        try:
            candidate = self._compiled(plan, edit)
            self.bench.check(candidate)
        except NO_CODE as error:
            return without_code(error)
        except Wrong as error:
            return failed("wrong", error)
        except OutOfBounds as error:
            return failed("bounds", error)
        memory = self.bench.memory(candidate)
        print(RUNS, "random data, timed", file=sys.stderr, flush=True)
        return measure_time(lambda: Placed(candidate, memory), self._beside, effort, best)

    def _compiled(self, plan: Plan, edit: Edit | None) -> Candidate:
        print("compiled", repr(str(plan)), file=sys.stderr, flush=True)
        return compile_candidate(
            self.bench.graph,
            plan,
            self._target,
            self._threads,
            known=self.bench.knows,
            laid_out=self._laid_out,
            edit=edit,
        )


def planned(bench: Workbench, target: Target, threads: int = 1) -> Plan:
    """What is chosen for the ops of a program where nothing is known."""
    module = bench.graph.clone()
    LowbitPlanPass(target=str(target), threads=threads).apply(Context(), module)
    return Plan(tuple(op.schedule.data for op in linears_of(module) if op.schedule))


def prepare(request: bytes) -> bytes:
    """Make a subject ready; raises what it is refused for."""
    _asked_for(json.loads(request))
    gc.collect()
    gc.freeze()  # what is kept for all candidates need not be looked through after each
    gc.set_threshold(
        50_000, 10, 10
    )  # what one builds lives as long as it does: 3 to 9 % of its time
    return json.dumps({"memory": address_space()}).encode()


def measure(request: bytes) -> bytes:
    """Try a candidate."""
    return answer(request)


def answer(request: bytes, edit: Edit | None = None) -> bytes:
    """Try a candidate, the reference one if none is named, after an `edit` of its code."""
    asked = json.loads(request)
    return tried(asked, *_asked_for(asked), edit)


def tried(asked: dict[str, Any], station: Tries, effort: Effort, edit: Edit | None) -> bytes:
    """The answer of a station to a request."""
    plan = Plan.parse(asked["schedule"]) if asked["schedule"] else station.reference
    outcome = station.outcome(plan, asked["best"], effort, edit)
    return json.dumps(asdict(outcome) | {"memory": address_space()}).encode()


def _asked_for(asked: dict[str, Any]) -> tuple[Station, Effort]:
    """The subject of a request made ready, on the cores that it names."""
    if asked["cores"]:
        os.sched_setaffinity(0, asked["cores"])
    effort = Effort(**asked["effort"])
    return _station(Subject(**asked["subject"]), str(asked["reference"]), effort), effort


@lru_cache(_PREPARED)
def _station(subject: Subject, reference: str, effort: Effort) -> Station:
    return Station(subject, reference, effort)


def without_code(error: Exception) -> Failed:
    """What one of `NO_CODE` says of a candidate."""
    if isinstance(error, MemoryError) or out_of_memory(str(error)):
        return failed("memory", error)
    return failed("compile" if isinstance(error, BackendError) else "refused", error)


def failed(kind: FailureKind, error: Exception) -> Failed:
    """What an exception says of a candidate."""
    return Failed(kind, " ".join(str(error).split())[:_LONGEST])
