"""The way down, joined in one place: named stages, each a tuple of passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, VerifyException

from lowbit.argument_checks import integer
from lowbit.registry import context
from lowbit.source import state_ranges, verify
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering import pipeline

Stage = Literal["graph", "plan", "buffers", "loops", "kernels", "llvm"]
STAGES: tuple[Stage, ...] = ("graph", "plan", "buffers", "loops", "kernels", "llvm")
Source = Literal["default", "model", "records", "exact"]
SOURCES: tuple[Source, ...] = ("default", "model", "records", "exact")
_LIMITED = re.compile(r"exact, ram = ([1-9]\d*)")
Watch = Callable[[str, ModuleOp], None]
Added = Mapping[Stage, Sequence[ModulePass]]
"""Passes that run at the end of a stage, after its own."""
NONE_ADDED: Added = MappingProxyType({})


def passes(
    stage: Stage, target: str = "host", threads: int = 1, source: Source = "default", ram: int = 0
) -> tuple[ModulePass, ...]:
    """The passes of one stage for a target, with an arena of `ram` bytes at most unless that is 0."""
    if stage != "plan":
        return pipeline.passes(stage, target, threads)
    from autotune.plan import LowbitPlanPass

    return (
        LowbitPlanPass(target=target, source=source, threads=threads, ram=ram),
        *pipeline.passes("pack", target, threads),
    )


def stages(until: Stage = "llvm", after: Stage | None = None) -> tuple[Stage, ...]:
    """The stages up to one, all or those after another."""
    first = 0 if after is None else STAGES.index(after) + 1
    return STAGES[first : STAGES.index(until) + 1]


def spec(
    target: str = "host", until: Stage = "llvm", threads: int = 1, after: Stage | None = None
) -> str:
    """The pipeline as text that `lowbit-opt -p` replays."""
    named = (one for stage in stages(until, after) for one in passes(stage, target, threads))
    return ",".join(map(str, named))


def lower(
    module: ModuleOp,
    target: str = "host",
    schedule: str | Schedule = "default",
    until: Stage = "llvm",
    *,
    threads: int = 1,
    verify_each: bool = False,
    watch: Watch | None = None,
    added: Added = NONE_ADDED,
    after: Stage | None = None,
) -> ModuleOp:
    """Take a copy of `module` down to a stage and return it; `after` is the stage that it has reached.

    With more than one of `threads` every op is a task. Verifies at entry and before the stage `llvm`, with
    `verify_each` after every pass; `watch` is called after each stage, whose passes `added` ones follow.
    Raises ValueError naming the op.
    """
    check_stage(until)
    result = module.clone()
    state_ranges(result)
    verify(result)
    apply_schedule(result, schedule)
    source, ram = source_of(schedule)
    for stage in stages(until, after):
        if stage == "llvm" and not verify_each:
            verify(result)
        for one in (*passes(stage, target, threads, source, ram), *added.get(stage, ())):
            run_pass(one, result)
            if verify_each:
                verify(result)
        if watch is not None:
            watch(stage, result)
    return result


def run_pass(one: ModulePass, module: ModuleOp) -> None:
    """Apply one pass; what it refuses is a ValueError."""
    try:
        one.apply(context(), module)
    except VerifyException:
        raise
    except DiagnosticException as error:
        raise ValueError(str(error)) from error


def apply_schedule(module: ModuleOp, schedule: str | Schedule) -> None:
    """Pin `schedule` on every op that takes one, or leave the choice to a source of schedules.

    What an op pins itself stays. Raises ValueError for a source that is unknown or not there yet, and for a
    schedule that changes no op.
    """
    schedule = read_schedule(schedule)
    if isinstance(schedule, str) or schedule == Schedule():
        return
    ops = [op for op in module.walk() if isinstance(op, LinearOp)]
    changed = False
    for op in ops:
        own = op.schedule.data if op.schedule else Schedule()
        completed = own.completed(schedule)
        changed |= completed != own
        op.properties["schedule"] = ScheduleAttr(completed)
    if not changed:
        why = "every op pins these fields itself" if ops else "no op of the program takes one"
        raise ValueError(f"schedule '{schedule}' changes nothing, as {why}: leave it out")


def read_schedule(given: str | Schedule) -> str | Schedule:
    """A schedule as it is or from its fields, `pixels = 4, vectors = 2`, or a source of schedules.

    A source may have a limit, `exact, ram = 65536`. Raises ValueError naming the field that is wrong, or a
    source that is unknown.
    """
    if isinstance(given, Schedule) or given in SOURCES:
        return given
    if not isinstance(given, str) or "=" not in given:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"unknown schedule {given!r:.60}: expected 'default', 'model', 'records', 'exact', a Schedule, "
            "or fields of one such as 'pixels = 4, vectors = 2'"
        )
    if _LIMITED.fullmatch(given):
        return given
    return Schedule.parse(given)


def limited(schedule: str | Schedule, ram: int | None) -> str | Schedule:
    """A source of schedules with an arena of `ram` bytes at most; raises ValueError unless it is `exact`."""
    if ram is None:
        return schedule
    if schedule != "exact":
        raise ValueError(f"ram is for schedule='exact', not {str(schedule)!r:.60}")
    if integer("ram", ram) < 1:
        raise ValueError(f"ram is a number of bytes, not {ram}")
    return f"{schedule}, ram = {ram}"


def reads_records(schedule: str) -> bool:
    """Whether what a source of schedules comes to depends on records, which change."""
    return schedule == "records" or schedule.startswith("exact")


def source_of(schedule: str | Schedule) -> tuple[Source, int]:
    """The source that decides what fields leave open, and the bytes that an arena may have."""
    for known in SOURCES:
        if schedule == known:
            return known, 0
    found = _LIMITED.fullmatch(schedule) if isinstance(schedule, str) else None
    return ("exact", int(found[1])) if found else ("default", 0)


def check_stage(stage: str) -> Stage:
    """Return `stage`; raises ValueError unless it is one."""
    for known in STAGES:
        if stage == known:
            return known
    raise ValueError(f"unknown stage '{stage}': the stages are {', '.join(STAGES)}")
