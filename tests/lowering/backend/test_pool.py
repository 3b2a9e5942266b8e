"""The pool: every unit once, whoever does it, whether workers are hot, asleep, stopped or not there."""

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lowering.backend import pool as pools
from lowering.backend.host import host_target
from lowering.backend.jit import Jit
from lowering.backend.pool import Pool, Team
from lowering.backend.translate import Translated

UNITS = 257
COUNT = """
define void @count(ptr %args, i64 %begin, i64 %end) nounwind {
entry:
  %counts = load ptr, ptr %args
  %threads.at = getelementptr ptr, ptr %args, i64 1
  %threads = load ptr, ptr %threads.at
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  br label %next
next:
  %unit = phi i64 [ %begin, %entry ], [ %following, %next ]
  %count.at = getelementptr i64, ptr %counts, i64 %unit
  %count = load i64, ptr %count.at
  %more = add i64 %count, 1
  store volatile i64 %more, ptr %count.at
  %thread.at = getelementptr i64, ptr %threads, i64 %unit
  store ptr %frame, ptr %thread.at
  %following = add i64 %unit, 1
  %open = icmp slt i64 %following, %end
  br i1 %open, label %next, label %out
out:
  ret void
}

; As often as the task before left it, and never in the order of the units: what a missing barrier breaks.
define void @check(ptr %args, i64 %begin, i64 %end) nounwind {
entry:
  %counts = load ptr, ptr %args
  %wrong.at = getelementptr ptr, ptr %args, i64 2
  %wrong = load ptr, ptr %wrong.at
  %first = load volatile i64, ptr %counts
  br label %next
next:
  %unit = phi i64 [ %begin, %entry ], [ %following, %done ]
  %other = sub i64 EXTENT, %unit
  %other.at = getelementptr i64, ptr %counts, i64 %other
  %count = load volatile i64, ptr %other.at
  %same = icmp eq i64 %count, %first
  br i1 %same, label %done, label %differs
differs:
  store i64 1, ptr %wrong
  br label %done
done:
  %following = add i64 %unit, 1
  %open = icmp slt i64 %following, %end
  br i1 %open, label %next, label %out
out:
  ret void
}

declare ptr @llvm.frameaddress.p0(i32)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.stop()


class Work:
    """Pairs of tasks over so many units: one counts, the next looks whether all have been counted."""

    def __init__(self, pool: Pool, extent: int, threads: int, pairs: int = 1) -> None:
        text = COUNT.replace("EXTENT", str(extent - 1))
        target = host_target()
        jit = Jit(Translated(f'target triple = "{target.triple}"\n{text}', {}), target)
        self.counts, self.threads = (ctypes.c_int64 * extent)(), (ctypes.c_int64 * extent)()
        self.wrong = ctypes.c_int64()
        self.team = Team(pool, jit, [("count", extent), ("check", extent)] * pairs, threads)
        self.pairs = pairs
        self.pointers = self.team.pointers(
            [ctypes.addressof(one) for one in (self.counts, self.threads, self.wrong)]
        )

    def run(self) -> None:
        before = self.counts[0]
        self.team.run(*self.team.arguments, self.pointers)
        assert set(self.counts) == {before + self.pairs}
        assert not self.wrong.value

    def stacks(self) -> set[int]:
        """One number for each thread that did a unit of the last run: its stack, to the megabyte."""
        return {address >> 20 for address in self.threads}


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("extent", [1, 2, 3, 4, 5, 7, 8, 63, UNITS])
def test_every_unit_once(pool: Pool, extent: int, threads: int) -> None:
    work = Work(pool, extent, threads, pairs=20)
    for _ in range(20):
        work.run()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens sooner or later; it has half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def asleep(pool: Pool) -> bool:
    """Whether every worker sleeps."""
    flags = [pool._sleeper(thread, "asleep") for thread in range(1, pool.threads)]
    return all(ctypes.c_int64.from_address(flag).value for flag in flags)


def test_workers_fall_asleep_and_are_woken(pool: Pool) -> None:
    work = Work(pool, UNITS, 2, pairs=200)
    for _ in range(3):
        until(lambda: asleep(pool))
        work.run()  # a sleeper is not waited for

        def helped() -> bool:
            work.run()
            return len(work.stacks()) > 1

        until(helped)


def test_several_callers_at_once(pool: Pool) -> None:
    several = [Work(pool, UNITS, 3, pairs=5) for _ in range(4)]
    failures: list[BaseException] = []

    def call(work: Work) -> None:
        try:
            for _ in range(300):
                work.run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=call, args=(work,)) for work in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_stopped_and_started_again(pool: Pool) -> None:
    work = Work(pool, UNITS, 3, pairs=5)
    for _ in range(5):
        pool.stop()
        assert pool.threads == 1
        work.run()
        assert len(work.stacks()) == 1
        pool.start(3)
        assert pool.threads == 3
        work.run()


def test_stopped_during_calls(pool: Pool) -> None:
    work, done = Work(pool, UNITS, 3, pairs=5), threading.Event()

    def stop() -> None:
        while not done.is_set():
            pool.stop()
            pool.start(3)

    other = threading.Thread(target=stop)
    other.start()
    try:
        for _ in range(500):
            work.run()
    finally:
        done.set()
        other.join()


def test_a_team_has_no_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    target = host_target()
    text = COUNT.replace("EXTENT", "0")
    jit = Jit(Translated(f'target triple = "{target.triple}"\n{text}', {}), target)
    monkeypatch.setattr(pools, "usable_cores", lambda: 1)
    assert pools.make_team(jit, [("count", 4)], 2) is None
    monkeypatch.setattr(pools, "usable_cores", lambda: 3)
    assert pools.make_team(jit, [], 2) is None
    assert pools.make_team(jit, [("count", 1)], 2) is None
    for asked, used in ((2, 2), (3, 3), (1000, 3)):
        team = pools.make_team(jit, [("count", 4)], asked)
        assert team is not None and team.threads == used
    pools.pool().stop()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_forked_child_runs_alone(pool: Pool) -> None:
    work = Work(pool, UNITS, 2, pairs=5)
    work.run()
    child = os.fork()
    if child == 0:
        try:
            work.run()
            alone = len(work.stacks()) == 1 and pool.threads == 1
            pool.start(2)
            work.run()
            pool.stop()
            os._exit(0 if alone else 2)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    work.run()


ENDS = {
    "hot": "call()",
    "asleep": "call(); time.sleep(0.05)",
    "raised": "call(); raise SystemExit(0)",
    "called at exit": "atexit.register(call); call()",
    "called by a daemon": (
        "threading.Thread(target=lambda: [call() for _ in iter(int, 1)], daemon=True).start(); "
        "time.sleep(0.05)"
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_interpreter_ends(end: str) -> None:
    code = textwrap.dedent(f"""
        import atexit, threading, time
        import numpy as np
        import lowbit
        from lowering.backend import pool
        pool.usable_cores = lambda: 2
        program = lowbit.dense((64, 256), (256, 256), "uint1", "uint1")
        kernel = lowbit.compile(program, threads=2)
        assert kernel.threads == 2
        x, w = np.ones((64, 256), np.uint8), np.ones((256, 256), np.uint8)
        call = kernel.bind(x, w)
        for _ in range(1000): call()
        {end}
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
