"""`lowbit tune`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from autotune.machine import machine_facts
from autotune.rates import Rates
from lowbit.bench.suites import network_of
from lowbit.code_generation import resolve
from lowbit.commands.bench_command import ELEMENT, chosen, describe_machine
from lowbit.commands.command_io import load_program, require_writable, write_json, write_text
from lowbit.program import Program
from lowbit.tuning.course import Course
from lowbit.tuning.page import page
from lowbit.tuning.progress import shown
from lowbit.tuning.tune import tune
from lowbit.tuning.tuned import Tuned
from lowering.backend.machine import BackendError
from microkernels.target import Target


def run(given: Namespace) -> None:
    """Tune a program or a suite, and print what was found, also when the user interrupts."""
    require_writable(given.report, given.output)
    program, target = subject(given), resolve(given.target)
    course = Course()
    with shown(course):
        tuned = tune(
            program,
            target,
            given.trials,
            given.strategy,
            threads=given.threads,
            time_budget=given.time_budget,
            workers=given.workers,
            cluster=given.cluster,
            runner=given.runner,
            seed=given.seed,
            log=given.log,
            resume=given.resume,
            correction=given.correction,
            progress=course,
        )
    tell(tuned, target, given)
    if tuned.why == "interrupted":
        raise KeyboardInterrupt


def tell(tuned: Tuned, target: Target, given: Namespace) -> None:
    """Print a result, and write the program and the page that are asked for."""
    if given.output is not None:
        write_text(str(tuned.program), given.output)
    if given.report is not None:
        title = given.program or f"{given.suite}, {given.activation} x {given.weight}"
        machine = _elsewhere(tuned, target, given) or described_machine(target, given.threads)
        write_text(page(machine, title, tuned), given.report)
    if given.json:
        machine = _elsewhere(tuned, target, given) or machine_facts() | {"target": str(target)}
        write_json({"machine": machine, "strategy": given.strategy, **tuned.to_json()})
    else:
        print(tuned)


def subject(given: Namespace) -> Program:
    """The program, or the layers of a suite as one."""
    if given.suite is None:
        for option in ("activation", "weight", "layer"):
            if getattr(given, option):
                raise ValueError(f"--{option} is for a --suite: a program has its own")
        return load_program(given)
    for option in ("function", "shape", "batch"):
        if getattr(given, option):
            raise ValueError(f"--{option} is for a program: leave it out for a --suite")
    given.activation = given.activation or ELEMENT
    given.weight = given.weight or ELEMENT
    return network_of(chosen(given), given.activation, given.weight)


def _elsewhere(tuned: Tuned, target: Target, given: Namespace) -> dict[str, Any]:
    """The machine that a runner reached; nothing without one."""
    started = tuned.course.started
    if not given.runner or started is None:
        return {}
    return {"cpu": started.machine, "target": str(target), "runner": given.runner}


def described_machine(target: Target, threads: int) -> dict[str, Any]:
    """The machine, with its rates if it runs the target."""
    try:
        return describe_machine(target, Rates(target), threads, peers=False)
    except BackendError:
        return machine_facts() | {"target": str(target)}
