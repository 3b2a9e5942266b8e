"""Do in a child process what may crash, hang or eat the machine.

LLVM aborts the process for an operation that the target lacks, and exits for bad inline assembly; so
foreign IR, and whatever else is not yet trusted, goes to a spawned interpreter with limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast

from lowering.backend.emit import finish_object
from lowering.backend.machine import BackendError
from lowering.backend.translate import Translated
from lowering.backend.worker import receive, send
from microkernels.target import Target

_INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
_TELLING = ("LLVM ERROR", "error:", "Assertion")


class IsolationError(Exception):
    """The child died, took too long or raised; the message says which, and its last words."""

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised
        """The name of the exception's class, if the child raised one and lives."""


@dataclass(frozen=True)
class Limits:
    """What one call in a child may take."""

    seconds: float = 60.0
    """Time until the child is killed."""
    cpu_seconds: int = 60
    """Processor time of the child, over all its threads."""
    memory: int = 8 << 30
    """Bytes of address space."""


@dataclass
class Worker:
    """A child process that runs functions from bytes to bytes, replaced when it dies or grows old.

    Not for use by several threads at once. Close it, or use it in a `with` statement.
    """

    limits: Limits = Limits()
    recycle: int = 500
    """Calls that one process serves, since LLVM leaks a little with each."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)
    _served: int = field(default=0, init=False)
    _said: int = field(default=0, init=False)

    def call(self, function: str, data: bytes, limits: Limits | None = None) -> bytes:
        """Return what `function`, written `package.module:name`, makes of `data` in the child.

        Raises `IsolationError` if it dies or takes too long, or with the message of what it raises.
        """
        limits = limits or self.limits
        if self._served >= self.recycle:
            self.close()
        process = self._process or self._start()
        self._served, self._said = self._served + 1, self._log_size()
        late = threading.Event()
        timer = threading.Timer(limits.seconds, _kill, (process, late))
        timer.start()
        try:
            header, body = _exchange(process, function, data, limits)
        except (OSError, EOFError, ValueError):
            raise IsolationError(self._obituary(function, late.is_set(), limits)) from None
        except BaseException:
            self.close()  # an answer is still to come, which the next call would take for its own
            raise
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():
            self.close()
        if "error" in header:
            raise IsolationError(f"{header['error']}: {header['message']}", header["error"])
        return body

    def close(self) -> None:
        """Kill the child, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._log is not None:
            self._log.close()
        self._process, self._log, self._served = None, None, 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        # A pipe would have to be read all the while.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lowering.backend.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        return self._process

    def _log_size(self) -> int:
        assert self._log is not None
        return os.fstat(self._log.fileno()).st_size

    def _obituary(self, function: str, late: bool, limits: Limits) -> str:
        assert self._process is not None and self._log is not None
        if not late:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._process.kill()
        code = self._process.wait()
        self._log.seek(self._said)
        words = _last_words(self._log.read().decode("utf-8", "replace"))
        self.close()
        if late:
            return f"{function} was stopped after {limits.seconds:g} s"
        how = f"died by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return f"{function} {how}" + (f": {words}" if words else "")


def call_isolated(function: str, data: bytes, limits: Limits = Limits()) -> bytes:
    """Do `Worker.call` once, in a child of its own."""
    with Worker(limits) as worker:
        return worker.call(function, data)


def emit_object_isolated(
    translated: Translated,
    target: Target,
    *,
    imports: Collection[str] = (),
    limits: Limits = Limits(),
    worker: Worker | None = None,
) -> bytes:
    """Do `emit_object` in a child, or in a `worker` that lives on; the same bytes come out.

    Raises `BackendError` as that does, and `IsolationError` for what would have ended the process.
    """
    request = {"ir": translated.ir, "target": str(target)}
    data = json.dumps(request).encode()
    function = "lowering.backend.machine:generate_requested_object"
    try:
        image = (
            worker.call(function, data, limits) if worker else call_isolated(function, data, limits)
        )
    except IsolationError as error:
        if error.raised == BackendError.__name__:
            raise BackendError(str(error).partition(": ")[2]) from None
        raise
    return finish_object(image, translated.constants, imports)


def _exchange(
    process: subprocess.Popen[bytes], function: str, data: bytes, limits: Limits
) -> tuple[dict[str, Any], bytes]:
    requests, replies = process.stdin, process.stdout
    assert requests is not None and replies is not None
    header = {"function": function, "cpu_seconds": limits.cpu_seconds, "memory": limits.memory}
    send(cast(BinaryIO, requests), header, data)
    return receive(cast(BinaryIO, replies))


def _kill(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _last_words(log: str) -> str:
    """Pick the line that names the cause: LLVM's own if there is one, else the last."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return (telling or lines or [""])[-1][:300]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
