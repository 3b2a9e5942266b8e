"""`lowbit.tune`: search for the schedules of a program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from autotune.alone import alone
from autotune.candidate import Plan, linear_of, linears_of
from autotune.cluster import ClusterMeasurer
from autotune.events import Event
from autotune.keys import described, key_of
from autotune.log import Log
from autotune.machine_table import table_of
from autotune.measuring import Measurer
from autotune.measuring import Subject as Measured
from autotune.model import Model
from autotune.plan import LowbitPlanPass, planned, shared_out
from autotune.ranking import ranked, stored_as
from autotune.record import Record
from autotune.records import query, record_files, user_file
from autotune.search import Evolution, ExhaustiveSearch, RandomSearch
from autotune.space import Space, reads_alone
from autotune.starts import FIRST, fitted, recorded
from autotune.tuning import Listener, Run, Task
from autotune.tuning import tune as run_tuner
from autotune.whole import Whole
from lowbit.argument_checks import instance
from lowbit.code_generation import resolve
from lowbit.compiling import check_threads
from lowbit.program import Program
from lowbit.tuning.course import Course
from lowbit.tuning.subjects import Subject, fused, limits, subjects_of
from lowbit.tuning.tuned import Tuned
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import missing_on_host
from lowering.backend.pool import usable_cores
from microkernels.target import Target

STRATEGIES = {
    "guided": Evolution,
    "evolutionary": Evolution,
    "random": RandomSearch,
    "exhaustive": ExhaustiveSearch,
}
"""`guided` begins with the model's first choices; all that evolves, with what records know of like layers."""


@dataclass(frozen=True)
class Asked:
    """How schedules are searched for."""

    target: Target
    trials: int = 64
    strategy: str = "guided"
    time_budget: float | None = None
    workers: int | None = None
    cluster: str | None = None
    seed: int = 0
    log: Path | None = None
    resume: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError naming what is no such number or strategy."""
        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise ValueError(f"unknown strategy {self.strategy!r:.60}: the strategies are {known}")
        for name, least in (("trials", 1), ("seed", 0), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ValueError(f"{name} is a whole number of at least {least}, not {value!r:.60}")
        budget = self.time_budget
        if budget is not None and not (type(budget) in (int, float) and 0 < budget < float("inf")):
            raise ValueError(f"time_budget is a number of seconds above 0, not {budget!r:.60}")
        cores = usable_cores()
        if check_threads(self.threads) > cores and self.cluster is None:
            raise ValueError(
                f"{self.threads} threads cannot be timed: this process may use {cores} cores"
            )


def tune(
    program: Program,
    target: str | Target = "host",
    trials: int = 64,
    strategy: str = "guided",
    *,
    threads: int = 1,
    time_budget: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    seed: int = 0,
    log: str | Path | None = None,
    resume: bool = False,
    progress: Listener | None = None,
) -> Tuned:
    """Search for faster schedules of a program's layers, and return it with those found.

    A layer that pins its schedule keeps it. `trials` candidates a layer, on average, are compiled, compared
    with the reference and timed on so many `threads`, in `workers` processes of their own, as many as usable
    cores allow unless given, or on a Dask `cluster`; all that ends after `time_budget` seconds. `strategy` is
    `random`, `evolutionary`, which crosses and mutates the fastest, `guided`, the same from the model's first
    choices on, or `exhaustive`.
    In the end the best are timed again, also inside the program, where what was fastest alone can lose (not
    on a cluster). What is measured is appended to `log`, by default the records of this user; with `resume`
    nothing is tried again that it has of this machine. `progress` is called with each event
    (`autotune.events`). An interrupt, Ctrl-C, ends the work: what was fastest until then is returned, not
    timed again. Raises ValueError naming what is wrong.
    """
    asked = Asked(
        resolve(target),
        trials,
        strategy,
        time_budget,
        workers,
        cluster,
        seed,
        None if log is None else Path(instance("log", log, str, Path)),
        resume,
        threads,
    )
    tuned = fused(instance("program", program, Program))
    subjects, course = subjects_of(tuned), Course()

    def listen(event: Event) -> None:
        course(event)
        if progress is not None:
            progress(event)

    with suppress(KeyboardInterrupt):
        search(tuned, subjects, asked, listen)
    for subject in subjects:
        if subject.name in course.best:
            subject.pin(course.best[subject.name].schedule)
    return Tuned.of(tuned, course, {subject.name: subject.work for subject in subjects})


def search(program: Program, subjects: Sequence[Subject], asked: Asked, listen: Listener) -> None:
    """Let the tuner work on layers of a program; everything that comes of it is told to `listen`."""
    began = time.monotonic()  # the model's first choices take a part of a second a layer
    works = {subject.name: subject.work for subject in subjects}
    known = {} if asked.cluster else limits(works, asked.target, asked.threads)
    log = Log(asked.log or user_file())
    records = _known(log, asked.target, asked.threads)
    tasks = [_task(subject, known.get(subject.name, 0.0), asked, records) for subject in subjects]
    workers = asked.workers or max(1, usable_cores() // asked.threads)
    run = Run(
        target=str(asked.target),
        strategy=asked.strategy,
        log=log,
        trials=asked.trials * len(tasks),
        time_budget=asked.time_budget,
        workers=workers,
        seed=asked.seed,
        resume=asked.resume,
        threads=asked.threads,
        began=began,
        whole=None if asked.cluster else _whole(program, subjects, asked),
    )
    with measurer_of(asked, tasks[0].subject, workers) as measurer:
        run_tuner(tasks, measurer, run, listen)


def measurer_of(asked: Asked, subject: Measured, workers: int) -> Measurer | ClusterMeasurer:
    """What measures; raises ValueError for a target that this machine does not run, and without a cluster."""
    if asked.cluster is not None:
        return ClusterMeasurer(asked.cluster, subject)
    if reason := missing_on_host(asked.target):
        raise ValueError(f"{asked.target} cannot be tuned on this machine: {reason}")
    return Measurer(subject, workers)


def _known(log: Log, target: Target, threads: int) -> list[Record]:
    """What the log and the files that are always asked have for a target, by so many threads."""
    records = log.read().records
    for path in record_files():
        with suppress(OSError):
            records += Log(path).read().records if path != log.path else ()
    return query(records, target=target, threads=threads)


def _whole(program: Program, subjects: Sequence[Subject], asked: Asked) -> Whole | None:
    """The program as it is timed in the end; None if it has one layer."""
    ops = linears_of(program.module)
    if len(ops) == 1:
        return None
    places = {
        one.name: tuple(place for place, op in enumerate(ops) if op in one.ops) for one in subjects
    }
    default = Plan(tuple(_default(op, asked) for op in ops))
    return Whole(_measured(program, asked), default, places)


def _default(op: LinearOp, asked: Asked) -> Schedule:
    """What an op runs as without tuning."""
    return planned(op, asked.target, asked.threads, LowbitPlanPass.least)


def _measured(program: Program | ModuleOp, asked: Asked) -> Measured:
    return Measured(str(program), str(asked.target), asked.threads)


def _task(subject: Subject, limit: float, asked: Asked, records: Sequence[Record]) -> Task:
    inside = min(subject.ops, key=reads_alone)  # what this one cannot have, none of them gets
    module = alone(inside)
    op = linear_of(module)
    space = Space(inside, asked.target, asked.threads)
    machine, stored = table_of(asked.target), stored_as(op)
    model = Model(space.demand.work, asked.target, machine, stored, asked.threads)
    sources: dict[Schedule, str] = {}
    evolves = asked.strategy in ("guided", "evolutionary")
    if evolves:
        sources |= dict.fromkeys(recorded(space, records, described(op)), "records")
    if asked.strategy == "guided":
        first = (schedule for schedule, _ in ranked(space, machine, FIRST, stored=stored))
        shared = [shared_out(inside, space, schedule) for schedule in first]
        sources = dict.fromkeys(shared, "model") | sources
    default = _default(inside, asked)
    return Task(
        subject.layer(limit),
        key_of(op),
        described(op),
        _measured(module, asked),
        default,
        STRATEGIES[asked.strategy](space, asked.seed, list(sources)),
        lambda schedule: model.predict(schedule).seconds,
        sources | {default: "default"},
        (lambda schedule: fitted(space, schedule)) if evolves else lambda schedule: None,
    )
