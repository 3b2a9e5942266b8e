"""A task of two units that must meet, to measure what handing a unit to a worker costs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from lowering.backend.host import host_target
from lowering.backend.jit import Jit
from lowering.backend.pool import make_team
from lowering.backend.pool_code import filled
from lowering.backend.translate import Translated

MEETINGS = 1000
"""Tasks of one run."""

_IR = """
; Unit 1 counts up; unit 0 waits for that, for some microseconds at most: the other may have lost its core.
define void @meet(ptr %args, i64 %begin, i64 %end) nounwind {
entry:
  %count = load ptr, ptr %args, align 8
  %seen.at = getelementptr i8, ptr %count, i64 128
  %waits = icmp eq i64 %begin, 0
  br i1 %waits, label %expect, label %arrive
expect:
  %seen = load i64, ptr %seen.at, align 8
  br label %look
look:
  %looks = phi i64 [ 0, %expect ], [ %looks.next, %look ]
  <pause>
  %found = load atomic i64, ptr %count acquire, align 8
  %met = icmp ne i64 %found, %seen
  %looks.next = add i64 %looks, 1
  %late = icmp sgt i64 %looks, 1000
  %leave = or i1 %met, %late
  br i1 %leave, label %met.now, label %look
met.now:
  store i64 %found, ptr %seen.at, align 8
  ret void
arrive:
  %old = load atomic i64, ptr %count monotonic, align 8
  %new = add i64 %old, 1
  store atomic i64 %new, ptr %count release, align 8
  ret void
}
"""


def hand_over_probe() -> Callable[[], None] | None:
    """Prepare a run of `MEETINGS` tasks that two threads do together; None with one usable core.

    A task takes a hand-over to the worker and the way back of its answer, twice: what unit 1 has
    written, and that it is done.
    """
    target = host_target()
    jit = Jit(Translated(filled(_IR, target), {}), target)
    team = make_team(jit, [("meet", 2)] * MEETINGS, 2)
    if team is None:
        return None
    counts = (ctypes.c_int64 * 32)()
    pointers = team.pointers([ctypes.addressof(counts)])

    def run(_kept: object = counts) -> None:
        team.run(*team.arguments, pointers)

    return run
