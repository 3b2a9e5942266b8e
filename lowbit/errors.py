"""Errors as a person reads them: one line that says where, what, and what would be right."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from xdsl.dialects.builtin import FileLineColLoc
from xdsl.ir import Operation
from xdsl.utils.exceptions import (
    AlreadyRegisteredConstructException,
    ArgSpecParseError,
    DiagnosticException,
    InvalidIRException,
    ParseError,
    UnregisteredConstructException,
)

from lowbit_dialect.names import layer_of

ErrorT = TypeVar("ErrorT", bound=BaseException)

USER_ERRORS = (
    ArgSpecParseError,
    AlreadyRegisteredConstructException,
    AssertionError,
    DiagnosticException,
    InvalidIRException,
    MemoryError,
    NotImplementedError,
    OSError,
    ParseError,
    RecursionError,
    UnregisteredConstructException,
    ValueError,
)
"""What bad input raises; anything else is a defect of lowbit, and shown as one."""


def one_line(text: str, limit: int = 400) -> str:
    """Put a message on one line, without control characters, and cut what is too long to read."""
    joined = "; ".join(part for line in text.splitlines() if (part := " ".join(line.split())))
    joined = "".join(c if c.isprintable() else "?" for c in joined[:limit]) + joined[limit:]
    return joined if len(joined) <= limit else f"{joined[: limit - 3]}..."


def place_of(op: Operation) -> str:
    """Where an op stands: `file:line:column: 'lowbit.conv2d'`; its layer or `%y` if it comes from no text."""
    where = op.location
    if isinstance(where, FileLineColLoc):
        return f"{where.filename.data}:{where.line.data}:{where.column.data}: '{op.name}'"
    hint = op.results[0].name_hint if op.results else None
    name = layer_of(op) or (f"%{hint}" if hint else "")
    return f"'{op.name}' {name:.80}".rstrip()


def describe(error: BaseException) -> str:
    """Say an error in one line."""
    match error:
        case ParseError():
            where = error.span.get_location()
            text = f"{where.file}:{where.line}:{where.col}: {error.msg}"
        case ArgSpecParseError():
            text = _pipeline_error(str(error))
        case OSError() if error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        case MemoryError():
            text = f"the program takes more memory than there is: {error}".removesuffix(": ")
        case RecursionError():
            text = "the input is nested too deeply"
        case UnicodeDecodeError():
            text = f"the input is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        case _:
            text = str(error) or type(error).__name__
    return one_line(text)


class Excerpt(str):
    """A line of a program above a caret: a note on an error."""


def pointing(error: ErrorT, name: str, text: str | bytes) -> ErrorT:
    """Return an error that begins with a place in the text `name`, with an excerpt as a note."""
    if place := re.match(rf"{re.escape(name)}:(\d+):(\d+): ", describe(error)):
        line, column = int(place[1]), int(place[2])
        plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
        for shown in filter(str.strip, plain.split("\n")[line - 1 : line]):
            error.add_note(excerpt(shown, column - 1))
    return error


def excerpt(line: str, at: int) -> Excerpt:
    """A line, or what is near to the column of a long one, above a caret."""
    start = max(0, at - 60) if len(line) > 100 else 0
    near = line[start : start + 100]
    shown = "".join(c if c.isprintable() or c == "\t" else " " for c in near)
    indent = re.sub(r"[^\t]", " ", shown[: at - start])
    return Excerpt(f"{shown.rstrip()}\n{indent}^")


def _pipeline_error(text: str) -> str:
    """Keep the message of a pipeline syntax error, not the drawing round it."""
    lines = [line.strip() for line in text.splitlines() if line.strip().strip("^")]
    return f"cannot read the pipeline: {lines[-1].removeprefix('Error: ')}"


def _warn(tool: str, message: Warning | str, *_: object) -> None:
    print(f"{tool}: warning: {one_line(str(message))}", file=sys.stderr)


def report(tool: str, body: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; bad input prints one line on stderr and gives 1."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_warn, tool)
            return body() or 0
    except BrokenPipeError:
        return 1
    except USER_ERRORS as error:
        notes = [note for note in getattr(error, "__notes__", ()) if isinstance(note, Excerpt)]
        print(f"{tool}: error: {describe(error)}", *notes, sep="\n", file=sys.stderr)
        return 1
    except Exception as error:  # a defect of ours, which the user shall not read as Python
        name = type(error).__name__
        print(
            f"{tool}: error: internal error, please report: {name}: {describe(error)}",
            file=sys.stderr,
        )
        return 1
