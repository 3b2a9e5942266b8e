"""The time of a schedule, from counts of instructions, reuse of data and the table of a machine.

What the tiles of a layer need of the core (`tile_cost.py`) and what each cache must get from the next
(`reuse.py`) go on side by side; what is prepared before (`preparing.py`) is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import prod
from types import MappingProxyType

from autotune.bounds import joint
from autotune.machine_table import LEVELS, MachineTable
from autotune.preparing import Stored, again, preparing
from autotune.reuse import Operands, Reuse, Traffic
from autotune.tile_cost import PORTS, Cost, TileCost
from autotune.tile_words import Block
from lowbit_dialect.layout import Layout
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import AXES, Loop, Schedule
from microkernels.interface import Microkernel
from microkernels.legality import executed
from microkernels.nest import Nest, nest_of
from microkernels.table import find_kernel
from microkernels.target import Target

STRIPS = 0.5
"""The part of what L2 must get that is left where tables are made in strips: they stay where they are."""

AROUND = 5.0
"""Cycles of a turn of the loop around the innermost: a dozen instructions and two jumps that are taken. C3 at
1 x 1 bit: nibbles 1 x 4, channels innermost, take 48.5 us, 1 x 8, all at once, 43 (Zen 3, 2026-11)."""

THIRD = 4.0
"""Cycles of a tile of one tap on a microcontroller where channels are innermost: results, weights and
corrections move on, and not results and activations alone. C2, C4, C6 and C7 at odd1 x odd1 take 7 to 11
instructions more an output (Cortex-M7, counted, 2026-11)."""

HAND_OVER = 4e-7
"""Seconds to hand a task to another thread and to know that it is done (`autotune.machine` measures it)."""


_SOURCE: dict[str, str] = dict(pairwise(LEVELS))
"""Where what is not in a cache comes from."""

Body = tuple[int, str, str]
"""What the code of a register block depends on beside its size: words unrolled, taps, planes."""


@dataclass(frozen=True)
class Prediction:
    """The time of one call, and what it is made of."""

    seconds: float
    parts: Mapping[str, float]
    """Seconds of `tiles` on the core, of moving bytes from each level (beside that), and of `preparation`."""
    binds: str
    """What the longest part waits for: a kind of pipe, `chain`, `spills`, or bytes from a level."""
    reuses: tuple[Reuse, ...]


class Model:
    """Predicts schedules of one op on one machine; what they have in common is worked out once."""

    def __init__(
        self,
        work: Contraction,
        target: Target,
        machine: MachineTable,
        stored: Stored = "codes",
        threads: int = 1,
    ):
        self.work, self.target, self.machine = work, target, machine
        self.stored: Stored = stored
        self.threads = threads
        self._costs: dict[tuple[str, str], TileCost] = {}
        self._nests: dict[tuple[object, ...], Nest] = {}
        self._traffics: dict[tuple[object, ...], Traffic] = {}

    def cost(self, algorithm: str, microkernel: str) -> TileCost:
        """What tiles of a kernel cost."""
        key = algorithm, microkernel
        if key not in self._costs:
            kernel = find_kernel(microkernel, self.target)
            work = executed(self.work, algorithm)
            self._costs[key] = TileCost(work, kernel, self.machine, self.target)
        return self._costs[key]

    def nest(self, schedule: Schedule) -> Nest:
        """The loop nest of a schedule; its runs are those of all with the same block."""
        cost = self.cost(schedule.algorithm or "", schedule.microkernel or "")
        key = cost, schedule.pixels, schedule.vectors, schedule.borders
        if key not in self._nests:
            self._nests[key] = nest_of(cost.work, schedule, cost.kernel)
        nest = self._nests[key]
        return nest if nest.loops == schedule.loops else replace(nest, loops=schedule.loops or ())

    def traffic(self, cost: TileCost, nest: Nest, planes: str) -> Traffic:
        """What tiles read and write, in whatever loops."""
        key = cost, nest.vectors, nest.tiles, planes == "inner"
        if key not in self._traffics:
            self._traffics[key] = Traffic(nest, operands_of(cost, planes), self.target.caches)
        return self._traffics[key]

    def moving(self, reuses: tuple[Reuse, ...]) -> tuple[dict[str, float], float]:
        """Cycles of bringing into each cache what is read there, and taking results away, by their level; and
        those that it takes from L3 and beyond, or to there, beside nothing else."""
        found, alone = dict[str, float](), 0.0
        for reuse in reuses:
            source = _SOURCE[reuse.level]
            written = reuse.results / self.machine.write[source]
            found[source] = (reuse.inputs + reuse.weights) / self.machine.read[source] + written
            if self.machine.exposed and source != "L2":
                # Results, and activations that are not read as they lie: row after row for some pixels.
                inner = [loop.axis for loop in reuse.body if loop.axis != "channels"]
                strided = inner[-1:] == ["rows"]
                read = reuse.inputs / self.machine.read[source] if strided else 0.0
                exposed = self.machine.exposed * (written + read)
                found[source] -= exposed
                alone += exposed
        return found, alone

    def predict(self, schedule: Schedule) -> Prediction:
        """The time of a complete schedule."""
        assert schedule.algorithm and schedule.microkernel
        cost = self.cost(schedule.algorithm, schedule.microkernel)
        nest = self.nest(schedule)
        spread = fair(nest.units(schedule.parallel or "none"), self.threads)
        cycles, binds, loads = self.tiles(cost, nest, body_of(schedule), schedule.prefetch or 0)
        cycles = (cycles + around(cost, nest, nest.loops)) / spread
        reuses = self.traffic(cost, nest, schedule.planes or "").reuses(nest.loops)
        moved, exposed = self.moving(reuses)
        if schedule.tables == "strips" and "L3" in moved:
            moved["L3"] *= STRIPS
        parts = {"tiles": cycles, **{f"from {level}": c for level, c in moved.items()}}
        binds = (
            max(parts, key=lambda name: parts[name])
            if parts["tiles"] < max(parts.values())
            else binds
        )
        prepared = preparing(
            self.work, schedule, cost, again(nest, schedule), self.stored, self.machine
        )
        running = self.beside(moved, cycles, loads / spread) + exposed
        seconds = self.machine.seconds(running + prepared / self.threads)
        seconds += HAND_OVER * (self.threads > 1)
        told = {
            name: self.machine.seconds(c) for name, c in {**parts, "preparation": prepared}.items()
        }
        return Prediction(seconds, MappingProxyType(told), binds, reuses)

    def beside(self, moved: Mapping[str, float], cycles: float, loads: float) -> float:
        """Cycles of tiles, whose loads take so many, and beside them of bringing what they read."""
        filling = self.machine.filling * moved.get("L2", 0.0)
        if filling and cycles:
            more = ((loads + filling) / cycles) ** PORTS - (loads / cycles) ** PORTS
            cycles *= (1 + more) ** (1 / PORTS)
        return joint((cycles, *moved.values()), self.machine.overlap)

    def tiles(self, cost: TileCost, nest: Nest, body: Body, prefetch: int = 0) -> Cost:
        """Cycles of all tiles, and what binds most of them."""
        by, loads = dict[str, float](), 0.0
        for count, pixels, size, taps in nest.alike:
            one = cost.of(Block(pixels, size, *body, taps, prefetch))
            by[one.binds] = by.get(one.binds, 0) + one.cycles * count
            loads += one.loads * count
        return Cost(sum(by.values()), max(by, key=lambda name: by[name]), loads)

    def least(self, cost: TileCost, nest: Nest, body: Body, least: float) -> float:
        """Cycles that tiles take at least: those with the most taps, and of others their part of `least`."""
        # Others have fewer taps, so their part of what is done once an output is larger than of products.
        most = max(nest.alike, key=lambda one: (one[-1], prod(one)))
        count, pixels, size, taps = most
        cycles = cost.of(Block(pixels, size, *body, taps)).cycles
        if not taps:  # padding alone is seen
            return cycles * count
        every = sum(map(prod, nest.alike))
        # Those of that size take their part of its cycles at least: sums are stored once, however few taps.
        like = sum(one[0] * one[-1] for one in nest.alike if one[1:3] == (pixels, size))
        return cycles * like / taps + least * (1 - like * pixels * size / every)


def body_of(schedule: Schedule) -> Body:
    """The body of a complete schedule's register blocks."""
    assert schedule.unroll and schedule.taps and schedule.planes
    return schedule.unroll, schedule.taps, schedule.planes


def around(cost: TileCost, nest: Nest, loops: tuple[Loop, ...]) -> float:
    """Cycles that the order of the loops takes beside the tiles."""
    third = not cost.simd and cost.taps_inside == 1 and loops[-1].axis == "channels"
    tiles = sum(count for count, *_ in nest.alike)
    return AROUND * turns(nest, loops) + THIRD * tiles * third


def turns(nest: Nest, loops: tuple[Loop, ...]) -> float:
    """Turns of the loop around the innermost."""
    steps = {axis: nest.steps(axis) for axis in AXES}
    found = last = float(nest.batch * nest.groups)
    for loop in loops:
        inside = min(steps[loop.axis], loop.by or 1)
        last, found = found, found * steps[loop.axis] / inside
        steps[loop.axis] = inside
    return last


@cache
def operands_of(cost: TileCost, planes: str) -> Operands:
    """Bytes of what tiles of a kernel touch."""
    rows, columns = cost.work.window.rows, cost.work.window.columns
    words = cost.words * cost.x_planes
    vector = cost.words * cost.w_planes * rows.kernel * columns.kernel * cost.kernel.weight_bytes
    layout = cost.kernel.input_layout(cost.work)
    passes = (1, 1) if planes == "inner" else (cost.w_planes, cost.x_planes)
    pixel = words * word_bytes(layout, cost.kernel)
    return Operands(pixel, vector, cost.kernel.lanes * 4, passes)


def word_bytes(layout: Layout, kernel: Microkernel) -> int:
    """Bytes of one word of activations as a kernel reads it."""
    return 1 << kernel.channels_per_word if layout.table else kernel.word_bytes


def fair(units: int, threads: int) -> float:
    """How many times as fast threads share out so many units."""
    return units / -(-units // threads) if threads > 1 else 1.0
