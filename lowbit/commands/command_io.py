"""What several commands read and write: programs, schedules, text, JSON, progress."""

from __future__ import annotations

import json
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import Rewriter

from lowbit.array_files import STDIN
from lowbit.constructors import import_model
from lowbit.kernel import Kernel
from lowbit.lowered import after_passes, program_of
from lowbit.pipeline import limited, read_schedule
from lowbit.program import Program, parse_module, was_lowered
from lowbit_dialect.interface import functions_of
from lowbit_dialect.schedule import Schedule

MODEL = b"\x08"
"""What an ONNX file begins with, and no text: its version."""
Advance = Callable[[int, int], None]
PATIENCE = 1.0
"""Seconds before a progress bar appears."""


KERNEL = ".lbk"
"""What a file of a saved kernel ends in."""


def load_program(given: Namespace) -> Program:
    """Read the program of a command: by the ending of its file, or by its first byte from stdin.

    Options say which function, what an open shape is, and what passes run first. Raises ValueError for any
    other ending, and for an option that says nothing of such a file.
    """
    path: str = given.program
    data = sys.stdin.buffer.read() if path == STDIN else b""
    if Path(path).suffix == ".onnx" or data.startswith(MODEL):
        shapes = dict(map(read_shape, given.shape))
        program = import_model(data or path, shapes, given.batch)
    elif Path(path).suffix == ".mlir" or path == STDIN:
        if given.shape or given.batch is not None:
            raise ValueError(f"{path}: --shape and --batch are for models, not for a program")
        module = parse_module(data.decode() if path == STDIN else Path(path))
        program = program_of(_picked(module, path, given.function), getattr(given, "reached", None))
    else:
        raise ValueError(f"{path}: a program is a .mlir or an .onnx file, or - for stdin")
    return after_passes(program, getattr(given, "passes", None) or ())


def schedule_of(given: Namespace) -> str | Schedule:
    """The schedule of a command, or the source of schedules and what limits it."""
    return limited(read_schedule(given.schedule), given.ram)


def _picked(module: ModuleOp, path: str, name: str | None) -> ModuleOp:
    """A module of the function that is asked for alone; without a name, the first runs, which is told."""
    functions = functions_of(module)
    public = [n for n, one in functions.items() if one.sym_visibility is None]
    listed = ", ".join(f"@{n}" for n in functions)
    if name is None:
        if len(public) > 1 and not was_lowered(module):
            told = f"{path} has the functions {listed}: @{public[0]} runs, --function picks another"
            print(f"lowbit: {told}", file=sys.stderr)
        return module
    if name not in functions or was_lowered(module):
        raise ValueError(f"{path} has no function @{name} to pick: it has {listed or 'none'}")
    for other, func in functions.items():
        if other != name:
            Rewriter.erase_op(func)
    return module


def tell_threads(kernel: Kernel, asked: int) -> None:
    """Say on stderr why a kernel uses fewer threads than asked for."""
    if kernel.threads_reason:
        told = f"{kernel.threads} of {asked} threads take part: {kernel.threads_reason}"
        print(f"lowbit: {told}", file=sys.stderr)


def read_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """An input and its shape, from `x=8x3x32x32`."""
    name, _, shape = text.rpartition("=")
    extents = shape.split("x")
    if not name or not all(part.isdecimal() and len(part) < 10 for part in extents):
        raise ValueError(f"--shape is NAME=EXTENTS such as x=8x3x32x32, not '{text:.80}'")
    return name, tuple(map(int, extents))


def require_writable(*paths: str | None) -> None:
    """Raise OSError for a file that cannot be written, before much is done for it; leaves none behind."""
    for path in (Path(one) for one in paths if one is not None):
        there = path.exists()
        path.open("a").close()
        if not there:
            path.unlink()


def write_text(text: str, path: str | None) -> None:
    """Write to a file, or to stdout without one."""
    text = text if text.endswith("\n") else f"{text}\n"
    if path is None:
        print(text, end="")
    else:
        Path(path).write_text(text)


def write_json(value: Any) -> None:
    """Print JSON on stdout."""
    print(json.dumps(value, indent=2))


@contextmanager
def progress(label: str) -> Generator[Advance]:
    """A bar on stderr, shown on a terminal once the work has taken a second."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=None)
    timer = threading.Timer(PATIENCE, bar.start)
    timer.start()

    def advance(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
