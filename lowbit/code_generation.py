"""From a program to machine code: every stage once, then the backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from lowbit.argument_checks import instance
from lowbit.pipeline import (
    NONE_ADDED,
    Added,
    Stage,
    Watch,
    check_stage,
    lower,
    read_schedule,
    stages,
)
from lowbit.program import Program
from lowbit.signature import Signature, arena_bytes, functions_of, signature_of
from lowbit_dialect.names import title
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.loops.tasks import tasks_of
from microkernels.choice import find_kernel
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

    machine = resolve(target)
    lowered, code = descend(
        program,
        machine,
        schedule,
        threads=threads,
        verify_each=verify_each,
        added=added,
        watch=watch,
    )
    assert code is not None
    try:
        translated = translate(lowered, machine)
    except BackendError as error:
        raise ValueError(str(error)) from error
    return Generated(machine, code.signature, code.schedules, code.tasks, translated)


def descend(
    program: Program,
    machine: Target,
    schedule: str | Schedule = "default",
    until: Stage = "llvm",
    *,
    threads: int = 1,
    verify_each: bool = False,
    added: Added = NONE_ADDED,
    watch: Watch | None = None,
) -> tuple[ModuleOp, Code | None]:
    """A program after a stage, and what is known of its code, which is nothing before stage `plan`."""
    from lowbit.lowered import Lowered

    instance("program", program, Program)
    schedule = read_schedule(schedule)
    known = program.code if isinstance(program, Lowered) else None
    after = program.stage if isinstance(program, Lowered) else None
    if known is not None:
        _check_lowered(known, after, until, machine, schedule, threads)
    signature = known.signature if known else None
    schedules: list[tuple[str, Schedule]] = []
    arenas: dict[str, int] = {}
    tasks: list[tuple[str, int]] = []

    def note(stage: str, module: ModuleOp) -> None:
        nonlocal signature
        if watch is not None:
            watch(stage, module)
        if stage == "plan":
            signature = signature_of(program, module)
            schedules.extend(schedules_of(module))
            _check_strip(schedule, module, machine)
        elif stage == "buffers":
            arenas.update({n: arena_bytes(f) for n, f in functions_of(module).items()})
        elif stage == "loops":
            tasks.extend(tasks_of(module, program.name))

    lowered = lower(
        program.module,
        str(machine),
        schedule,
        until,
        threads=threads,
        verify_each=verify_each,
        watch=note,
        added=added,
        after=after,
    )
    if signature is None:
        return lowered, None
    if arenas:
        signature = signature.with_arenas(arenas)
    plans, work = (known.schedules, known.tasks) if known else ((), ())
    return lowered, Code(machine, signature, tuple(schedules) or plans, tuple(tasks) or work)


def _check_strip(schedule: str | Schedule, module: ModuleOp, machine: Target) -> None:
    """Raise ValueError for strips of tables that are asked for where no op reads tables."""
    if isinstance(schedule, str) or not schedule.strip:
        return
    ops = [op for op in module.walk() if isinstance(op, LinearOp) and op.schedule is not None]
    kernels = {op: find_kernel(op.schedule.data.microkernel, machine) for op in ops if op.schedule}
    if not any(kernel.input_layout(op.contraction).table for op, kernel in kernels.items()):
        names = ", ".join(sorted({kernel.name for kernel in kernels.values()}))
        raise ValueError(
            f"strip = {schedule.strip} changes nothing, as no op looks sums up in tables but runs on "
            f"{names}: leave it out, or name a microkernel that does"
        )


def _check_lowered(
    known: Code,
    reached: str | None,
    until: Stage,
    machine: Target,
    schedule: str | Schedule,
    threads: int,
) -> None:
    """Raise ValueError unless a program that was lowered so can go on as asked for."""
    if until not in stages(after=check_stage(reached or "")) and until != reached:
        raise ValueError(f"the program is after stage '{reached}', which is past '{until}'")
    if machine != known.target:
        raise ValueError(
            f"the program was lowered for target {known.target}, not {machine}: give that"
        )
    if schedule != "default":
        raise ValueError(
            "the program is lowered, so its schedules are decided: leave out the schedule"
        )
    if threads > 1 and reached in ("loops", "kernels", "llvm") and not known.tasks:
        raise ValueError("the program was lowered for one thread: leave out threads")


def schedules_of(module: ModuleOp) -> list[tuple[str, Schedule]]:
    """The schedule of every op that has one: `conv2d y`."""
    found: list[tuple[str, Schedule]] = []
    for op in module.walk():
        if isinstance(op, LinearOp) and op.schedule is not None:
            found.append((title(op), op.schedule.data))
    return found
