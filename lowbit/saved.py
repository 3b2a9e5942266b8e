"""Kernels as files: checked before use, written at once or not at all.

A file is a magic, four sizes, a SHA-256 of all else, then the kernel's interface as JSON, the object
with its constants, and the program as compressed text, which is empty where whoever reads has it. The sum
finds damage, not malice: a kernel is machine code, so only files of this user, which nobody else can
write, are read, and what they hold is trusted as far as a program in the same place would be.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from lowbit import __version__
from lowbit.code_generation import Code, Request
from lowbit.errors import one_line
from lowbit.frozen import from_json, to_json

MAGIC = b"\x93lowbit\n"
FORMAT = 1
"""Changes with the container, or with what callers and generated code agree on."""
_HEADER = struct.Struct("<8sQQQQ32s")


@dataclass(frozen=True)
class Saved:
    """What a file holds."""

    request: Request
    code: Code
    image: bytes
    """The object, constants included."""
    program: str
    """Text of the program, or nothing."""


def to_bytes(saved: Saved) -> bytes:
    """The bytes of a file."""
    interface = {
        "lowbit": __version__,
        "request": to_json(saved.request),
        "code": to_json(saved.code, Code),
    }
    program = zlib.compress(saved.program.encode(), 1) if saved.program else b""
    body = json.dumps(interface, separators=(",", ":")).encode(), saved.image, program
    sizes = FORMAT, *map(len, body)
    digest = _digest(_HEADER.pack(MAGIC, *sizes, b""), *body)
    return b"".join((_HEADER.pack(MAGIC, *sizes, digest), *body))


def from_bytes(data: bytes) -> Saved:
    """Read what `to_bytes` wrote; raises ValueError for anything else, however it came about."""
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise ValueError("this is no saved kernel")
    _, format, *sizes, digest = _HEADER.unpack_from(data)
    if format != FORMAT:
        raise ValueError(f"the format is {format}, not {FORMAT}: compile the program again")
    if sum(sizes) + _HEADER.size != len(data):
        raise ValueError("the kernel is cut short, or more follows it")
    ends = [_HEADER.size + sum(sizes[:count]) for count in range(4)]
    interface, image, program = (data[start:end] for start, end in pairwise(ends))
    start = _HEADER.pack(MAGIC, format, *sizes, b"")
    if _digest(start, interface, image, program) != digest:
        raise ValueError("the kernel is damaged: its checksum is another")
    try:
        request, code = _interface(json.loads(interface))
        text = zlib.decompress(program).decode() if program else ""
        return Saved(request, code, image, text)
    except (ValueError, RecursionError, zlib.error) as error:
        raise ValueError(f"the kernel is damaged: {one_line(str(error))}") from None


def _interface(values: Any) -> tuple[Request, Code]:
    kept = cast(dict[str, Any], values if isinstance(values, dict) else {})
    if kept.keys() != {"lowbit", "request", "code"}:
        raise ValueError("it does not say what it takes")
    if kept["lowbit"] != __version__:
        writer = str(kept["lowbit"])
        raise ValueError(f"lowbit {writer:.20} wrote it, and this is {__version__}: compile again")
    code = from_json(Code, kept["code"])
    code.signature.verify()
    return from_json(Request, kept["request"]), code


def _digest(*parts: bytes) -> bytes:
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.digest()


def write_at_once(path: Path, data: bytes) -> None:
    """Write a file that only this user reads; whoever reads meanwhile sees the old one or the new one.

    Raises OSError naming the file.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def read_own(path: Path) -> bytes:
    """Read a file of this user's; raises OSError naming it, or ValueError if others could have written it."""
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("this is no regular file")
        require_own(status)
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe at once, too, which would otherwise wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def require_own(status: os.stat_result) -> None:
    """Raise ValueError unless what has this status is this user's or root's, and nobody else writes it."""
    if status.st_uid not in (os.geteuid(), 0):
        raise ValueError("it belongs to another user, and is machine code: copy what you trust")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("other users can write to it, and it is machine code: chmod go-w")
