"""`lowbit compile`."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from lowbit.code_generation import stage_of
from lowbit.commands.command_io import (
    KERNEL,
    load_program,
    progress,
    schedule_of,
    tell_threads,
    write_text,
)
from lowbit.compiling import check_threads, compile
from lowbit.element_types import typed
from lowbit.kernel import Kernel
from lowbit.lowered import Lowered
from lowbit.pipeline import STAGES, spec
from lowbit.program import Program


def run(given: Namespace) -> None:
    """Compile a program and print what was asked for."""
    program, schedule = load_program(given), schedule_of(given)
    if given.json and given.emit != "summary":
        raise ValueError(f"--json describes the interface: leave it out with --emit {given.emit}")
    if given.print_pipeline:
        if given.json or given.verify_each or given.schedule != "default":
            raise ValueError(
                "--print-pipeline prints passes alone: leave out --json, --verify-each and --schedule"
            )
        write_text(pipeline(program, given), given.output)
        return
    if given.emit not in ("summary", "assembly"):
        module = stage_of(
            program,
            given.target,
            schedule,
            given.emit,
            threads=check_threads(given.threads),
            verify_each=given.verify_each,
        )
        write_text(str(module), given.output)
        return
    started = time.perf_counter()
    with progress("compiling"):
        kernel = compile(
            program, given.target, schedule, given.threads, verify_each=given.verify_each
        )
    seconds = time.perf_counter() - started
    tell_threads(kernel, given.threads)
    if given.emit == "assembly":
        write_text(kernel.assembly(), given.output)
        return
    if given.output is not None and Path(given.output).suffix == KERNEL:
        kernel.save(given.output)
        given.output = None
    summary = summarise(kernel) | {"compile_s": round(seconds, 4)}
    write_text(json.dumps(summary, indent=2) if given.json else in_words(summary), given.output)


def pipeline(program: Program, given: Namespace) -> str:
    """The passes that take a program to the stage asked for, all of them if it is none."""
    until = given.emit if given.emit in STAGES else STAGES[-1]
    reached = program.stage if isinstance(program, Lowered) else None
    return spec(given.target, until, check_threads(given.threads), reached)


def summarise(kernel: Kernel) -> dict[str, Any]:
    """The interface of a kernel and the schedules in it."""
    signature = kernel.signature
    return {
        "target": str(kernel.target),
        "threads": kernel.threads,
        "threads_reason": kernel.threads_reason,
        "inputs": [
            {"name": one.name, "type": typed(one.type), "constant": one.constant}
            for one in signature.inputs
        ],
        "outputs": [
            {"name": name, "type": typed(type)}
            for name, type in zip(signature.main.result_names, signature.main.results)
        ],
        "arena_bytes": signature.main.arena,
        "packed_bytes": signature.packed_bytes,
        "schedules": [
            {"op": name, "schedule": str(schedule)} for name, schedule in kernel.schedules
        ],
    }


def in_words(summary: dict[str, Any]) -> str:
    """The summary for a person."""
    lines = [f"target    {summary['target']}", f"threads   {summary['threads']}"]
    if summary["threads_reason"]:
        lines[-1] += f", since {summary['threads_reason']}"
    for one in summary["inputs"]:
        note = ", packed ahead" if one["constant"] else ""
        lines.append(f"input     {one['name']}: {one['type']}{note}")
    lines += [f"output    {one['name']}: {one['type']}" for one in summary["outputs"]]
    lines.append(
        f"arena     {summary['arena_bytes']} bytes, packed {summary['packed_bytes']} bytes"
    )
    lines += [f"schedule  {one['op']}: {one['schedule']}" for one in summary["schedules"]]
    lines.append(f"compiled  in {summary['compile_s']:.2f} s")
    return "\n".join(lines)
