"""From a program to machine code: every stage once, then the backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from lowbit.given import instance
from lowbit.pipeline import NONE_ADDED, Added, Watch, lower, read_schedule
from lowbit.program import Program
from lowbit.signature import Signature, arena_bytes, functions_of, signature_of
from lowbit_dialect.names import title
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.tasks import tasks_of
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

    instance("program", program, Program)
    schedule = read_schedule(schedule)
    machine = resolve(target)
    seen: dict[str, Signature] = {}
    schedules: list[tuple[str, Schedule]] = []
    arenas: dict[str, int] = {}
    tasks: list[tuple[str, int]] = []

    def note(stage: str, module: ModuleOp) -> None:
        if watch is not None:
            watch(stage, module)
        if stage == "plan":
            seen["plan"] = signature_of(program, module)
            schedules.extend(schedules_of(module))
        elif stage == "buffers":
            arenas.update({n: arena_bytes(f) for n, f in functions_of(module).items()})
        elif stage == "loops":
            tasks.extend(tasks_of(module, program.name))

    lowered = lower(
        program.module,
        str(machine),
        schedule,
        threads=threads,
        verify_each=verify_each,
        watch=note,
        added=added,
    )
    try:
        translated = translate(lowered, machine)
    except BackendError as error:
        raise ValueError(str(error)) from error
    signature = seen["plan"].with_arenas(arenas)
    return Generated(machine, signature, tuple(schedules), tuple(tasks), translated)


def schedules_of(module: ModuleOp) -> list[tuple[str, Schedule]]:
    """The schedule of every op that has one: `conv2d y`."""
    found: list[tuple[str, Schedule]] = []
    for op in module.walk():
        if isinstance(op, LinearOp) and op.schedule is not None:
            found.append((title(op), op.schedule.data))
    return found
