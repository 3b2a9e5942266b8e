"""The schedules of one op on a target: what each field may be, what is legal, which mean the same.

Fields are decided in the order of `FIELDS`; the domain of each depends on those before. What `refusal` lets
pass runs; `canonical` gives one name to all schedules that come to the same program, and is what a record
is filed under. Sampling, mutation, crossover and enumeration are all made of the domains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations, product
from random import Random

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, layout_of
from lowbit_dialect.ops.common import element_of, shaped
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import AXES, CHOICES, Loop, Schedule, Value
from lowering.loops.sharing import packs_overlapping
from microkernels.interface import Microkernel
from microkernels.legality import (
    Demand,
    algorithm_refusal,
    border_outputs,
    executed,
    has_strips,
    kernel_refusal,
    refusal,
    sums_of,
)
from microkernels.nest import PLAIN, Nest, nest_of, window_of
from microkernels.reduction.planes import UNROLLED_PAIRS
from microkernels.reduction.words import pieces_of
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

TILES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128)
"""Steps of cache tiles."""

SEARCHED_ACCUMULATORS = 2
"""Accumulators for each vector register up to which blocks are searched: more only spill."""

SEARCHED_PRODUCTS = 1200
"""Unrolled products of a nest, all its tiles and pairs of planes, up to which it is searched: they are what
takes time to compile (C2 at 2 x 2 bits: 1.1 s for 1,000; Zen 5, 2026-11)."""


@dataclass(frozen=True)
class Way:
    """An algorithm and a kernel, and what the fields of a schedule depend on in them."""

    work: Contraction
    """What the kernel has to do."""
    kernel: Microkernel
    vectors: int
    """Vectors that the output channels of a group fill."""
    words: int
    """Words of one tap."""
    pairs: int
    """Pairs of planes that are multiplied."""
    sums: int
    """Sums of an output where all pairs are multiplied in one pass, of at most `together` pairs each."""
    together: int
    borders: int
    """Outputs of a row that see padding."""
    narrow: tuple[int, ...]
    """Steps of the narrow accumulators, narrowest first."""
    contiguous: bool
    strips: bool

    @classmethod
    def of(cls, work: Contraction, kernel: Microkernel) -> Way:
        """What a kernel makes of a contraction."""
        sums = sums_of(work, kernel)
        pairs = [len(one.pairs) for one in sums]
        return cls(
            work,
            kernel,
            vectors=-(-kernel.channels(work)[1] // kernel.lanes),
            words=-(-work.inputs // kernel.channels_per_word),
            pairs=sum(pairs),
            sums=len(sums),
            together=max(pairs),
            borders=border_outputs(work),
            narrow=tuple(one.steps for one in kernel.narrows(work.activation, work.weight)),
            contiguous=_contiguous(work, kernel),
            strips=has_strips(work, kernel),
        )

    @property
    def taps(self) -> int:
        """Kernel columns."""
        return self.work.window.columns.kernel

    def planes(self, wanted: str | None) -> str:
        """Where the pairs of planes stand if they are `wanted` there: many are in a loop in any case."""
        looped = self.pairs > 1 and not self.kernel.weighs
        if wanted == "inner" and self.pairs > 1:
            return "inner"
        return (
            "looped" if looped and (wanted == "looped" or self.pairs > UNROLLED_PAIRS) else "outer"
        )

    def row(self, borders: Value | None) -> int:
        """Outputs of a row that are cut in tiles."""
        out = window_of(self.work)[0].columns.out
        return out if borders == "peeled" else out - self.borders


class Space:
    """The schedules of a `conv2d` or `dense` on a target, for so many threads."""

    def __init__(self, op: LinearOp, target: Target, threads: int = 1):
        self.demand, self.target, self.threads = Demand.of(op), target, threads
        result = op.outs or op.results[0]
        self._whole = threads > 1 or not reads_alone(op)
        self._overlaps = isinstance(element_of(result.type), CodeType)
        self._ways: dict[str, dict[str, Way]] = {}
        for algorithm in self._algorithms():
            work = executed(self.demand.work, algorithm)
            for kernel in kernels(target):
                if kernel_refusal(self.demand, algorithm, kernel) is None:
                    ways = self._ways.setdefault(algorithm, {})
                    ways[kernel.name] = Way.of(work, kernel)

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
        algorithm = schedule.algorithm if schedule.algorithm in self._ways else "direct"
        return self._ways[algorithm][schedule.microkernel]

    # What means the same

    def canonical(self, schedule: Schedule) -> Schedule:
        """The schedule that all those with the same program as a complete one are called by.

        Fields that do not apply get their first value; numbers get the least that has their effect.
        """
        way = self.way(schedule)
        assert schedule.pixels and schedule.vectors and schedule.loops
        one = replace(
            schedule,
            algorithm=schedule.algorithm if way.work != self.demand.work else "direct",
            vectors=min(schedule.vectors, way.vectors),
            taps=schedule.taps if way.taps > 1 else "none",
            planes=way.planes(schedule.planes),
            borders=schedule.borders if way.borders else "peeled",
        )
        one = replace(one, pixels=_even(way.row(one.borders), schedule.pixels))
        taps, unroll = _reduced(one, way)
        strips = one.tables == "strips" and way.strips and not self._whole
        nest = nest_of(way.work, one, way.kernel)
        return replace(
            one,
            taps=taps,
            unroll=unroll,
            tables="strips" if strips else "whole",
            parallel=self._parallel(one.parallel, nest),
            loops=_effective(schedule.loops, _steps(nest), strips=strips),
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
            return tuple(self._ways)
        if field == "microkernel":
            assert decided.algorithm
            return tuple(self._ways[decided.algorithm])
        way = self.way(decided)
        match field:
            case "vectors":
                return tuple(sorted({min(one, way.vectors) for one in VECTORS}))
            case "planes":
                return tuple(dict.fromkeys(map(way.planes, CHOICES["planes"])))
            case "borders":
                return CHOICES["borders"] if way.borders else ("peeled",)
            case "pixels":
                return self._pixels(decided, way)
            case "taps":
                return CHOICES["taps"] if way.taps > 1 else ("none",)
            case "unroll":
                return _unrolls(decided, way)
            case "loops":
                nest = nest_of(way.work, replace(decided, loops=PLAIN), way.kernel)
                return _orders(_steps(nest), way.strips and not self._whole)
            case "tables":
                assert decided.loops
                outer = decided.loops[0]
                strips = way.strips and not self._whole and outer.axis == "rows" and outer.by
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
        return tuple(sorted({_even(total, size) for size in range(1, most + 1)}))

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
            changed = replace(schedule, **{field: random.choice(others)})  # pyright: ignore[reportArgumentType]
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
                decided = replace(decided, **{field: value})  # pyright: ignore[reportArgumentType]
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
            yield from self._each(replace(decided, **{field: value}), tuple(rest))  # pyright: ignore[reportArgumentType]


def reads_alone(op: LinearOp) -> bool:
    """Whether tables that an op reads are its own: made for it, and for no other op."""
    layout = layout_of(shaped(op.input))
    if layout is not None and layout.table is not None:
        return False
    return sum(isinstance(use.operation, LinearOp) for use in op.input.uses) == 1


def _even(total: int, pixels: int) -> int:
    """Outputs of a tile where `total` are cut in the fewest of at most `pixels`."""
    return -(-total // -(-total // pixels)) if total > 0 else 1


def _contiguous(work: Contraction, kernel: Microkernel) -> bool:
    """Whether the words of neighbouring taps of a row follow each other."""
    layout, code = kernel.input_layout(work), work.activation
    planes = code.planes if isinstance(code, CodeType) and PLANES in layout.terms else 1
    return work.window.columns.dilation == 1 and work.groups == 1 and planes == 1


def _steps(nest: Nest) -> tuple[tuple[str, int], ...]:
    """The steps of each axis."""
    return tuple((axis, nest.steps(axis)) for axis in AXES)


def _reduced(schedule: Schedule, way: Way) -> tuple[str, int]:
    """The least unrolling with the same loops over words, and the taps that these come to."""
    assert schedule.unroll and schedule.taps
    along = way.taps if schedule.taps == "none" and way.contiguous else 1
    row = way.words * way.taps
    if along > 1 and not way.narrow and way.kernel.group == 1 and schedule.unroll >= row:
        return "columns", way.words
    together = way.together if schedule.planes == "inner" else 1
    steps = tuple(one // together for one in way.narrow)
    return schedule.taps, _least(way.words, way.taps, along, steps, schedule.unroll)


def _unrolls(decided: Schedule, way: Way) -> tuple[int, ...]:
    """The unrollings that differ, and leave a nest with few enough products."""
    assert decided.vectors
    reduced = [_reduced(replace(decided, unroll=size), way) for size in UNROLLS]
    sizes = {unroll for taps, unroll in reduced if taps == decided.taps}
    runs = nest_of(way.work, replace(decided, loops=PLAIN), way.kernel).runs
    taps = way.taps if decided.taps == "columns" else 1
    copies = 1 if decided.planes == "looped" else way.pairs
    each = sum(run.pixels for run in runs) * decided.vectors * taps * copies
    found = (size for size in sorted(sizes) if each * min(size, way.words) <= SEARCHED_PRODUCTS)
    return tuple(found) or (1,)


@cache
def _least(words: int, taps: int, along: int, steps: tuple[int, ...], unroll: int) -> int:
    """The least unrolling whose loops over words are those of `unroll`."""

    def loops(size: int) -> list[object]:
        return [pieces_of(words * n, words, words * taps, size, steps) for n in range(1, along + 1)]

    wanted = loops(unroll)
    return next(size for size in range(1, unroll + 1) if loops(size) == wanted)


def _effective(
    loops: tuple[Loop, ...], steps: tuple[tuple[str, int], ...], *, strips: bool = False
) -> tuple[Loop, ...]:
    """The loops without those that change nothing, axes of a single step first."""
    strips = strips and loops[0].axis == "rows" and loops[0].by is not None
    extents, single = dict(steps), [Loop(axis) for axis, count in steps if count == 1]
    left, found = dict(extents), list[Loop]()
    for at, loop in enumerate(loops):
        kept = strips and at == 0
        if extents[loop.axis] == 1 and not kept:
            continue
        if loop.by is not None and not kept and loop.by >= left[loop.axis]:
            continue
        if loop.by is not None:
            left[loop.axis] = loop.by
        # A tile whose steps come next is no tile, nor is one of single steps with more between.
        if found and found[-1].axis == loop.axis and not (strips and len(found) == 1):
            found.pop()
        found.append(loop)
    for at, loop in enumerate(found):
        if loop.by == 1 and not (strips and at == 0):
            found[at] = Loop(loop.axis)
            later = next(n for n in range(at + 1, len(found)) if found[n].axis == loop.axis)
            del found[later]
            return _effective((*single, *found), steps)
    head, tail = (found[:1], found[1:]) if strips else ([], found)
    return (*head, *single, *tail)


@cache
def _orders(steps: tuple[tuple[str, int], ...], strips: bool) -> tuple[tuple[Loop, ...], ...]:
    """Every order of the loops, with up to two cache tiles around them."""
    extents = dict(steps)
    tiles = [Loop(axis, size) for axis in AXES for size in TILES if size < extents[axis]]
    pairs = [pair for pair in product(tiles, tiles) if pair[0].axis != pair[1].axis]
    outer: list[tuple[Loop, ...]] = [(), *((tile,) for tile in tiles), *pairs]
    orders = [tuple(map(Loop, order)) for order in permutations(AXES)]
    every = (_effective((*tile, *order), steps) for tile in outer for order in orders)
    strip = (
        _effective((Loop("rows", size), *order), steps, strips=True)
        for size in (1, *TILES)
        for order in orders
        if strips and size < extents["rows"]
    )
    return tuple(dict.fromkeys((*every, *strip)))
