"""The far side of `lowering.backend.isolate`: run functions by name, one after another, in a process.

Messages go both ways over pipes: a line of JSON, which gives the size of the bytes that follow it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from typing import Any, BinaryIO, cast

_HEADER_LIMIT = 1 << 16


def send(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    """Write one message."""
    stream.write(json.dumps({**header, "size": len(body)}).encode() + b"\n")
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message; raise `EOFError` if it ends early, `ValueError` if it is none."""
    line = stream.readline(_HEADER_LIMIT)
    if not line.endswith(b"\n"):
        raise EOFError
    header = cast(dict[str, Any], json.loads(line))
    body = stream.read(int(header["size"]))
    if len(body) != header["size"]:
        raise EOFError
    return header, body


def main() -> None:
    """Answer requests until the other side goes away."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = sys.stdin.buffer
    # Whatever prints must not reach the pipe that answers take.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            header, body = receive(requests)
        except EOFError:
            return
        _limit(int(header["cpu_seconds"]), int(header["memory"]))
        _answer(replies, str(header["function"]), body)


def _limit(cpu_seconds: int, memory: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds)
    _lower(resource.RLIMIT_AS, memory)


def _lower(limit: int, soft: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(limit, (soft, hard))


def _answer(replies: BinaryIO, function: str, body: bytes) -> None:
    try:
        module, _, name = function.partition(":")
        result = getattr(importlib.import_module(module), name)(body)
    except Exception as error:
        send(replies, {"error": type(error).__name__, "message": str(error)[:4000]}, b"")
    else:
        send(replies, {}, result)


if __name__ == "__main__":
    main()
