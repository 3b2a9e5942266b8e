"""`lowbit bench`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autotune.machine import machine_facts, measure_hand_over, pin_core
from autotune.rates import Rates
from lowbit import __version__
from lowbit.bench import network_peers
from lowbit.bench.benchmark import Question, Result, measure, random_inputs
from lowbit.bench.peers import versions
from lowbit.bench.profile import Profile, marked, profile_json
from lowbit.bench.profile_report import profile_page
from lowbit.bench.report import page
from lowbit.bench.suites import SUITES, ConvLayer, DenseLayer, Layer
from lowbit.bench.timing import Timer
from lowbit.code_generation import resolve
from lowbit.commands import bench_model
from lowbit.commands.bench_words import heading, layer_line, layers_head, profile_lines, summary
from lowbit.commands.command_io import (
    load_program,
    progress,
    require_writable,
    schedule_of,
    write_json,
    write_text,
)
from lowbit.compiling import check_threads
from lowering.backend.host import missing_on_host
from microkernels.target import Target

ELEMENT = "uint1"
"""Of activations and of weights, unless asked for."""


def run(given: Namespace) -> None:
    """Measure layers, or a program by layers, and print times beside limits.

    What is finished when the user interrupts is printed and written all the same. With `--model` instructions
    are counted instead.
    """
    check_threads(given.threads)
    if given.baseline and not given.model:
        raise ValueError("--baseline is for counts of instructions: give --model too")
    if given.processes is not None and given.processes < 0:
        raise ValueError(f"--processes is 0, for none but this one, or more, not {given.processes}")
    require_writable(given.report)
    if given.program is None:
        _refuse_program_options(given)
        given.activation, given.weight = given.activation or ELEMENT, given.weight or ELEMENT
        layers = chosen(given)
        bench_model.run(given, layers) if given.model else _layers(given, layers)
    else:
        _refuse(given, "--activation", "--weight", "--output", "--layer", "--no-check")
        bench_model.run(given, ()) if given.model else _program(given)


def _program(given: Namespace) -> None:
    """Time a program as a whole and by layers."""
    if given.threads > 1:
        raise ValueError("a program is timed by layers on one thread: leave out --threads")
    if given.peers and Path(given.program).suffix != ".onnx":
        raise ValueError("--peers run a model: give an .onnx file, not a program")
    program, target = load_program(given), resolve(given.target)
    rates = prepared(target)
    with progress("compiling"):
        ready = marked(program, str(target), schedule_of(given))
    machine = describe_machine(target, rates, given.threads, peers=given.peers)
    call = replace(ready.call, perf_map=given.perf_map)
    profile: Profile | None = None
    with interruptible() as was, Timer(target, given.processes) as timer:
        for times in timer.each([call], ready.rates):
            profile = ready.profile(times)
    if profile is None:
        raise KeyboardInterrupt
    if given.peers and not was:
        inputs, skipped = zip(program.argument_names, random_inputs(program)), dict[str, str]()
        found = network_peers.beside(given.program, dict(inputs), skipped)
        profile = replace(profile, peers=tuple(found))
        print("".join(f"{one}\n" for one in skipped.values()), end="", file=sys.stderr)
    if given.report is not None:
        write_text(profile_page(machine, given.program, profile), given.report)
    if given.json:
        told = {"machine": machine, "program": given.program, **profile_json(profile)}
        write_json(told | {"complete": not was})
    else:
        print("\n".join([*heading(machine), *profile_lines(profile)]))
    if was:
        raise was[0]


def _layers(given: Namespace, layers: tuple[Layer, ...]) -> None:
    """Measure the layers asked for, each printed as it is finished."""
    if given.threads > 1 and given.peers:
        raise ValueError("--peers run on one thread: leave out --threads")
    asked = Question(
        given.activation,
        given.weight,
        given.output,
        given.target,
        schedule_of(given),
        not given.no_check,
        threads=given.threads,
    )
    target = resolve(given.target)
    rates, machine = prepared(target), dict[str, Any]()
    skipped: dict[str, str] | None = {} if given.peers else None
    results: list[Result] = []
    with interruptible() as was, Timer(target, given.processes) as timer:
        for layer in layers:
            one = measure(layer, asked, timer, skipped)
            machine = machine or describe_machine(target, rates, given.threads, peers=given.peers)
            if not given.json:
                above = [] if results else [*heading(machine), layers_head()]
                print("\n".join([*above, layer_line(one)]), flush=True)
            results.append(one)
    if not results:
        raise KeyboardInterrupt
    for sentence in (skipped or {}).values():
        print(sentence, file=sys.stderr)
    if given.report is not None:
        write_text(page(machine, results), given.report)
    if given.json:
        rows = [asdict(one) for one in results]
        write_json({"machine": machine, "results": rows, "complete": not was})
    else:
        print("".join(f"{line}\n" for line in summary(results)), end="")
    if was:
        raise was[0]


@contextmanager
def interruptible() -> Generator[list[KeyboardInterrupt]]:
    """Stop what is inside when the user interrupts, and go on; the list then holds the interrupt."""
    held: list[KeyboardInterrupt] = []
    try:
        yield held
    except KeyboardInterrupt as interrupt:
        held.append(interrupt)


def _refuse_program_options(given: Namespace) -> None:
    """Raise ValueError for an option that says nothing of a layer."""
    for option in ("perf_map", "function", "shape", "batch"):
        if getattr(given, option):
            named = option.replace("_", "-")
            raise ValueError(f"--{named} is for a program: leave it out for single layers")


def _refuse(given: Namespace, *options: str) -> None:
    """Raise ValueError for an option that says nothing of a program."""
    for option in options:
        if getattr(given, option.removeprefix("--").replace("-", "_")):
            raise ValueError(f"{option} is for layers: a program has its own, so leave it out")


def chosen(given: Namespace) -> tuple[Layer, ...]:
    """The layers asked for; raises ValueError for one that the suite has not."""
    if given.suite is None:
        if given.layer:
            raise ValueError("--layer picks layers of a --suite: leave it out for a single one")
        if given.conv2d is not None:
            return (ConvLayer.parse(given.conv2d),)
        return (DenseLayer.parse(given.dense),)
    suite = SUITES[given.suite]
    names = [layer.name for layer in suite]
    for name in given.layer or ():
        if name not in names:
            raise ValueError(f"{given.suite} has no layer '{name}': it has {', '.join(names)}")
    return tuple(layer for layer in suite if not given.layer or layer.name in given.layer)


def prepared(target: Target) -> Rates:
    """The rates of this machine; raises ValueError for a foreign target, and where nothing can be probed."""
    from lowering.backend.machine import BackendError

    if reason := missing_on_host(target):
        raise ValueError(
            f"nothing is timed here for {target}: {reason}; --model counts instructions of ARM"
        )
    try:
        return Rates(target)
    except BackendError as error:
        raise ValueError(str(error)) from error


def describe_machine(target: Target, rates: Rates, threads: int, *, peers: bool) -> dict[str, Any]:
    """What the numbers were measured on, and what a core of it does at best."""
    with pin_core():
        measured = {name: rates.median(name) / 1e9 for name in rates.names}
    bandwidth = {name: round(rate, 1) for name, rate in measured.items() if " " in name}
    multiplied = {
        f"{name}_gmacs_per_s": round(rate, 2) for name, rate in measured.items() if " " not in name
    }
    facts = machine_facts() | {"target": str(target), "lowbit": __version__} | multiplied
    facts |= {"gb_per_s": bandwidth, "peers": versions() if peers else {}}
    if threads > 1:
        facts["hand_over_us"] = round((measure_hand_over() or 0.0) * 1e6, 3)
    return facts
