"""How long a candidate takes beside another one, in turn with it, on several allocations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from autotune.candidate import Candidate
from autotune.machine import time_alone, time_repeated
from autotune.outcome import Measured
from lowering.aligned import BYTES, address_of, aligned_bytes, aligned_empty

_FAR = 3.0
"""How many times slower than the best a first look finds what one round is enough for."""


Samples = list[tuple[float, float]]
"""Seconds of a call on one allocation, each beside those of the reference candidate."""


@dataclass(frozen=True)
class Effort:
    """How much time is spent on timing a candidate.

    Samples are short and many, as what shares the core changes its speed from one to the next. Of eight
    candidates a layer, the one with the least median is within 0.5 % of the fastest in 68 % of 40 runs by
    6 samples of 0.1 ms, in 55 % by 3 of 0.5 ms, which take as long; times are off by 1.3 and 1.9 %. Low
    quantiles of times are no better than medians of ratios (Zen 3, a thread of a busy core, 2026-11).
    """

    allocations: int = 3
    rounds: int = 6
    """Samples on each allocation."""
    sample: float = 1e-4
    """Seconds that one takes at least."""
    cool_down: float = 1e-3
    """Seconds of rest before each allocation."""
    give_up: float = 1.25
    """How many times slower than the best a candidate is when no more is measured of it."""


class Placed:
    """A call on memory of its own."""

    def __init__(self, candidate: Candidate, memory: Sequence[bytes | int]):
        """`memory` is what lies behind each pointer, or how many bytes."""
        self._kept = [
            aligned_empty((one,), BYTES) if isinstance(one, int) else aligned_bytes(one)
            for one in memory
        ]
        self.run = candidate.bound(list(map(address_of, self._kept)))
        self.seconds = 0.0
        """Of a call; 0 before it is rehearsed."""

    def rehearse(self, sample: float) -> float:
        """Warm up, and say how long a call takes: if it is longer than samples are, by the first alone."""
        first = time_alone(self.run)
        if not self.seconds:
            looks = 2 if first < 4 * sample else 0
            self.seconds = min([first, *(time_alone(self.run) for _ in range(looks))])
        return self.seconds


def measure(
    placed: Callable[[], Placed],
    beside: Sequence[Placed],
    effort: Effort,
    best: float | None = None,
) -> Measured:
    """Time a call, placed anew for each allocation, in turn with the reference candidate's.

    `best` is the time of the fastest candidate so far as a part of the reference candidate's: what is
    clearly slower is not measured to the end, and in one round what is slower by far.
    """
    samples: list[Samples] = []
    kept: list[Placed] = []  # or the next would lie in the same place
    for number in range(effort.allocations):
        kept.append(placed())
        time.sleep(effort.cool_down)
        samples.append(_in_turn(kept[-1], beside[number % len(beside)], effort, best))
        if best is not None and min(_ratios(samples)) > effort.give_up * best:
            break
    return measured(samples)


def measured(samples: Sequence[Samples]) -> Measured:
    """What samples on several allocations say."""
    medians = [median(one for one, _ in allocation) for allocation in samples]
    return Measured(median(medians), max(medians) - min(medians), median(_ratios(samples)))


def _ratios(samples: Sequence[Samples]) -> list[float]:
    return [one / other for allocation in samples for one, other in allocation]


def _in_turn(one: Placed, other: Placed, effort: Effort, best: float | None) -> Samples:
    expected = one.rehearse(effort.sample), other.rehearse(effort.sample)
    counts = [max(1, round(effort.sample / max(1e-9, seconds))) for seconds in expected]
    far = best is not None and expected[0] > _FAR * best * expected[1]
    rounds = range(1 if far else effort.rounds)
    return [
        (time_repeated(one.run, counts[0]), time_repeated(other.run, counts[1])) for _ in rounds
    ]
