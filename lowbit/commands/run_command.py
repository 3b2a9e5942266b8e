"""`lowbit run`."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from tokenize import TokenError
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np

from lowbit.checks import as_tuple, reference
from lowbit.commands.inputs import load_program, progress, read_schedule, write_json
from lowbit.kernel import compile
from lowbit.program import Program
from lowbit_dialect.layout import Array

SHOWN = 8
"""Values of a result that are printed."""


def run(given: Namespace) -> None:
    """Run a program on the arrays of some files, and write or describe the results."""
    program = load_program(given.program)
    arrays = read_inputs(given.input, program)
    with progress("running"):
        results, seconds = compute(program, arrays, given)
    names = result_names(program)
    if given.output is not None:
        np.savez(_npz(given.output), **dict(zip(names, results)))  # pyright: ignore
    summary = [describe(name, one) for name, one in zip(names, results)]
    if given.json:
        write_json({"results": summary, "time_us": round(seconds * 1e6, 1)})
    elif given.output is None:
        for one in summary:
            print(f"{one['name']}: {one['shape']} {one['dtype']}, first {one['first']}")


def compute(
    program: Program, arrays: list[Array], given: Namespace
) -> tuple[tuple[Array, ...], float]:
    """The results, and the seconds that they took."""
    if given.reference:
        started = time.perf_counter()
        result = reference(program, *arrays)
    else:
        kernel = compile(program, given.target, read_schedule(given.schedule), given.threads)
        started = time.perf_counter()
        result = kernel(*arrays)
    return as_tuple(result), time.perf_counter() - started


def result_names(program: Program) -> list[str]:
    """A name for each result, no two the same."""
    names: list[str] = []
    for index, value in enumerate(program.outputs):
        name = value.name_hint or f"result{index}"
        names.append(name if name not in names else f"{name}_{index}")
    return names


def describe(name: str, array: Array) -> dict[str, Any]:
    """One result in short."""
    return {
        "name": name,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "first": array.ravel()[:SHOWN].tolist(),
    }


def _npz(path: str) -> str:
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path}: results go to an .npz file")
    return path


def read_inputs(specs: list[str], program: Program) -> list[Array]:
    """The input arrays in order, from `[NAME=]FILE` and .npz files by name.

    Raises ValueError naming an input that is missing or a file that cannot be read.
    """
    names = program.argument_names
    found: dict[str, Array] = {}
    for spec in specs:
        name, equals, path = spec.rpartition("=")
        loaded = load_arrays(path)
        if isinstance(loaded, dict):
            found |= loaded
            continue
        if not equals:
            name = next((n for n in names if n not in found), "")
        if name not in names:
            raise ValueError(f"'{spec}' names no input: the program takes {', '.join(names)}")
        found[name] = loaded
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"input '{missing[0]}' is missing: give --input {missing[0]}=FILE.npy for each of "
            f"{', '.join(names)}"
        )
    return [found[name] for name in names]


def load_arrays(path: str) -> Array | dict[str, Array]:
    """Read an .npy file, or an .npz file by name; nothing is unpickled."""
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return cast(Array, loaded)
        return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, BadZipFile, MemoryError, TokenError) as error:
        raise ValueError(f"{path}: no readable .npy or .npz file: {error}") from error
