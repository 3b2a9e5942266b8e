"""`lowbit run`."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from lowbit.array_files import STDIN, load_arrays
from lowbit.bench.profile import Profile, marked, profile_json
from lowbit.bench.timing import Timer
from lowbit.bisection import agree, first_wrong
from lowbit.checks import as_tuple, reference
from lowbit.code_generation import resolve
from lowbit.commands.bench_words import profile_lines
from lowbit.commands.command_io import (
    KERNEL,
    load_program,
    progress,
    schedule_of,
    tell_threads,
    write_json,
)
from lowbit.compiling import compile, load
from lowbit.layers import compare_once
from lowbit.program import Program
from lowbit_dialect.layout import Array

SHOWN = 8
"""Values of a result that are printed."""


def run(given: Namespace) -> None:
    """Run a program, or a saved kernel, on the arrays of some files, and write or describe the results."""
    if [given.program, *(spec.rpartition("=")[2] for spec in given.input)].count(STDIN) > 1:
        raise ValueError("stdin is read once: one of the program and the inputs can be -")
    if Path(given.program).suffix == KERNEL:
        _saved_kernel(given)
        return
    program = load_program(given)
    arrays = read_inputs(given.input, program.argument_names)
    with progress("running"):
        results, seconds = compute(program, arrays, given)
    profile = profiled(program, arrays, given) if given.profile else None
    tell(program.result_names, results, seconds, profile, given)
    if given.check:
        compare(program, arrays, results, given)


def compare(
    program: Program, arrays: list[Array], results: tuple[Array, ...], given: Namespace
) -> None:
    """Compare results, and every layer on its own, with the reference; raises ValueError if any differs."""
    how = given.target, schedule_of(given), given.threads
    with progress("comparing"):
        layers = compare_once(program, arrays, *how)
        found = None if agree(program, arrays, results) else first_wrong(program, arrays, *how)
    print(
        "".join(f"{one}\n" for one in layers), end="", file=sys.stderr if given.json else sys.stdout
    )
    if found is not None:
        raise ValueError(found)
    if wrong := [one for one in layers if one.different]:
        raise ValueError(
            f"{wrong[0].name} differs from the reference when it is a result of its own"
        )


_DEFAULTS = ("host", "default", None, 1)
"""Of `--target`, `--schedule`, `--ram` and `--threads`."""


def _saved_kernel(given: Namespace) -> None:
    """Run a kernel that `lowbit compile -o NAME.lbk` wrote, in which everything is decided."""
    for option in ("function", "shape", "batch", "passes", "reference", "profile", "check"):
        if getattr(given, option):
            raise ValueError(f"--{option} is for programs: {given.program} is compiled already")
    if (given.target, given.schedule, given.ram, given.threads) != _DEFAULTS:
        raise ValueError(
            f"{given.program} is compiled already: leave out --target, --schedule and --threads"
        )
    kernel = load(given.program)
    arrays = read_inputs(given.input, [one.name for one in kernel.signature.inputs])
    started = time.perf_counter()
    results = as_tuple(kernel(*arrays))
    seconds = time.perf_counter() - started
    tell(kernel.signature.main.result_names, results, seconds, None, given)


def tell(
    names: Sequence[str],
    results: tuple[Array, ...],
    seconds: float,
    profile: Profile | None,
    given: Namespace,
) -> None:
    """Write or describe the results, and the profile if there is one."""
    if given.output is not None:
        save_arrays(given.output, dict(zip(names, results)))
    summary = [describe(name, one) for name, one in zip(names, results)]
    if given.json:
        told = {"results": summary, "time_us": round(seconds * 1e6, 1)}
        write_json(told | ({"profile": profile_json(profile)} if profile else {}))
        return
    if given.output is None:
        for one in summary:
            print(f"{one['name']}: {one['shape']} {one['dtype']}, first {one['first']}")
    if profile is not None:
        print("\n".join(profile_lines(profile)))


def profiled(program: Program, arrays: list[Array], given: Namespace) -> Profile:
    """The program timed by layers on these arrays."""
    if given.reference or given.threads > 1:
        other = "--reference" if given.reference else "--threads"
        raise ValueError(f"--profile times a kernel on one thread: leave out {other}")
    with progress("timing"), Timer(resolve(given.target)) as timer:
        ready = marked(program, given.target, schedule_of(given), arrays)
        return ready.profile(timer([ready.call], ready.rates))


def compute(
    program: Program, arrays: list[Array], given: Namespace
) -> tuple[tuple[Array, ...], float]:
    """The results, and the seconds that they took."""
    if given.reference:
        if given.check:
            raise ValueError("--check compares a kernel with the reference: leave out --reference")
        if (given.target, given.schedule, given.ram, given.threads) != _DEFAULTS:
            raise ValueError(
                "--reference runs no kernel: leave out --target, --schedule and --threads"
            )
        started = time.perf_counter()
        result = reference(program, *arrays)
    else:
        kernel = compile(program, given.target, schedule_of(given), given.threads)
        tell_threads(kernel, given.threads)
        started = time.perf_counter()
        result = kernel(*arrays)
    return as_tuple(result), time.perf_counter() - started


def describe(name: str, array: Array) -> dict[str, Any]:
    """One result in short."""
    return {
        "name": name,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "first": array.ravel()[:SHOWN].tolist(),
    }


def save_arrays(path: str, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file; unlike `numpy.savez`, it has no names of its own, such as `file`."""
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path}: results go to an .npz file")
    with ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read_inputs(specs: list[str], names: Sequence[str]) -> list[Array]:
    """The input arrays in order, from `[NAME=]FILE` and .npz files by name.

    Raises ValueError naming an input that is missing or a file that cannot be read.
    """
    found: dict[str, Array] = {}
    for spec in specs:
        name = next((n for n in names if spec.startswith(f"{n}=")), None)
        path = spec if name is None else spec[len(name) + 1 :]
        if name is None and "=" in spec and not Path(spec).exists():
            raise ValueError(f"'{spec}' names no input: the program takes {', '.join(names)}")
        loaded = load_arrays(path)
        if isinstance(loaded, dict):
            found |= loaded
            continue
        free = [n for n in names if n not in found]
        if name is None and not free:
            raise ValueError(f"'{spec}' is one too many: the program takes {', '.join(names)}")
        found[free[0] if name is None else name] = loaded
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"input '{missing[0]}' is missing: give --input {missing[0]}=FILE.npy for each of "
            f"{', '.join(names)}"
        )
    return [found[name] for name in names]
