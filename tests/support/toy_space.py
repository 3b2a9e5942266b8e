"""A small space with a made-up machine: what search needs to be tried without compiling anything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from random import Random
from zlib import crc32

from autotune.outcome import Failed, Measured, Outcome
from lowbit_dialect.schedule import Schedule

DOMAINS: dict[str, tuple[str | int, ...]] = {
    "algorithm": ("direct", "im2col"),
    "microkernel": ("popcount", "lookup", "dot"),
    "pixels": (1, 2, 3, 4, 5, 6, 7, 8, 12, 14),
    "vectors": (1, 2, 3, 4, 6, 8),
    "unroll": (1, 2, 4, 8, 16),
    "taps": ("none", "columns"),
    "planes": ("outer", "inner"),
    "prefetch": (1, 4, 16),
}
SLOTS = {"popcount": 1.0, "lookup": 0.55, "dot": 1.3}


@dataclass(frozen=True)
class Toy:
    """A layer: a roofline of issue slots, loads, latency, spilling, tails and cold code."""

    width: int = 14
    rows: int = 14
    words: int = 4
    kernel: int = 3
    channels: int = 32
    """Vectors of output channels."""
    planes: int = 2
    roughness: float = 0.03
    """Of what nothing explains."""

    def refusal(self, schedule: Schedule) -> str | None:
        block = (schedule.pixels or 0) * (schedule.vectors or 0)
        if block > 64:
            return f"{block} accumulators are too many"
        if block * (schedule.unroll or 0) > 256:
            return "the body is too long"
        return None

    def canonical(self, schedule: Schedule) -> Schedule:
        if schedule.microkernel != "popcount" or self.planes == 1:
            schedule = replace(schedule, planes="outer")
        if schedule.algorithm == "im2col" or self.kernel == 1:
            schedule = replace(schedule, taps="none")
        return replace(schedule, unroll=min(schedule.unroll or 1, self.words * self.kernel))

    def sample(self, random: Random) -> Schedule:
        while True:
            drawn = {name: random.choice(domain) for name, domain in DOMAINS.items()}
            if self.refusal(found := Schedule(**drawn)) is None:  # pyright: ignore[reportArgumentType]
                return self.canonical(found)

    def mutate(self, schedule: Schedule, random: Random) -> Schedule:
        while True:
            name = random.choice(list(DOMAINS))
            found = replace(schedule, **{name: random.choice(DOMAINS[name])})
            if self.refusal(found) is None and self.canonical(found) != schedule:
                return self.canonical(found)

    def cross(self, first: Schedule, second: Schedule, random: Random) -> Schedule:
        while True:
            mixed = {n: getattr(random.choice((first, second)), n) for n in DOMAINS}
            if self.refusal(found := Schedule(**mixed)) is None:
                return self.canonical(found)

    def __iter__(self) -> Iterator[Schedule]:
        seen: set[Schedule] = set()
        for values in product(*DOMAINS.values()):
            found = Schedule(**dict(zip(DOMAINS, values)))  # pyright: ignore[reportArgumentType]
            if self.refusal(found) is None and (one := self.canonical(found)) not in seen:
                seen.add(one)
                yield one

    def outcome(self, schedule: Schedule) -> Outcome:
        if schedule.prefetch == 16 and schedule.unroll == 1:
            return Failed("bounds", "it reads beside its weights")
        seconds = self.seconds(schedule)
        return Measured(seconds, 0.0, seconds)

    def seconds(self, schedule: Schedule) -> float:
        pixels, vectors, unroll = schedule.pixels or 1, schedule.vectors or 1, schedule.unroll or 1
        taps = self.kernel * self.kernel
        inner = schedule.planes == "inner"
        tiles = self.rows * ceil(self.width / pixels) * ceil(self.channels / vectors)
        steps = self.words * taps * self.planes
        block = pixels * vectors * (self.planes if inner else 1)
        issue = pixels * vectors * 3 * SLOTS[schedule.microkernel or ""]
        loads = (pixels + vectors) / (2 if inner else 1)
        latency = max(1.0, 12 / block)
        spills = 3.0 * max(0, block - 28)
        branch = 2.0 / unroll / (self.kernel if schedule.taps == "columns" else 1)
        body = max(issue, 2 * loads) / 4 * latency + spills + branch
        start = 14 + (4 * self.kernel if schedule.taps == "none" else 0)
        cold = 2e-3 * block * unroll * (3 if schedule.taps == "columns" else 1)
        cycles = tiles * (steps * body + start + pixels * vectors * 0.7) * (1 + cold / 20)
        if schedule.algorithm == "im2col":
            cycles = cycles * 0.93 + self.rows * self.width * steps * 6
        if schedule.microkernel == "lookup":
            cycles += self.rows * self.width * self.words * 16 * 14
        cycles *= {1: 1.0, 4: 0.985, 16: 1.03}[schedule.prefetch or 1]
        rough = crc32(str(schedule).encode()) / 2**32 * 2 - 1
        return cycles * (1 + self.roughness * rough) / 4e9


LAYERS = {
    "C2": Toy(56, 56, 1, 3, 8, 2),
    "C3": Toy(56, 56, 1, 1, 8, 2),
    "C6": Toy(28, 28, 2, 3, 16, 2),
    "C9": Toy(14, 14, 4, 3, 32, 2),
    "C12": Toy(7, 7, 8, 3, 64, 2),
    "13x13x192": Toy(13, 13, 3, 3, 48, 1),
}
"""As large as those of the suite."""
