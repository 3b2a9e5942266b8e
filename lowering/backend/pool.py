"""A pool of threads that share out the tasks of a network, in native code from first task to last.

The caller takes part. For each task it gives every thread a portion of the units, `extent * k / threads` to
`extent * (k + 1) / threads`, and then all claim units: half of what is left of their own portion,
later of others', by compare-and-swap on one word a portion. So a task is done when its last claimed unit
is, whoever claimed it: nobody ever waits for a thread that sleeps or has lost its core before it
claimed something. A worker touches one cache line of its own a task; the hand-over of an empty task,
there and back, takes HAND_OVER.

Workers are Python threads that stay in one `ctypes` call, without the GIL. They spin for `SPIN_US` after
the last task and then wait on a semaphore. Waking one costs the caller WAKE_COST, and the worker answers after
WAKE_LATENCY, so the caller goes on alone and wakes sleepers only once a row of calls (less than
`SPIN_US` between two) is older than `WAKE_US`: a short call now and then never pays for it, a
long one or a loop of short ones soon has every thread.

While one thread of Python runs a network, a second one runs its own alone. So does a forked child, which
has no workers until it asks for some.
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
from lowering.backend.translate import Translated

SPIN_US = 100
"""How long a worker looks for work before it sleeps."""
WAKE_US = 200
"""How long a row of calls goes on before its caller wakes sleeping workers."""
MOST_THREADS = 64

_LINE = 128
"""Bytes between what different threads write: two cache lines, which some processors fetch together."""
_CONTROL = ("busy", "workers", "tag", "began", "ended", "spin", "wake", "stop")
_PORTION = ("claim", "left", "task", "args", "end")
_SLEEPER = ("asleep", "semaphore")
_MOST_UNITS = 1 << 31


class Pool:
    """Worker threads, and the memory through which they and callers speak."""

    def __init__(self) -> None:
        lines = 1 + 2 * MOST_THREADS
        self._room = ctypes.create_string_buffer((lines + 1) * _LINE)
        self._base = -(-ctypes.addressof(self._room) // _LINE) * _LINE
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        libc = ctypes.CDLL(None)
        names = ("sem_wait", "sem_post", "sched_yield")
        imports = {n: ctypes.cast(getattr(libc, n), ctypes.c_void_p).value or 0 for n in names}
        self._jit = Jit(Translated(pool_ir(), {}), host_target(), imports=imports)
        self._run_worker = self._jit.function("worker", None, ctypes.c_void_p, ctypes.c_int64)
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self.run = self._jit.function("run", None, pointer, pointer, number, number, pointer)
        """Native `run(pool, tasks, count, threads, args)`: do the tasks of a table one after another.

        `tasks` is an array of (address, extent) pairs of 64 bits; each task is called as
        `task(args, begin, end)`. At most as many `threads` take part as the pool has.
        """
        for thread in range(MOST_THREADS):
            libc.sem_init(ctypes.c_void_p(self._sleeper(thread) + 8), 0, 0)
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
            for number in range(self.threads, min(threads, MOST_THREADS)):
                thread = threading.Thread(
                    target=self._run_worker,
                    args=(self._base, number),
                    name=f"lowbit-{number}",
                    daemon=True,
                )
                self._threads.append(thread)
                thread.start()
            self._control("workers").value = len(self._threads)

    def stop(self) -> None:
        """End every worker and wait for it; calls go on alone. `start` starts new ones."""
        with self._lock:
            self._control("workers").value = 0
            self._control("stop").value = 1
            for number, thread in enumerate(self._threads, 1):
                self._post(ctypes.c_void_p(self._sleeper(number) + 8))
                thread.join()
            self._threads.clear()
            self._control("stop").value = 0

    def _forget(self) -> None:
        """In a forked child: nobody else runs here."""
        self._threads.clear()
        self._lock = threading.Lock()
        ctypes.memset(self._portion(0), 0, MOST_THREADS * _LINE)
        self._control("workers").value = 0
        self._control("busy").value = 0

    def _control(self, name: str) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self._base + 8 * _CONTROL.index(name))

    def _portion(self, thread: int) -> int:
        return self._base + (1 + thread) * _LINE

    def _sleeper(self, thread: int) -> int:
        return self._base + (1 + MOST_THREADS + thread) * _LINE

    def _cycles_per_us(self) -> float:
        clock = self._jit.function("clock", ctypes.c_int64)
        began, cycles = time.perf_counter_ns(), clock()
        time.sleep(0.002)
        return (clock() - cycles) / (time.perf_counter_ns() - began) * 1000


@cache
def pool() -> Pool:
    """The pool of this process; without workers until somebody starts some."""
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


def make_team(jit: Jit, tasks: Sequence[tuple[str, int]], threads: int) -> Team | None:
    """A team of `threads`, at most one a usable core; None if that leaves the caller alone."""
    threads = min(threads, usable_cores(), MOST_THREADS)
    return Team(pool(), jit, tasks, threads) if threads > 1 and tasks else None


def pool_ir() -> str:
    """The pool's native code as LLVM IR."""
    places = {
        "line": _LINE,
        "portions": _LINE,
        "sleepers": (1 + MOST_THREADS) * _LINE,
        **{
            name: 8 * index
            for names in (_CONTROL, _PORTION, _SLEEPER)
            for index, name in enumerate(names)
        },
    }
    text = _IR
    for name, value in places.items():
        text = text.replace(f"<{name}>", str(value))
    return f'target triple = "{host_target().triple}"\n{text}'


_IR = """
declare i32 @sem_wait(ptr)
declare i32 @sem_post(ptr)
declare i32 @sched_yield()
declare i64 @llvm.readcyclecounter()
declare void @llvm.x86.sse2.pause()

define i64 @clock() nounwind {
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}

define internal ptr @portion_of(ptr %pool, i64 %thread) nounwind {
  %lines = mul i64 %thread, <line>
  %place = add i64 %lines, <portions>
  %portion = getelementptr i8, ptr %pool, i64 %place
  ret ptr %portion
}

define internal ptr @sleeper_of(ptr %pool, i64 %thread) nounwind {
  %lines = mul i64 %thread, <line>
  %place = add i64 %lines, <sleepers>
  %sleeper = getelementptr i8, ptr %pool, i64 %place
  ret ptr %sleeper
}

; Claim a quarter of what is left of a portion, and do it; 0 if nothing was left.
; The upper half of the word of claims tells tasks apart, the lower one is the number of units left.
; What else the portion holds is stable from a claim until its units are counted as done.
define internal i1 @step(ptr %portion) nounwind {
entry:
  %first = load atomic i64, ptr %portion acquire, align 8
  br label %try
try:
  %word = phi i64 [ %first, %entry ], [ %found, %claim ]
  %left = and i64 %word, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %empty, label %claim
claim:
  %more = add i64 %left, 3
  %taken = lshr i64 %more, 2
  %rest = sub i64 %word, %taken
  %pair = cmpxchg ptr %portion, i64 %word, i64 %rest acq_rel acquire
  %found = extractvalue { i64, i1 } %pair, 0
  %won = extractvalue { i64, i1 } %pair, 1
  br i1 %won, label %work, label %try
work:
  %task.at = getelementptr i8, ptr %portion, i64 <task>
  %task = load ptr, ptr %task.at, align 8
  %args.at = getelementptr i8, ptr %portion, i64 <args>
  %args = load ptr, ptr %args.at, align 8
  %end.at = getelementptr i8, ptr %portion, i64 <end>
  %last = load i64, ptr %end.at, align 8
  %begin = sub i64 %last, %left
  %end = add i64 %begin, %taken
  call void %task(ptr %args, i64 %begin, i64 %end)
  %left.at = getelementptr i8, ptr %portion, i64 <left>
  %before = atomicrmw sub ptr %left.at, i64 %taken release, align 8
  ret i1 1
empty:
  ret i1 0
}

; Work off all portions, one's own first.
define internal void @help(ptr %pool, i64 %thread, i64 %threads) nounwind {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %done ]
  %sum = add i64 %thread, %k
  %number = urem i64 %sum, %threads
  %portion = call ptr @portion_of(ptr %pool, i64 %number)
  br label %again
again:
  %did = call i1 @step(ptr %portion)
  br i1 %did, label %again, label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %out
out:
  ret void
}

define void @worker(ptr %pool, i64 %thread) nounwind {
entry:
  %own = call ptr @portion_of(ptr %pool, i64 %thread)
  %sleeper = call ptr @sleeper_of(ptr %pool, i64 %thread)
  %asleep = getelementptr i8, ptr %sleeper, i64 <asleep>
  %semaphore = getelementptr i8, ptr %sleeper, i64 <semaphore>
  %stop.at = getelementptr i8, ptr %pool, i64 <stop>
  %spin.at = getelementptr i8, ptr %pool, i64 <spin>
  %workers.at = getelementptr i8, ptr %pool, i64 <workers>
  %limit = load i64, ptr %spin.at, align 8
  br label %idle
idle:
  %since = call i64 @llvm.readcyclecounter()
  br label %look
look:
  %word = load atomic i64, ptr %own acquire, align 8
  %left = and i64 %word, 4294967295
  %work = icmp ne i64 %left, 0
  br i1 %work, label %help, label %wait
help:
  %workers = load atomic i64, ptr %workers.at monotonic, align 8
  %threads = add i64 %workers, 1
  %below = icmp sge i64 %thread, %threads
  %least = add i64 %thread, 1
  %all = select i1 %below, i64 %least, i64 %threads
  call void @help(ptr %pool, i64 %thread, i64 %all)
  br label %idle
wait:
  %stop = load atomic i64, ptr %stop.at acquire, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %out, label %pause
pause:
  call void @llvm.x86.sse2.pause()
  %now = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %now, %since
  %late = icmp sgt i64 %spent, %limit
  br i1 %late, label %sleep, label %look
sleep:
  store atomic i64 1, ptr %asleep seq_cst, align 8
  %ignored = call i32 @sem_wait(ptr %semaphore)
  store atomic i64 0, ptr %asleep seq_cst, align 8
  br label %idle
out:
  ret void
}

; Wake sleeping workers if the row of calls has gone on for long.
define internal void @wake(ptr %pool, i64 %threads) nounwind {
entry:
  %began.at = getelementptr i8, ptr %pool, i64 <began>
  %began = load i64, ptr %began.at, align 8
  %wake.at = getelementptr i8, ptr %pool, i64 <wake>
  %limit = load i64, ptr %wake.at, align 8
  %now = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %now, %began
  %late = icmp sgt i64 %spent, %limit
  br i1 %late, label %next, label %out
next:
  %k = phi i64 [ 1, %entry ], [ %k.next, %done ]
  %sleeper = call ptr @sleeper_of(ptr %pool, i64 %k)
  %asleep.at = getelementptr i8, ptr %sleeper, i64 <asleep>
  %asleep = load atomic i64, ptr %asleep.at monotonic, align 8
  %sleeps = icmp ne i64 %asleep, 0
  br i1 %sleeps, label %post, label %done
post:
  store atomic i64 0, ptr %asleep.at monotonic, align 8
  %semaphore = getelementptr i8, ptr %sleeper, i64 <semaphore>
  %ignored = call i32 @sem_post(ptr %semaphore)
  br label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %out
out:
  ret void
}

; Give each thread its portion of a task; the caller's comes last, for the others have a longer way.
define internal void @hand_out(ptr %pool, ptr %task, i64 %extent, i64 %threads, ptr %args) nounwind {
entry:
  %tag.at = getelementptr i8, ptr %pool, i64 <tag>
  %old = load i64, ptr %tag.at, align 8
  %tag = add i64 %old, 4294967296
  store i64 %tag, ptr %tag.at, align 8
  br label %next
next:
  %k = phi i64 [ %threads, %entry ], [ %thread, %next ]
  %thread = sub i64 %k, 1
  %low.times = mul i64 %extent, %thread
  %low = udiv i64 %low.times, %threads
  %high.times = mul i64 %extent, %k
  %high = udiv i64 %high.times, %threads
  %count = sub i64 %high, %low
  %portion = call ptr @portion_of(ptr %pool, i64 %thread)
  %left.at = getelementptr i8, ptr %portion, i64 <left>
  store atomic i64 %count, ptr %left.at monotonic, align 8
  %task.at = getelementptr i8, ptr %portion, i64 <task>
  store ptr %task, ptr %task.at, align 8
  %args.at = getelementptr i8, ptr %portion, i64 <args>
  store ptr %args, ptr %args.at, align 8
  %end.at = getelementptr i8, ptr %portion, i64 <end>
  store i64 %high, ptr %end.at, align 8
  %word = or i64 %tag, %count
  store atomic i64 %word, ptr %portion release, align 8
  %more = icmp sgt i64 %thread, 0
  br i1 %more, label %next, label %out
out:
  ret void
}

; Work on all portions, then wait for what others have claimed.
define internal void @finish(ptr %pool, i64 %threads) nounwind {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %done ]
  %portion = call ptr @portion_of(ptr %pool, i64 %k)
  br label %again
again:
  %did = call i1 @step(ptr %portion)
  br i1 %did, label %worked, label %done
worked:
  call void @wake(ptr %pool, i64 %threads)
  br label %again
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %barrier
barrier:
  %spin.at = getelementptr i8, ptr %pool, i64 <spin>
  %limit = load i64, ptr %spin.at, align 8
  %since = call i64 @llvm.readcyclecounter()
  br label %portion.next
portion.next:
  %w = phi i64 [ 0, %barrier ], [ %w.next, %complete ]
  %awaited = call ptr @portion_of(ptr %pool, i64 %w)
  %left.at = getelementptr i8, ptr %awaited, i64 <left>
  br label %look
look:
  %left = load atomic i64, ptr %left.at acquire, align 8
  %open = icmp ne i64 %left, 0
  br i1 %open, label %pause, label %complete
pause:
  call void @llvm.x86.sse2.pause()
  %now = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %now, %since
  %late = icmp sgt i64 %spent, %limit
  br i1 %late, label %yield, label %look
yield:
  ; Whoever it is that we wait for may want this core.
  %ignored = call i32 @sched_yield()
  br label %look
complete:
  %w.next = add i64 %w, 1
  %w.more = icmp slt i64 %w.next, %threads
  br i1 %w.more, label %portion.next, label %out
out:
  ret void
}

define void @run(ptr %pool, ptr %tasks, i64 %count, i64 %wanted, ptr %args) nounwind {
entry:
  %workers.at = getelementptr i8, ptr %pool, i64 <workers>
  %workers = load atomic i64, ptr %workers.at monotonic, align 8
  %there = add i64 %workers, 1
  %threads = call i64 @llvm.smin.i64(i64 %wanted, i64 %there)
  %several = icmp sgt i64 %threads, 1
  br i1 %several, label %enter, label %start
enter:
  %pair = cmpxchg ptr %pool, i64 0, i64 1 acquire monotonic
  %free = extractvalue { i64, i1 } %pair, 1
  br i1 %free, label %entered, label %start
entered:
  %began.at = getelementptr i8, ptr %pool, i64 <began>
  %ended.at = getelementptr i8, ptr %pool, i64 <ended>
  %spin.at = getelementptr i8, ptr %pool, i64 <spin>
  %began = load i64, ptr %began.at, align 8
  %ended = load i64, ptr %ended.at, align 8
  %limit = load i64, ptr %spin.at, align 8
  %now = call i64 @llvm.readcyclecounter()
  %gap = sub i64 %now, %ended
  %new = icmp sgt i64 %gap, %limit
  %row = select i1 %new, i64 %now, i64 %began
  store i64 %row, ptr %began.at, align 8
  br label %start
start:
  %shared = phi i1 [ 0, %entry ], [ 0, %enter ], [ 1, %entered ]
  br label %next
next:
  %k = phi i64 [ 0, %start ], [ %k.next, %done ]
  %two = shl i64 %k, 1
  %task.at = getelementptr i64, ptr %tasks, i64 %two
  %task = load ptr, ptr %task.at, align 8
  %extent.at = getelementptr i64, ptr %task.at, i64 1
  %extent = load i64, ptr %extent.at, align 8
  %divisible = icmp sgt i64 %extent, 1
  %share = and i1 %shared, %divisible
  br i1 %share, label %together, label %alone
together:
  call void @hand_out(ptr %pool, ptr %task, i64 %extent, i64 %threads, ptr %args)
  call void @finish(ptr %pool, i64 %threads)
  br label %done
alone:
  call void %task(ptr %args, i64 0, i64 %extent)
  br label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %next, label %last
last:
  br i1 %shared, label %leave, label %out
leave:
  %end = call i64 @llvm.readcyclecounter()
  %ended.to = getelementptr i8, ptr %pool, i64 <ended>
  store i64 %end, ptr %ended.to, align 8
  store atomic i64 0, ptr %pool release, align 8
  br label %out
out:
  ret void
}

declare i64 @llvm.smin.i64(i64, i64)
"""
