"""The best schedules of an op by the model, without looking at all of them.

A schedule is decided from the inside: kernels by what an output takes at least, then register blocks by
cycles an output, then what is unrolled in the best of these, then the loops around the best of all. What
is bound to be slower than the best that are known is not looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from heapq import nsmallest
from itertools import product
from math import inf

from autotune.best_first import Closed, best_first
from autotune.block_loops import ORDERS, BlockLoops
from autotune.bounds import joint
from autotune.machine_table import MachineTable
from autotune.model import Body, Model, Prediction, operands_of
from autotune.preparing import Stored, preparing
from autotune.space import Space
from autotune.tile_cost import Cost, TileCost
from autotune.tile_words import Block
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.legality import algorithm_refusal, kernel_refusal
from microkernels.nest import PLAIN
from microkernels.table import find_kernel

BLOCKS = 5
"""Register blocks of a kernel whose unrolling is looked into."""
LOOKED_AT = 12
"""Sizes of register blocks for which it is looked into what their operands take to arrive."""
CORES = 6
"""Schedules whose loops are looked into."""
TILED_CORES = 2
"""Of these, the first of which cache tiles are looked into."""
CORRECTED = 4
"""Choices of the model for each that is left when they are corrected."""


def stored_as(op: LinearOp) -> Stored:
    """How the activations of an op come, for what is prepared."""
    layout = layout_of(shaped(op.input))
    if (layout is not None and layout.packed) or isinstance(op.input.owner, LinearOp):
        return "planes"
    return "codes"


def ranked(
    space: Space,
    machine: MachineTable,
    count: int,
    pinned: Schedule | None = None,
    stored: Stored = "codes",
    correction: Callable[[Schedule, Prediction], Prediction] | None = None,
) -> list[tuple[Schedule, Prediction]]:
    """The `count` schedules of a space that the model has for fastest on a machine, best first.

    Fields of `pinned` that are set are kept; activations come as they are `stored`. With a `correction` of
    predictions (`autotune.correction`) they are the first by that of `CORRECTED` times as many.
    """
    model = Model(space.demand.work, space.target, machine, stored, space.threads)
    ranking = Ranking(space, model, pinned or Schedule())
    if correction is None:
        return ranking.best(count)
    found = [(one, correction(one, told)) for one, told in ranking.best(CORRECTED * count)]
    return sorted(found, key=lambda one: one[1].seconds)[:count]


def first_choice(
    space: Space, machine: MachineTable, pinned: Schedule, stored: Stored = "codes"
) -> Schedule:
    """The schedule that the model has for fastest, fields of `pinned` kept as far as they have an effect.

    Raises ValueError where there is none, saying what is in the way.
    """
    if error := _impossible(space, pinned):
        raise ValueError(error)
    if pinned.algorithm and space.demand.work == space.demand.work.gathered:
        pinned = pinned.changed(algorithm="direct")
    model = Model(space.demand.work, space.target, machine, stored, space.threads)
    ranking = Ranking(space, model, pinned)
    first = ranking.best(1)
    if not first:
        raise ValueError(ranking.refused)
    return first[0][0]


def _impossible(space: Space, pinned: Schedule) -> str | None:
    """Why no kernel, or not the one that is pinned, executes an op."""
    demand, target, algorithm = space.demand, space.target, pinned.algorithm
    if algorithm and (error := algorithm_refusal(demand, algorithm)):
        return error
    if pinned.microkernel:
        kernel = find_kernel(pinned.microkernel, target)
        ways = (algorithm,) if algorithm else space.domain("algorithm", Schedule()) or ("direct",)
        refused = [kernel_refusal(demand, str(way), kernel) for way in ways]
        return refused[0] if all(refused) else None
    if space.domain("algorithm", Schedule()):
        return None
    what = f"{demand.work.activation} by {demand.work.weight}"
    if demand.products:
        what += f", and sums that corrections of products = '{demand.products}' are for"
    return f"no microkernel of {target.name} multiplies {what}"


Numbers = tuple[int, str, int]
"""Vectors, planes and pixels of a register block."""
Core = tuple[Schedule, Body]
"""A register block, and its taps and unrolling: of hundreds, a few become whole schedules."""


class Ranking:
    """The schedules of a space with some fields pinned, by a model."""

    def __init__(self, space: Space, model: Model, pinned: Schedule):
        self.space, self.model, self.pinned = space, model, pinned
        self._loops = BlockLoops(space, model, pinned)
        self.refused: str | None = None
        """Why the first of those that are illegal is."""

    def best(self, count: int) -> list[tuple[Schedule, Prediction]]:
        """The fastest `count`, best first."""
        found: dict[Schedule, Prediction] = {}
        legal: list[tuple[float, Schedule]] = []
        for place, (block, (unroll, taps, _)) in enumerate(self._cores()):
            if place >= max(CORES, count) and len(legal) >= count:
                break
            core = block.changed(taps=taps, unroll=unroll)
            for schedule in self._loops.of(core, tiled=place < TILED_CORES):
                one = self.space.canonical(schedule)
                if one in found:
                    continue
                found[one] = self.model.predict(one)
                if error := self.space.refusal(one):
                    self.refused = self.refused or error
                else:
                    legal.append((found[one].seconds, one))
        fastest = nsmallest(count, legal, key=lambda one: one[0])
        return [(schedule, found[schedule]) for _, schedule in fastest]

    def kernels(self, seconds: float) -> list[Schedule]:
        """Algorithms and kernels that by their bounds may take so many seconds or fewer."""
        cycles = seconds * self.model.machine.clock
        ways = ((bound, way) for bound, way in self._ways() if bound <= cycles)
        return [
            way.changed(loops=None) for bound, way in ways if bound + self._laying(way) <= cycles
        ]

    def _cores(self) -> Iterator[Core]:
        """Register blocks of all kernels by their cycles, best first."""
        ways = [(bound, Closed(partial(self._laid, way, bound))) for bound, way in self._ways()]
        return (core for _, core in best_first(ways))

    def _laid(self, way: Schedule, least: float) -> Iterator[tuple[float, Closed[Core]]]:
        """An algorithm and a kernel, with what laying out activations for it takes beside its tiles."""
        yield least + self._laying(way), Closed(partial(self._blocks, way))

    def _domain(self, field: str, decided: Schedule) -> tuple[object, ...]:
        value = getattr(self.pinned, field)
        return self.space.domain(field, decided) if value is None else (value,)

    def _ways(self) -> Iterator[tuple[float, Schedule]]:
        """Algorithms and kernels, with the least cycles that their tiles take."""
        pinned = self.pinned.microkernel
        for algorithm in self._domain("algorithm", Schedule()):
            first = Schedule(algorithm=str(algorithm), loops=PLAIN)
            kernels = tuple(map(str, self.space.domain("microkernel", first)))
            for kernel in kernels:
                if kernel != pinned and (pinned or self._outdone(kernel, kernels)):
                    continue
                way = first.changed(microkernel=kernel)
                cost = self.model.cost(str(algorithm), kernel)
                vectors: tuple[int, ...] = self._domain("vectors", way)  # pyright: ignore
                yield self._outputs(cost) * cost.least(max(vectors), inf), way

    def _outdone(self, kernel: str, kernels: tuple[str, ...]) -> bool:
        """Whether another of the kernels does the same with no more instructions."""
        return any(one in kernels for one in find_kernel(kernel, self.space.target).instead)

    def _outputs(self, cost: TileCost) -> float:
        """Vectors of outputs."""
        groups, channels = cost.kernel.channels(cost.work)
        return cost.work.pixels * groups * -(-channels // cost.kernel.lanes)

    def _blocks(self, way: Schedule) -> Iterator[tuple[float, Closed[Core]]]:
        """The best register blocks of a kernel in all unrollings, by bounds of their cycles."""
        assert way.algorithm and way.microkernel
        cost, laying = self.model.cost(way.algorithm, way.microkernel), self._laying(way)
        for reached, alone, block in self._soonest(cost, self._looked_at(cost, way)):
            yield from self._unrolled(cost, block, reached - alone + laying)

    def _unrolled(
        self, cost: TileCost, block: Schedule, more: float
    ) -> Iterator[tuple[float, Closed[Core]]]:
        """A register block in all unrollings, by bounds of its cycles, of which `more` are not of tiles."""
        nest, planes = self.model.nest(block), str(block.planes)
        least = self._outputs(cost) * cost.least(nest.vectors, block.pixels or 1)

        def priced(body: Body) -> Iterator[tuple[float, Core]]:
            yield self.model.tiles(cost, nest, body)[0] + more, (block, body)

        for taps in map(str, self._domain("taps", block)):
            unrolls: tuple[int, ...] = self._domain("unroll", block.changed(taps=taps))  # pyright: ignore
            for body in ((unroll, taps, planes) for unroll in unrolls):
                bound = self.model.least(cost, nest, body, least)
                yield bound + more, Closed(partial(priced, body))

    def _looked_at(self, cost: TileCost, way: Schedule) -> list[Schedule]:
        """The best register blocks of a kernel if all tiles were of whole ones, with all borders."""
        sizes: dict[tuple[int, int, bool], tuple[float, Numbers]] = {}
        for block in self._register_blocks(way):
            vectors, planes, pixels = block
            size, one = (vectors, pixels, planes == "inner"), (self._cycles(cost, block), block)
            sizes[size] = min(sizes.get(size, one), one)
        return [
            way.changed(vectors=vectors, planes=planes, borders=str(borders), pixels=pixels)
            for _, (vectors, planes, pixels) in nsmallest(LOOKED_AT, sizes.values())
            for borders in self._domain("borders", way)
        ]

    def _register_blocks(self, way: Schedule) -> set[Numbers]:
        """The numbers of every register block of a kernel."""
        fields = ("vectors", "planes", "borders")
        found: set[Numbers] = set()
        for vectors, planes, borders in product(*(self._domain(field, way) for field in fields)):
            one = way.changed(vectors=vectors, planes=planes, borders=borders)  # pyright: ignore[reportArgumentType]
            found |= {(vectors, planes, pixels) for pixels in self._domain("pixels", one)}  # pyright: ignore
        return found

    def _soonest(
        self, cost: TileCost, blocks: list[Schedule]
    ) -> list[tuple[float, float, Schedule]]:
        """The best register blocks by cycles of the tiles with what they read brought, and those without."""
        alone = [
            self.model.tiles(cost, self.model.nest(one), (_few(cost), "none", str(one.planes)))
            for one in blocks
        ]
        found: list[tuple[float, int]] = []
        for number in sorted(range(len(blocks)), key=lambda one: alone[one].cycles):
            # Bringing takes nothing away: those that are left are slower still.
            if len(found) == BLOCKS and alone[number].cycles > found[-1][0]:
                break
            served = self._served(cost, blocks[number], alone[number])
            found = nsmallest(BLOCKS, [*found, (served, number)])
        return [(served, alone[number].cycles, blocks[number]) for served, number in found]

    def _served(self, cost: TileCost, block: Schedule, tiles: Cost) -> float:
        """Cycles of the tiles with what they read brought in the best order of the loops."""
        nest, planes = self.model.nest(block), str(block.planes)
        most, _ = self.model.moving(self.model.traffic(cost, nest, "outer").unheld())
        if max(most.values(), default=0.0) <= tiles.cycles / 4:
            return tiles.cycles
        traffic = self.model.traffic(cost, nest, planes)
        return min(
            self._loops.beside(traffic, loops, tiles.cycles, tiles.loads) for loops in ORDERS
        )

    def _laying(self, way: Schedule) -> float:
        """Cycles of laying out activations."""
        assert way.algorithm and way.microkernel
        model, cost = self.model, self.model.cost(way.algorithm, way.microkernel)
        return preparing(model.work, way, cost, 1.0, model.stored, model.machine)

    def _cycles(self, cost: TileCost, block: Numbers) -> float:
        """Cycles of all tiles if all were of whole blocks: those that are cut take less.

        Weights of a block that L1 does not hold come anew for each tile, in whatever loops it stands.
        """
        size, planes, pixels = block
        tile = cost.of(Block(pixels, size, _few(cost), "none", planes, cost.columns_inside))
        operands, moved = operands_of(cost, planes), 0.0
        if (weights := size * operands.vector) > self.model.target.caches[0]:
            moved = weights * operands.passes[1] / self.model.machine.read["L2"]
        cycles = joint((tile.cycles, moved), self.model.machine.overlap) if moved else tile.cycles
        return self._outputs(cost) * cycles / pixels / size


def _few(cost: TileCost) -> int:
    """Words that a block is looked at with, before it is decided how many are unrolled."""
    return max(2, cost.kernel.group, cost.kernel.together)
