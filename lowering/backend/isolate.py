"""Do in a child process what may crash, hang or eat the machine.

LLVM aborts the process for an operation that the target lacks, and exits for bad inline assembly; so
foreign IR, and whatever else is not yet trusted, goes to a spawned interpreter with limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO

from lowering.backend.emit import finish_object
from lowering.backend.exchange import Exchange, message
from lowering.backend.machine import BackendError
from lowering.backend.translate import Translated
from microkernels.target import Target

_INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
_TELLING = ("LLVM ERROR", "error:", "Assertion")


class IsolationError(Exception):
    """The child died, took too long or raised; the message says which, and its last words."""

    def __init__(
        self,
        message: str,
        raised: str = "",
        *,
        killer: str = "",
        late: bool = False,
        words: str = "",
    ) -> None:
        super().__init__(message)
        self.raised = raised
        """The name of the exception's class, if the child raised one and lives."""
        self.killer = killer
        """The name of the signal that it died of, if it did."""
        self.late = late
        """Whether it was stopped because it took too long."""
        self.words = words
        """The line of its log that tells the cause, or the last one."""


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
    under_way: tuple[str, Limits, Exchange] | None = field(default=None, init=False)
    """The call that was asked for and not answered yet."""

    def call(self, function: str, data: bytes, limits: Limits | None = None) -> bytes:
        """Return what `function`, written `package.module:name`, makes of `data` in the child.

        Raises `IsolationError` if it dies or takes too long, or with the message of what it raises.
        """
        self.ask(function, data, limits)
        wait([self])
        return self.answer()

    def ask(self, function: str, data: bytes, limits: Limits | None = None) -> None:
        """Begin a call, of which `wait` says when its `answer` is there; one not answered yet is given up."""
        limits = limits or self.limits
        if self.under_way is not None or self._served >= self.recycle:
            self.close()
        if self._process is None:
            self._start()
        self._served, self._said = self._served + 1, self._log_size()
        header = {
            "function": function,
            "cpu_seconds": limits.cpu_seconds,
            "memory": limits.memory,
        }
        exchange = Exchange(self._pipes(), message(header, data), limits.seconds)
        self.under_way = function, limits, exchange

    def answer(self) -> bytes:
        """The result of the call that ended; raises `IsolationError` as `call` does."""
        assert self.under_way is not None
        function, limits, exchange = self.under_way
        self.under_way = None
        if exchange.reply is None:
            raise self._obituary(function, limits, exchange)
        header, body = exchange.reply
        if "error" in header:
            raise IsolationError(f"{header['error']}: {header['message']}", header["error"])
        return body

    @property
    def pid(self) -> int | None:
        """The child's number; None if there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def fresh(self) -> bool:
        """Whether the next call is the first of a new process."""
        return self._process is None or self._served >= self.recycle

    def close(self) -> None:
        """Kill the child, if there is one, and all that it has started."""
        if self._process is not None:
            _kill(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._log is not None:
            self._log.close()
        self._process, self._log, self._served, self.under_way = None, None, 0, None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        # A pipe would have to be read all the while.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lowering.backend.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            env=environment,
            start_new_session=True,  # a group of its own: it dies whole, and not by the user's Ctrl-C
        )
        for pipe in self._pipes():
            os.set_blocking(pipe, False)

    def _pipes(self) -> tuple[int, int]:
        assert self._process is not None
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None and replies is not None
        return requests.fileno(), replies.fileno()

    def _log_size(self) -> int:
        assert self._log is not None
        return os.fstat(self._log.fileno()).st_size

    def _obituary(self, function: str, limits: Limits, exchange: Exchange) -> IsolationError:
        assert self._process is not None and self._log is not None
        if exchange.failed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        code = _kill(self._process)
        self._log.seek(self._said)
        words = _last_words(self._log.read().decode("utf-8", "replace"))
        self.close()
        if not exchange.failed:
            told = f"{function} was stopped after {limits.seconds:g} s"
            return IsolationError(told, late=True, words=words)
        killer = _signal_name(-code) if code < 0 else ""
        how = f"died by {killer}" if killer else f"ended with exit code {code}"
        told = f"{function} {how}" + (f": {words}" if words else "")
        return IsolationError(told, killer=killer, words=words)


def wait(workers: Iterable[Worker], seconds: float | None = None) -> list[Worker]:
    """Wait until a call of one of the `workers` is over, and return all those where one is.

    Does not block on a child, whatever that does; with `seconds`, returns none after so long. What
    interrupts the waiting kills the children: an answer to come would be taken for that of the next call.
    """
    busy = [(one, one.under_way[2]) for one in workers if one.under_way is not None]
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while busy:
            over = [worker for worker, exchange in busy if exchange.advance()]
            if over or (end is not None and time.monotonic() >= end):
                return over
            _sleep([exchange for _, exchange in busy], end)
    except BaseException:
        for worker, _ in busy:
            worker.close()
        raise
    return []


def _sleep(exchanges: Sequence[Exchange], end: float | None) -> None:
    """Until something can be sent or received, or one of them is late."""
    poll = select.poll()
    for place, event in chain.from_iterable(exchange.events() for exchange in exchanges):
        poll.register(place, event)
    until = min(exchange.until for exchange in exchanges)
    until = until if end is None else min(until, end)
    poll.poll(max(0.0, until - time.monotonic()) * 1e3 + 1)


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


def _kill(process: subprocess.Popen[bytes]) -> int:
    """Kill a child and its group; its exit code."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    return process.wait()


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
