"""The rates of one core as they are measured in a run: each prepared when first asked for."""

from __future__ import annotations

from statistics import median

from autotune.bandwidth import MEMORY, bandwidth_sampler, memory_levels
from autotune.machine import Sampler, popcount_sampler, product_sampler
from lowering.backend.memory_probe import KINDS as ACCESSES
from lowering.backend.product_probe import KINDS as PRODUCTS
from microkernels.target import Target

BINARY = "binary"


class Rates:
    """Samples of the rates of a machine, by name.

    `binary`, `i8`, `i16` and `f32` are multiply-adds a second; `L1 read`, `memory write` and the like
    are bytes a second.
    """

    def __init__(self, target: Target):
        """Raises `BackendError` if this machine cannot run the target."""
        self._target = target
        self._samplers: dict[str, Sampler] = {BINARY: popcount_sampler(target)}
        self._samples: dict[str, list[float]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every rate that there is."""
        levels = (*memory_levels(), MEMORY)
        return (BINARY, *PRODUCTS, *(f"{level} {kind}" for level in levels for kind in ACCESSES))

    def sample(self, name: str) -> float:
        """Measure a rate once, which takes 1 ms; of memory, the time of a pass."""
        if name not in self._samplers:
            self._samplers[name] = self._prepared(name)
        self._samples.setdefault(name, []).append(self._samplers[name]())
        return self._samples[name][-1]

    def median(self, name: str, at_least: int = 9) -> float:
        """The median of all samples of a rate so far, and of as many more as are wanted."""
        while len(self._samples.get(name, ())) < at_least:
            self.sample(name)
        return median(self._samples[name])

    def _prepared(self, name: str) -> Sampler:
        if name in PRODUCTS:
            return product_sampler(self._target, name)
        level, kind = name.split()
        return bandwidth_sampler(self._target, level, kind)
