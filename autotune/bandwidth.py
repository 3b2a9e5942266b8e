"""How fast a core reads and writes what each cache, or memory, holds.

On a Zen 3 core (EPYC, VM, 3.24 GHz, 32K/512K/32M, 2026-11), medians in GB/s of 40 runs alternating with
the same loop in C (gcc 12.2, -O3 -march=znver3):

| held by | buffer | read | in C | written | in C |
| --- | --- | --- | --- | --- | --- |
| L1 | 16K | 204 | 204 | 103 | 103 |
| L2 | 256K | 100 | 100 | 96 | 94 |
| L3 | 4M | 79 | 79 | 70 | 69 |
| memory | 128M | 21 | 21 | 15 | 15 |

There the L3 and the memory are shared with other machines: of 16M only 47 GB/s are read.
"""

from __future__ import annotations

import numpy as np

from autotune.machine import Sampler, sampler
from lowering.backend.host import host_target
from lowering.backend.memory_probe import STEP, memory_probe
from microkernels.target import Target

MEMORY = "memory"
_LARGEST = 4 << 20
"""Bytes that stand for a large cache, which neighbours may share."""
_PASSED = 4
"""Times the largest cache: a buffer of which nothing is left there after a pass."""


def memory_levels() -> dict[str, int]:
    """Bytes of each data cache of this machine that there is, innermost first."""
    return {f"L{n}": size for n, size in enumerate(host_target().caches, 1) if size >= 2 * STEP}


def level_of(size: int) -> str:
    """The innermost level of this machine that holds so many bytes at once."""
    fitting = (name for name, capacity in memory_levels().items() if size <= capacity)
    return next(fitting, MEMORY)


def buffer_bytes(level: str) -> int:
    """How much is passed over to measure a level: half of it, or far more than the caches hold."""
    caches = memory_levels()
    if level == MEMORY:
        return _PASSED * max(caches.values(), default=_LARGEST)
    return min(caches[level] // 2, _LARGEST) // STEP * STEP


def bandwidth_sampler(target: Target, level: str, kind: str) -> Sampler:
    """Prepare single samples of how many bytes a second one core can `read` or `write` at a level.

    A call takes 1 ms, or one pass where that is longer. Raises `BackendError` if this machine cannot run
    the target.
    """
    probe = memory_probe(target, kind)
    raw = np.ones(buffer_bytes(level) + 64, np.uint8)  # written: every page is one of our own
    start = -raw.ctypes.data % 64
    buffer = raw[start : start + buffer_bytes(level)]
    return sampler(lambda rounds: probe(rounds, buffer.ctypes.data, buffer.size), buffer.size)
