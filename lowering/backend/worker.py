"""The far side of `lowering.backend.isolate`: run functions by name, one after another, in a process."""

from __future__ import annotations

import importlib
import os
import resource
import sys
from typing import BinaryIO

from lowering.backend.exchange import message, receive


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
        told = {"error": type(error).__name__, "message": str(error)[:4000]}
        result = message(told, b"")
    else:
        result = message({}, result)
    replies.write(result)
    replies.flush()


if __name__ == "__main__":
    main()
