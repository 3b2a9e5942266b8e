"""What this machine does at best, measured beside the kernels, and what must be said of it in records.

Rates come from the probes of `lowering.backend`. On a Zen 3 core (EPYC, VM, 3.24 GHz, 2026-11), by
medians of 120 to 400 runs of 1 ms alternating with the same loop in C (gcc 12.2, -O3 -march=znver3):
AVX2 nibbles 542 GMAC/s against 541, scalar `popcnt` 267 against 270; i8 99.3 against 96.8 and f32 51.7
against 51.7, which is 31 and 16 a cycle of 32 and 16; i16 87 against 80, as gcc orders and spills it.
(Without `popcnt`, 45, not compared.) The AVX-512 probes have been executed by an emulator, not timed.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotune.identity import processor_name
from lowering.backend.hand_over import MEETINGS, hand_over_probe
from lowering.backend.host import host_target
from lowering.backend.machine import llvm_version
from lowering.backend.pool import usable_cores
from lowering.backend.probe import popcount_probe
from lowering.backend.product_probe import product_probe
from microkernels.target import Target

Sampler = Callable[[], float]
"""One measurement of a rate, a second."""

_SAMPLE_NS = 1_000_000
_WARM_UP_NS = 3_000_000


def measure_popcount_rate(target: Target, repetitions: int = 15) -> float:
    """Measure how many binary MACs a second one core does in the probe of a target's tier.

    The median of `repetitions` samples of 1 ms, after 3 ms to raise the clock; about 25 ms in all.
    Raises `BackendError` if this machine cannot run the target.
    """
    sample = popcount_sampler(target)
    return statistics.median(sample() for _ in range(repetitions))


def popcount_sampler(target: Target) -> Sampler:
    """Prepare single samples of the rate, to be taken in turn with the runs of a kernel.

    A call takes 1 ms and returns binary MACs a second. Raises as `measure_popcount_rate` does.
    """
    probe = popcount_probe(target)
    return sampler(probe.run, probe.macs)


def product_sampler(target: Target, kind: str) -> Sampler:
    """The same for products of `i8`, `i16` or `f32`: a call returns multiply-adds a second."""
    probe = product_probe(target, kind)
    return sampler(probe.run, probe.macs)


def sampler(run: Callable[[int], int], work: int) -> Sampler:
    """Time so many rounds of a loop as take 1 ms, at least one; a call returns work a second."""
    rounds = _rounds_of_a_sample(run)

    def sample() -> float:
        run(1)  # brings a buffer back into its cache, out of which others have driven it
        return rounds * work / time_alone(lambda: run(rounds))

    return sample


def measure_hand_over(repetitions: int = 101) -> float | None:
    """Measure the seconds from handing work to a hot worker until its answer is back.

    The median of runs of 1000 tasks; None with one usable core.
    """
    run = hand_over_probe()
    if run is None:
        return None
    return statistics.median(time_alone(run) for _ in range(repetitions)) / MEETINGS


def time_alone(run: Callable[[], object], attempts: int = 10) -> float:
    """Seconds of a call while no other process takes the core away.

    A call that was interrupted is timed again, up to so many times in all; if each was, the shortest
    counts. Beside a busy process on the same core, medians of 31 calls of 2 ms come out right instead of
    88 % too long, of 4 ms, more than a time slice, 34 % too long instead of 98 %.
    """
    best = float("inf")
    for _ in range(attempts):
        switches, started = _switches(), time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
        if _switches() == switches:
            break
    return best


def time_repeated(run: Callable[[], object], calls: int) -> float:
    """Seconds of one call, over `calls` of them in a row that no other process takes the core from."""

    def repeated() -> None:
        for _ in range(calls):
            run()

    run()  # brings back what others have driven from the caches
    return time_alone(repeated) / calls


def _switches() -> int:
    """How often this process has been made to wait for another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@contextmanager
def pin_core(core: int | None = None) -> Generator[int | None]:
    """Keep the calling thread on one core, by default the last it may use; yield which.

    Yields `None` where threads cannot be pinned. Raises `ValueError` for a core it may not use.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    chosen = max(allowed) if core is None else core
    if chosen not in allowed:
        raise ValueError(f"core {chosen} is not among the usable ones, {sorted(allowed)}")
    os.sched_setaffinity(0, {chosen})
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, allowed)


def machine_facts() -> dict[str, Any]:
    """Describe machine and tools as a JSON object: what a measurement depends on."""
    target = host_target()
    return {
        "cpu": processor_name(),
        "target": str(target),
        "caches": list(target.caches),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "llvm": llvm_version(),
        **{name: importlib.metadata.version(name) for name in ("xdsl", "llvmlite", "numpy")},
    }


def _rounds_of_a_sample(run: Callable[[int], int]) -> int:
    """Find how many rounds take a sample's time, keeping the core busy until its clock is up."""
    rounds = 1
    while _elapsed_ns(run, rounds) < _SAMPLE_NS // 4:
        rounds *= 2
    begin, best = time.perf_counter_ns(), _SAMPLE_NS
    while time.perf_counter_ns() - begin < _WARM_UP_NS:
        best = min(best, _elapsed_ns(run, rounds))  # an interrupted run would make samples short
    return max(1, rounds * _SAMPLE_NS // best)


def _elapsed_ns(run: Callable[[int], int], rounds: int) -> int:
    begin = time.perf_counter_ns()
    run(rounds)
    return time.perf_counter_ns() - begin


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
