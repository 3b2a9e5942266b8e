"""The table of this machine, measured: a loop of each class of instructions, and bytes from each level.

Less than a second a target, once a process, most of it to fill the memory that bandwidth is measured on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from autotune.bandwidth import MEMORY, bandwidth_sampler, memory_levels
from autotune.machine import pin_core
from autotune.machine_table import VECTOR, MachineTable
from autotune.processors import table_of
from lowering.backend.instruction_probe import BODY, HELD, instruction_probe, mixed_probe, probed
from microkernels.target import Target

_ROUNDS = 2000
_TRIES = 5


@cache
def measured_table(target: Target) -> MachineTable:
    """Measure the machine that this runs on; raises `BackendError` if it cannot run the target.

    What no loop shows (how many instructions of all classes issue together) is the shipped table's.
    """
    known = table_of(target)
    raw = np.zeros(HELD + 64, np.uint8)
    address = raw.ctypes.data + -raw.ctypes.data % 64

    def seconds(run: Callable[[int, int], int]) -> float:
        """Seconds of an instruction."""
        return _shortest(lambda: run(_ROUNDS, address)) / _ROUNDS / BODY

    with pin_core():
        cycle = seconds(instruction_probe(target, "scalar", chained=True))
        names = probed(target)
        rates = {n: cycle / seconds(instruction_probe(target, n)) for n in names}
        latency = {
            n: seconds(instruction_probe(target, n, chained=True)) / cycle
            for n in names
            if n in known.latency
        }
        pairs = cycle / seconds(mixed_probe(target))
        read, write = (_bandwidths(target, kind, cycle) for kind in ("read", "write"))
    vector = max(1.0, *(rates[name] for name in VECTOR if name in rates))
    # Classes that the target has no instruction for keep their rate, as far as there are pipes.
    others = {name: min(rate, vector) for name, rate in known.rates.items() if name in VECTOR}
    return replace(
        known,
        name=f"this machine as {target.name}",
        source="measured",
        clock=1 / cycle,
        vector=vector,
        general=max(rates["scalar"], 1.0),
        # A pair is two instructions on vectors, whatever pipes they may take.
        mixing=min(1.0, pairs / min(rates["multiply"], vector / 2)),
        rates={**known.rates, **others, **rates},
        latency={**known.latency, **latency},
        read={**known.read, **read},
        write={**known.write, **write},
    )


def _bandwidths(target: Target, kind: str, cycle: float) -> dict[str, float]:
    """Bytes a cycle from or to each level that there is."""
    levels = (*memory_levels(), MEMORY)
    samplers = {level: bandwidth_sampler(target, level, kind) for level in levels}
    return {level: max(sample() for _ in range(3)) * cycle for level, sample in samplers.items()}


def _shortest(run: Callable[[], object]) -> float:
    """The least of a few times of a call: what else happens makes it longer, nothing shorter."""
    run()
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best
