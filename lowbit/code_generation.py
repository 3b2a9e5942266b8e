"""From a program to machine code: every stage once, then the backend."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp, StringAttr

from lowbit.argument_checks import instance
from lowbit.lowered import Lowered
from lowbit.pipeline import (
    NONE_ADDED,
    Added,
    Stage,
    Watch,
    lower,
    read_schedule,
    stages,
)
from lowbit.program import STAGE, Program
from lowbit.signature import Signature, main_of, signature_of
from lowbit_dialect.interface import stated_schedules
from lowbit_dialect.schedule import Schedule
from lowering.loops.tasks import tasks_of
from microkernels.target import Target

if TYPE_CHECKING:
    from lowering.backend.translate import Translated


@dataclass(frozen=True)
class Request:
    """What was asked for: with the program and the versions of everything it decides the code."""

    target: str
    schedule: str
    """A source of schedules, or the fields of one."""
    threads: int


@dataclass(frozen=True)
class Code:
    """What is known of the code of a program, wherever its instructions are."""

    target: Target
    signature: Signature
    schedules: tuple[tuple[str, Schedule], ...]
    """Each op that has a schedule, by name, in order."""
    tasks: tuple[tuple[str, int], ...]
    """Symbol and extent of each task of the program, in order; none for one thread."""


@dataclass(frozen=True)
class Generated(Code):
    """A program that is compiled as far as LLVM IR."""

    translated: Translated


def resolve(target: str | Target) -> Target:
    """The target of a name; raises ValueError naming what is unknown."""
    from lowering.backend.host import resolve_target

    return resolve_target(instance("target", target, str, Target))


@contextmanager
def _uncollected() -> Generator[None]:
    """Keep Python from looking for cycles: what is built lives to the end, and is half of what it looks at.

    That takes 0.8 s of the 11.5 of ResNet18 (2 bits, Zen 3, 2026-11).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def generate(
    program: Program,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
    *,
    threads: int = 1,
    verify_each: bool = False,
    added: Added = NONE_ADDED,
    watch: Watch | None = None,
) -> Generated:
    """Take a program down to LLVM IR; raises ValueError naming the op or option that is wrong.

    `added` passes run at the end of their stage, and `watch` sees the module after each.
    """
    from lowering.backend.machine import BackendError
    from lowering.backend.translate import translate

    machine = resolve(target)
    lowered = stage_of(
        program,
        machine,
        schedule,
        threads=threads,
        verify_each=verify_each,
        added=added,
        watch=watch,
    )
    try:
        translated = translate(lowered, machine)
    except BackendError as error:
        raise ValueError(str(error)) from error
    signature, main = signature_of(lowered), main_of(lowered)
    assert main is not None
    tasks = tuple(tasks_of(lowered, signature.main.symbol))
    return Generated(machine, signature, stated_schedules(main), tasks, translated)


def stage_of(
    program: Program,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
    until: Stage = "llvm",
    *,
    threads: int = 1,
    verify_each: bool = False,
    added: Added = NONE_ADDED,
    watch: Watch | None = None,
) -> ModuleOp:
    """A program after a stage, from which it can be compiled; raises ValueError naming the op."""
    instance("program", program, Program)
    machine, schedule, reached = resolve(target), read_schedule(schedule), None
    if isinstance(program, Lowered):
        reached = program.stage
        _check_lowered(program, until, machine, schedule, threads)
    module = lower(
        program.module,
        str(machine),
        schedule,
        until,
        threads=threads,
        verify_each=verify_each,
        watch=watch,
        added=added,
        after=reached,
    )
    if until != "graph":
        module.attributes[STAGE] = StringAttr(until)
        _check_tables(schedule, module)
    return module


def _check_tables(schedule: str | Schedule, module: ModuleOp) -> None:
    """Raise ValueError for strips of tables that are asked for where no op has any."""
    main = main_of(module)
    if isinstance(schedule, str) or schedule.tables != "strips" or main is None:
        return
    plans = [plan for _, plan in stated_schedules(main)]
    if all(plan.tables != "strips" for plan in plans):
        names = ", ".join(sorted({str(plan.microkernel) for plan in plans}))
        raise ValueError(
            "tables = strips changes nothing, as no op looks sums up in tables of several rows but runs "
            f"on {names}: leave it out, or name a microkernel that does"
        )


def _check_lowered(
    program: Lowered, until: Stage, machine: Target, schedule: str | Schedule, threads: int
) -> None:
    """Raise ValueError unless a program that was lowered so can go on as asked for."""
    reached = program.stage
    if until not in stages(after=reached) and until != reached:
        raise ValueError(f"the program is after stage '{reached}', which is past '{until}'")
    if machine != program.target:
        raise ValueError(
            f"the program was lowered for target {program.target}, not {machine}: give that"
        )
    if schedule != "default":
        raise ValueError(
            "the program is lowered, so its schedules are decided: leave out the schedule"
        )
    tiled = reached in ("loops", "kernels", "llvm")
    if threads > 1 and tiled and not any(tasks_of(program.module, program.name)):
        raise ValueError("the program was lowered for one thread: leave out threads")
