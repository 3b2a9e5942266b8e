"""A pool of threads that share out the tasks of a network, in native code from the first to the last.

The caller takes part. For each task it gives every thread a portion, units `extent * k / threads` to
`extent * (k + 1) / threads`. All claim units by compare-and-swap on one word a portion, a quarter of what
is left at a time, of their own portion first and then of others': so a thread whose core is slow, or taken
by another process, gets less to do (beside a busy process, 1.6 times one thread where fixed halves
reach 1.2 to 1.4). A task is done when its last claimed unit is, whoever claimed it: nobody waits for a
thread that has claimed nothing. A worker touches one line of memory a task; to hand one over and see
the answer takes 0.07 to 0.2 us (Zen 3, two cores of a VM, 2026-11; `lowbit bench --threads 2` says). The
code is made of LLVM's atomics, for x86-64 and AArch64.

Workers are Python threads that stay in one native call, without the GIL. They spin for `SPIN_US` after
their last task and then wait on a semaphore. On that machine waking one takes the caller 20 to 40 us and
the worker comes after 50 to 95 us. So a caller that finds workers asleep begins alone, and wakes them
only in a row of calls (less than `SPIN_US` between two) that is older than `WAKE_US`: a short call
now and then never pays for it, a long one and a loop of short ones have every thread after that time.
A worker is woken on another core than its caller's: Linux had put both on one for whole measurements.

While one caller has the workers, calls of other Python threads run alone. So do those of a forked child
until it starts workers of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from lowering.backend.host import host_target
from lowering.backend.jit import Jit
from lowering.backend.machine import BackendError
from lowering.backend.pool_code import CONTROL, IMPORTS, LINE, MOST_THREADS, SLEEPER, pool_ir
from lowering.backend.translate import Translated

SPIN_US = 100
"""How long a worker looks for work before it sleeps: about what it costs to wake it."""
WAKE_US = 200
"""How long a row of calls goes on before its caller wakes sleeping workers: twice what that costs."""
_MOST_UNITS = 1 << 31


class Pool:
    """Worker threads, and the memory through which they and callers speak."""

    def __init__(self) -> None:
        lines = 3 + 2 * MOST_THREADS
        self._room = ctypes.create_string_buffer((lines + 1) * LINE)
        self._base = -(-ctypes.addressof(self._room) // LINE) * LINE
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        libc = ctypes.CDLL(None)
        imports = {n: ctypes.cast(getattr(libc, n), ctypes.c_void_p).value or 0 for n in IMPORTS}
        self._jit = Jit(Translated(pool_ir(host_target()), {}), host_target(), imports=imports)
        self._run_worker = self._jit.function("worker", None, ctypes.c_void_p, ctypes.c_int64)
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self.run = self._jit.function("run", None, pointer, pointer, number, number, pointer)
        """Native `run(pool, tasks, count, threads, args)`: do the tasks of a table one after another.

        `tasks` is an array of (address, extent) pairs of 64 bits; each task is called as
        `task(args, begin, end)`. At most as many `threads` take part as the pool has.
        """
        for thread in range(MOST_THREADS):
            libc.sem_init(ctypes.c_void_p(self._sleeper(thread, "semaphore")), 0, 0)
        self._post = libc.sem_post
        cycles = self._cycles_per_us()
        self._control("spin").value = int(SPIN_US * cycles)
        self._control("wake").value = int(WAKE_US * cycles)
        atexit.register(self.stop)
        os.register_at_fork(after_in_child=self._forget)

    @property
    def address(self) -> int:
        """Where its memory lies: the first argument of `run`."""
        return self._base

    @property
    def threads(self) -> int:
        """How many threads take part at most, the caller included."""
        return 1 + len(self._threads)

    def start(self, threads: int) -> None:
        """See to it that `threads` can take part, the caller included."""
        with self._lock:
            self._set_cores()
            for number in range(self.threads, min(threads, MOST_THREADS)):
                thread = threading.Thread(
                    target=self._run_worker,
                    args=(self._base, number),
                    name=f"lowbit-{number}",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError:  # the system gives us no more
                    break
                self._threads.append(thread)
                place = self._sleeper(number, "id")
                ctypes.c_int64.from_address(place).value = thread.native_id or 0
            self._control("workers").value = len(self._threads)

    def stop(self) -> None:
        """End every worker and wait for it; calls go on alone. `start` starts new ones."""
        with self._lock:
            self._control("workers").value = 0
            self._control("stop").value = 1
            for number, thread in enumerate(self._threads, 1):
                self._post(ctypes.c_void_p(self._sleeper(number, "semaphore")))
                thread.join()
            self._threads.clear()
            self._control("stop").value = 0

    def _forget(self) -> None:
        """In a forked child: nobody else runs here."""
        self._threads.clear()
        self._lock = threading.Lock()
        ctypes.memset(self._portion(0), 0, MOST_THREADS * LINE)
        for name in ("busy", "workers", "stop"):
            self._control(name).value = 0

    def _control(self, name: str) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self._base + 8 * CONTROL.index(name))

    def _portion(self, thread: int) -> int:
        return self._base + (1 + thread) * LINE

    def _sleeper(self, thread: int, field: str) -> int:
        line = self._base + (1 + MOST_THREADS + thread) * LINE
        return line + 8 * SLEEPER.index(field)

    def _set_cores(self) -> None:
        """Note the cores that workers may use: those of the thread that starts them."""
        cores = sum(1 << core for core in os.sched_getaffinity(0) if core < 8 * LINE)
        place = self._base + (1 + 2 * MOST_THREADS) * LINE
        ctypes.memmove(place, cores.to_bytes(LINE, "little"), LINE)

    def _cycles_per_us(self) -> float:
        clock = self._jit.function("clock", ctypes.c_int64)
        began, cycles = time.perf_counter_ns(), clock()
        time.sleep(0.002)
        return (clock() - cycles) / (time.perf_counter_ns() - began) * 1000


_creating = threading.Lock()
# A child forked by one thread while another creates the pool would wait for ever.
os.register_at_fork(
    before=_creating.acquire,
    after_in_parent=_creating.release,
    after_in_child=_creating.release,
)


def pool() -> Pool:
    """The pool of this process; without workers until somebody starts some."""
    with _creating:
        return _only_pool()


@cache
def _only_pool() -> Pool:
    return Pool()


def usable_cores() -> int:
    """How many cores the calling thread may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Team:
    """The tasks of one network, with the threads that do them."""

    def __init__(
        self, pool: Pool, jit: Jit, tasks: Sequence[tuple[str, int]], threads: int
    ) -> None:
        """Take symbol and extent of each task, in the order in which they run."""
        if any(extent >= _MOST_UNITS for _, extent in tasks):
            raise BackendError(f"a task has at most {_MOST_UNITS - 1} units")
        table = [value for symbol, extent in tasks for value in (jit.address(symbol), extent)]
        self._kept = jit, (ctypes.c_int64 * len(table))(*table)
        self.threads = threads
        """How many threads take part."""
        self.run = pool.run
        """What does the tasks, called with `arguments` and the `pointers` of a call."""
        self.arguments = pool.address, ctypes.addressof(self._kept[1]), len(tasks), threads
        pool.start(threads)

    @staticmethod
    def pointers(addresses: Sequence[int]) -> Any:
        """What tasks take: an array of all pointers that the function of the network takes."""
        return (ctypes.c_void_p * len(addresses))(*addresses)


def team_size(tasks: Sequence[tuple[str, int]], threads: int) -> tuple[int, str]:
    """How many of `threads` take part, at most one a usable core and one a unit, and why no more do."""
    cores, units = usable_cores(), max((extent for _, extent in tasks), default=1)
    limits = {
        MOST_THREADS: f"{MOST_THREADS} take part at most",
        units: f"no task has more than {units} parts",
        cores: f"this process may use {cores} cores",
    }
    if units == 1:
        limits[1] = "nothing in the program is worth sharing out"
    if cores == 1:
        limits[1] = "this process may use 1 core"
    most = min(limits)
    return (most, limits[most]) if threads > most else (threads, "")


def make_team(jit: Jit, tasks: Sequence[tuple[str, int]], threads: int) -> Team | None:
    """A team of as many as `team_size` says; None if the caller is all of it."""
    threads, _ = team_size(tasks, threads)
    return Team(pool(), jit, tasks, threads) if threads > 1 else None
