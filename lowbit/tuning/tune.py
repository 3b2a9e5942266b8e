"""`lowbit.tune`: search for the schedules of a program."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from autotune.board import BoardMeasurer
from autotune.candidate import Plan, linears_of
from autotune.cluster import ClusterMeasurer
from autotune.correction import Correction, learnt
from autotune.events import Event
from autotune.identity import machine_identity
from autotune.log import Log
from autotune.measuring import Measurer
from autotune.measuring import Subject as Measured
from autotune.record import Record
from autotune.records import query, record_files, user_file
from autotune.tuning import Listener, Run
from autotune.tuning import tune as run_tuner
from autotune.whole import Whole
from lowbit.argument_checks import instance
from lowbit.code_generation import resolve
from lowbit.program import Program
from lowbit.tuning.asked import Asked
from lowbit.tuning.course import Course
from lowbit.tuning.searched import Searched, default_of, measured
from lowbit.tuning.subjects import Subject, fused, limits, subjects_of
from lowbit.tuning.tuned import Tuned
from lowering.backend.host import missing_on_host
from microkernels.target import Target


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
    runner: str | None = None,
    seed: int = 0,
    log: str | Path | None = None,
    resume: bool = False,
    correction: bool = False,
    progress: Listener | None = None,
) -> Tuned:
    """Search for faster schedules of a program's layers, and return it with those found.

    A layer that pins its schedule keeps it. `trials` candidates a layer, on average, are compiled, compared
    with the reference and timed on so many `threads`, in `workers` processes of their own, as many as usable
    cores allow unless given, on a Dask `cluster`, or on the board that a `runner` reaches, `ssh:HOST` or
    `command:COMMAND` (`autotune.board_transport`); all that ends after `time_budget` seconds. `strategy` is
    `random`, `evolutionary`, which crosses and mutates the fastest, `guided`, the same from the model's first
    choices on, or `exhaustive`. In the end the best are timed again, also inside the program, where what was
    fastest alone can lose (not on a cluster). What is measured is appended to `log`, by default the records
    of this user; with `resume` nothing is tried again that it has of this machine; with `correction` what
    it has of these layers corrects the model before that chooses. `progress` is called with each event
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
        correction,
        runner,
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
    known = {} if asked.elsewhere else limits(works, asked.target, asked.threads)
    log = Log(asked.log or user_file())
    records = _known(log, asked.target, asked.threads)
    layers = {subject.name: Searched(subject, asked) for subject in subjects}
    correction = _correction(layers.values(), records) if asked.correction else None
    tasks = [
        layer.task(known.get(name, 0.0), records, correction) for name, layer in layers.items()
    ]
    run = Run(
        target=str(asked.target),
        strategy=asked.strategy,
        log=log,
        trials=asked.trials * len(tasks),
        time_budget=asked.time_budget,
        workers=asked.processes,
        seed=asked.seed,
        resume=asked.resume,
        threads=asked.threads,
        began=began,
        whole=None if asked.cluster else _whole(program, subjects, asked),
    )
    with measurer_of(asked, tasks[0].subject) as measurer:
        run_tuner(tasks, measurer, run, listen)


def measurer_of(asked: Asked, subject: Measured) -> Measurer | ClusterMeasurer:
    """What measures; raises ValueError for a target that this machine does not run, unless another does."""
    if asked.runner is not None:
        return BoardMeasurer(asked.runner, subject)
    if asked.cluster is not None:
        return ClusterMeasurer(asked.cluster, subject)
    if reason := missing_on_host(asked.target):
        raise ValueError(
            f"{asked.target} cannot be tuned on this machine: {reason}; --runner ssh:HOST measures on a board"
        )
    return Measurer(subject, asked.processes)


def _known(log: Log, target: Target, threads: int) -> list[Record]:
    """What the log and the files that are always asked have for a target, by so many threads."""
    records = log.read().records
    for path in record_files():
        with suppress(OSError):
            records += Log(path).read().records if path != log.path else ()
    return query(records, target=target, threads=threads)


def _correction(layers: Iterable[Searched], records: Sequence[Record]) -> Correction | None:
    """What records of this machine teach about the model, by the layers that are tuned."""
    ours = query(records, machine=machine_identity())
    return learnt(sample for layer in layers for sample in layer.samples(ours))


def _whole(program: Program, subjects: Sequence[Subject], asked: Asked) -> Whole | None:
    """The program as it is timed in the end; None if it has one layer."""
    ops = linears_of(program.module)
    if len(ops) == 1:
        return None
    places = {
        one.name: tuple(place for place, op in enumerate(ops) if op in one.ops) for one in subjects
    }
    default = Plan(tuple(default_of(op, asked) for op in ops))
    return Whole(measured(program, asked), default, places)
