"""The native code of the pool: what callers and workers do with the memory that they share.

A line of control; a portion a thread; a place to sleep a worker. Only the owner of the lock `busy` writes
control and hands out portions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from lowering.backend.machine import BackendError
from microkernels.target import Target

MOST_THREADS = 64
"""For which there is room in the memory of the pool."""
LINE = 128
"""Bytes between what different threads write: two cache lines, which some processors fetch together."""
LOOKS = 256
"""Looks for work, or for its end, after which a thread lets others have its core: about 10 us."""

# Words of 64 bits, in order; a semaphore takes as many bytes as the C library wants, 32 on Linux.
CONTROL = ("busy", "workers", "tag", "began", "ended", "spin", "wake", "stop")
PORTION = ("claim", "left", "task", "args", "end")
SLEEPER = ("asleep", "id", "semaphore")


IMPORTS = ("sem_wait", "sem_post", "sched_yield", "sched_getcpu", "sched_setaffinity")
"""What the code calls in the C library."""


@dataclass(frozen=True)
class _Words:
    """What an architecture has instructions of its own for, as IR."""

    now: str
    """A clock that counts evenly."""
    pause: str
    """Says to the core that this waits for another."""
    declared: str


_WORDS = {
    "x86_64": _Words(
        "call i64 @llvm.readcyclecounter()",
        "call void @llvm.x86.sse2.pause()",
        "declare i64 @llvm.readcyclecounter()\ndeclare void @llvm.x86.sse2.pause()",
    ),
    # Programs may not read the counter of cycles.
    "aarch64": _Words(
        "call i64 @llvm.read_volatile_register.i64(metadata !0)",
        "call void @llvm.aarch64.hint(i32 1)",
        "declare i64 @llvm.read_volatile_register.i64(metadata)\n"
        'declare void @llvm.aarch64.hint(i32)\n!0 = !{!"CNTVCT_EL0"}',
    ),
}


def filled(text: str, target: Target, places: Mapping[str, int] | None = None) -> str:
    """IR for a target, of text with `<now>`, `<pause>` and named numbers; raises `BackendError` without."""
    words = _WORDS.get(target.arch)
    if words is None:
        raise BackendError(f"threads share work on {' and '.join(_WORDS)}, not on {target.arch}")
    told = {"now": words.now, "pause": words.pause, **(places or {})}
    for name, value in told.items():
        text = text.replace(f"<{name}>", str(value))
    return f'target triple = "{target.triple}"\n{words.declared}\n{text}'


def pool_ir(target: Target) -> str:
    """Write the functions `run`, `worker` and `clock` as LLVM IR."""
    places = {
        "line": LINE,
        "looks": LOOKS - 1,
        "portions": LINE,
        "sleepers": (1 + MOST_THREADS) * LINE,
        "cores": (1 + 2 * MOST_THREADS) * LINE,
        "others": (2 + 2 * MOST_THREADS) * LINE,
        **{
            name: 8 * index
            for names in (CONTROL, PORTION, SLEEPER)
            for index, name in enumerate(names)
        },
    }
    text = files("lowering.backend").joinpath("pool.ll").read_text("utf-8")
    return filled(text, target, places)
