"""What several commands read and write: programs, schedules, text, JSON, progress."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lowbit.pipeline import read_schedule as read_schedule
from lowbit.program import Program
from lowbit.single import import_model, parse

Advance = Callable[[int, int], None]
PATIENCE = 1.0
"""Seconds before a progress bar appears."""


def load_program(path: str, shapes: Sequence[str] = (), batch: int | None = None) -> Program:
    """Read a program by the ending of its file; `shapes` and `batch` are for a model that leaves them open.

    Raises ValueError for any other ending, and for shapes that are none.
    """
    match Path(path).suffix:
        case ".mlir":
            if shapes or batch is not None:
                raise ValueError(f"{path}: --shape and --batch are for models, not for a program")
            return parse(Path(path))
        case ".onnx":
            return import_model(path, dict(map(read_shape, shapes)), batch)
        case _:
            raise ValueError(f"{path}: a program is a .mlir or an .onnx file")


def read_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """An input and its shape, from `x=8x3x32x32`."""
    name, _, shape = text.rpartition("=")
    extents = shape.split("x")
    if not name or not all(part.isdecimal() and len(part) < 10 for part in extents):
        raise ValueError(f"--shape is NAME=EXTENTS such as x=8x3x32x32, not '{text:.80}'")
    return name, tuple(map(int, extents))


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
