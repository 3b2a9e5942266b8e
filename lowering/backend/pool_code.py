"""The native code of the pool: what callers and workers do with the memory that they share.

A line of control; a portion a thread; a place to sleep a worker. Only the owner of the lock `busy` writes
control and hands out portions.
"""

from __future__ import annotations

from importlib.resources import files

from lowering.backend.host import host_target

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


def pool_ir() -> str:
    """Write the functions `run`, `worker` and `clock` as LLVM IR for this machine."""
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
    for name, value in places.items():
        text = text.replace(f"<{name}>", str(value))
    return f'target triple = "{host_target().triple}"\n{text}'
