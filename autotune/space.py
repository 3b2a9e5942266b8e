"""The schedules of one op on a target: what each field may be, what is legal, which mean the same.

Fields are decided in the order of `FIELDS`; the domain of each depends on those before. What `refusal` lets
pass runs; `canonical` gives one name to all schedules that come to the same program, and is what a record
is filed under. Sampling, mutation, crossover and enumeration are all made of the domains.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from random import Random

from autotune.loop_orders import effective, orders, steps_of
from autotune.ways import Way, even, reduced
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import element_of, shaped
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import CHOICES, Schedule, Value
from lowering.loops.sharing import packs_overlapping
from microkernels.interface import Microkernel
from microkernels.legality import (
    MOST_PEELED,
    Demand,
    algorithm_refusal,
    executed,
    multiplies,
    overfull,
    refusal,
    sums_of,
)
from microkernels.nest import PLAIN, Nest, nest_of, runs_of, window_of
from microkernels.table import kernels
from microkernels.target import Target

FIELDS = (
    "algorithm",
    "microkernel",
    "vectors",
    "planes",
    "borders",
    "pixels",
    "taps",
    "unroll",
    "loops",
    "tables",
    "prefetch",
    "parallel",
)
"""Every field, in the order in which they are decided."""

VECTORS = (1, 2, 3, 4, 6, 8)
UNROLLS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
PREFETCHES = (0, 4, 16)
"""Words ahead: nothing, about what latency of L2 takes, of L3."""

SEARCHED_ACCUMULATORS = 2
"""Accumulators for each vector register up to which blocks are searched: more only spill."""

SEARCHED_PRODUCTS = 400
"""Unrolled products of a nest, all its tiles and pairs of planes, up to which it is searched: they are what
takes time to compile (C9 at 2 x 1 bits: 0.4 s for 400, Zen 3, 2026-11). The fastest of a layer have at most
108 (5 layers and pairs, 600 measured with AVX2), first choices of the model at most 384 (AVX-512)."""


class Space:
    """The schedules of a `conv2d` or `dense` on a target, for so many threads."""

    def __init__(self, op: LinearOp, target: Target, threads: int = 1):
        self.demand, self.target, self.threads = Demand.of(op), target, threads
        result = op.outs or op.results[0]
        self._whole = threads > 1 or not reads_alone(op)
        self._overlaps = isinstance(element_of(result.type), CodeType)
        self._kernels: dict[str, dict[str, Microkernel]] = {}
        self._ways: dict[tuple[str, str], Way] = {}
        for algorithm in self._algorithms():
            work = executed(self.demand.work, algorithm)
            for kernel in kernels(target):
                if multiplies(self.demand, work, kernel):
                    self._kernels.setdefault(algorithm, {})[kernel.name] = kernel

    @property
    def key(self) -> Hashable:
        """What decides which schedules there are and how fast, for one target and number of threads."""
        return self.demand, self._whole, self._overlaps

    def _algorithms(self) -> tuple[str, ...]:
        work, direct = self.demand.work, ("direct",)
        if work == work.gathered or algorithm_refusal(self.demand, "im2col"):
            return direct
        return CHOICES["algorithm"]

    def refusal(self, schedule: Schedule) -> str | None:
        """Why a schedule cannot execute the op; None if it can."""
        if error := refusal(self.demand, schedule, self.target):
            return error
        if schedule.tables == "strips" and self._whole:
            return "tables = strips is for tables that one op alone reads, on one thread"
        return None

    def way(self, schedule: Schedule) -> Way:
        """What a schedule decides first; where there is nothing to gather, im2col is direct."""
        assert schedule.algorithm and schedule.microkernel
        algorithm = schedule.algorithm if schedule.algorithm in self._kernels else "direct"
        key = algorithm, schedule.microkernel
        if key not in self._ways:
            work = executed(self.demand.work, algorithm)
            self._ways[key] = Way.of(work, self._kernels[algorithm][schedule.microkernel])
        return self._ways[key]

    def strips(self, decided: Schedule) -> bool:
        """Whether the tables of a kernel may be made in strips."""
        return self.way(decided).strips and not self._whole

    # What means the same

    def canonical(self, schedule: Schedule) -> Schedule:
        """The schedule that all those with the same program as a complete one are called by.

        Fields that do not apply get their first value; numbers get the least that has their effect.
        """
        way = self.way(schedule)
        assert schedule.pixels and schedule.vectors and schedule.loops
        assert schedule.taps and schedule.unroll
        planes = way.planes(schedule.planes)
        taps, unroll = schedule.taps if way.taps > 1 else "none", schedule.unroll
        taps, unroll = reduced(taps, unroll, planes, way)
        borders = schedule.borders if way.borders else "peeled"
        strips = schedule.tables == "strips" and way.strips and not self._whole
        one = schedule.changed(
            algorithm=schedule.algorithm if way.work != self.demand.work else "direct",
            vectors=min(schedule.vectors, way.vectors),
            pixels=even(way.row(borders), schedule.pixels),
            taps=taps,
            unroll=unroll,
            planes=planes,
            borders=borders,
            tables="strips" if strips else "whole",
        )
        nest = nest_of(way.work, one, way.kernel)
        return one.changed(
            parallel=self._parallel(one.parallel, nest),
            loops=effective(schedule.loops, steps_of(nest), strips=strips),
        )

    def _parallel(self, parallel: str | None, nest: Nest) -> str:
        """The parallel axis in effect."""
        if self.threads == 1 or parallel is None:
            return "none"
        if parallel == "channels" and self._overlaps and packs_overlapping(nest):
            parallel = "rows"
        return parallel if nest.units(parallel) > 1 else "none"

    # Domains

    def domain(self, field: str, decided: Schedule) -> tuple[Value, ...]:
        """The values of a field that are searched, the fields before it being decided; at least one."""
        if field == "algorithm":
            return tuple(self._kernels)
        if field == "microkernel":
            assert decided.algorithm
            return tuple(self._kernels[decided.algorithm])
        way = self.way(decided)
        match field:
            case "vectors":
                return tuple(sorted({min(one, way.vectors) for one in VECTORS}))
            case "planes":
                return tuple(dict.fromkeys(map(way.planes, _planes(way))))
            case "borders":
                return _borders(way)
            case "pixels":
                return self._pixels(decided, way)
            case "taps":
                return CHOICES["taps"] if way.taps > 1 else ("none",)
            case "unroll":
                return _unrolls(decided, way)
            case "loops":
                nest = nest_of(way.work, decided.changed(loops=PLAIN), way.kernel)
                return orders(steps_of(nest), self.strips(decided))
            case "tables":
                assert decided.loops
                outer = decided.loops[0]
                strips = self.strips(decided) and outer.axis == "rows" and outer.by
                return CHOICES["tables"] if strips else ("whole",)
            case "prefetch":
                return PREFETCHES
            case _:
                return CHOICES["parallel"] if self.threads > 1 else ("none",)

    def _pixels(self, decided: Schedule, way: Way) -> tuple[int, ...]:
        assert decided.vectors
        total = way.row(decided.borders)
        sums = way.sums if decided.planes == "inner" else 1
        registers = SEARCHED_ACCUMULATORS * self.target.vector_registers
        most = max(1, min(registers // (decided.vectors * sums), max(1, total)))
        return tuple(sorted({even(total, size) for size in range(1, most + 1)}))

    # Drawing

    def sample(self, random: Random) -> Schedule:
        """A legal schedule, each field drawn evenly from its domain."""
        return self._completed(Schedule(), random)

    def mutate(self, schedule: Schedule, random: Random) -> Schedule:
        """A legal neighbour: one field drawn anew, and after it those that no longer fit."""
        for _ in range(32):
            field = random.choice(FIELDS)
            at = FIELDS.index(field)
            before = Schedule(**{f: getattr(schedule, f) for f in FIELDS[:at]})
            others = [one for one in self.domain(field, before) if one != getattr(schedule, field)]
            if not others:
                continue
            changed = schedule.changed(**{field: random.choice(others)})
            found = self._completed(changed, random)
            if found != schedule:
                return found
        return schedule

    def cross(self, first: Schedule, second: Schedule, random: Random) -> Schedule:
        """A legal schedule whose fields are those of one or the other, where they fit."""
        mixed = {f: getattr(random.choice((first, second)), f) for f in FIELDS}
        return self._completed(Schedule(**mixed), random)

    def _completed(self, wanted: Schedule, random: Random) -> Schedule:
        """A legal, canonical schedule with the fields that are wanted, where their domains have them."""
        while True:
            decided = Schedule()
            for field in FIELDS:
                domain, value = self.domain(field, decided), getattr(wanted, field)
                value = value if value in domain else random.choice(domain)
                decided = decided.changed(**{field: value})
            if self.refusal(decided) is None:
                return self.canonical(decided)
            wanted = Schedule()

    def __iter__(self) -> Iterator[Schedule]:
        """All canonical schedules, each once."""
        seen: set[Schedule] = set()
        for decided in self._each(Schedule(), FIELDS):
            if self.refusal(decided) is None and (one := self.canonical(decided)) not in seen:
                seen.add(one)
                yield one

    def _each(self, decided: Schedule, fields: tuple[str, ...]) -> Iterator[Schedule]:
        if not fields:
            yield decided
            return
        field, *rest = fields
        for value in self.domain(field, decided):
            yield from self._each(decided.changed(**{field: value}), tuple(rest))


def _planes(way: Way) -> tuple[str, ...]:
    """Where pairs of planes may stand: innermost where narrow accumulators hold all of them."""
    full = overfull(sums_of(way.work, way.kernel), way.work, way.kernel)
    return tuple(one for one in CHOICES["planes"] if one != "inner" or full is None)


def _borders(way: Way) -> tuple[Value, ...]:
    """Borders peeled off where there are few, or in loops."""
    if not way.borders:
        return ("peeled",)
    return CHOICES["borders"] if way.borders <= MOST_PEELED else ("looped",)


def reads_alone(op: LinearOp) -> bool:
    """Whether tables that an op reads are its own: made for it, and for no other op."""
    layout = layout_of(shaped(op.input))
    if layout is not None and layout.table is not None:
        return False
    return sum(isinstance(use.operation, LinearOp) for use in op.input.uses) == 1


def _unrolls(decided: Schedule, way: Way) -> tuple[int, ...]:
    """The unrollings that differ, and leave a nest with few enough products."""
    assert decided.vectors and decided.taps and decided.pixels
    least = min(way.kernel.together, way.words)
    sized = [size for size in UNROLLS if size >= least]
    found = [reduced(decided.taps, size, decided.planes, way) for size in sized]
    sizes = {unroll for taps, unroll in found if taps == decided.taps}
    columns = window_of(way.work)[0].columns
    runs = runs_of(columns, decided.pixels, peeled=decided.borders == "peeled")
    # Taps in turns are not counted: cores in order want them straight (rpi3: by 24 words, not by 8, 0.993).
    taps = way.taps if decided.taps == "columns" else 1
    copies = 1 if decided.planes == "looped" else way.pairs
    vectors = decided.vectors + way.vectors % decided.vectors  # of whole blocks and of the last
    each = sum(run.pixels for run in runs) * vectors * taps * copies
    fitting = (size for size in sorted(sizes) if each * min(size, way.words) <= SEARCHED_PRODUCTS)
    return tuple(fitting) or (least,)
