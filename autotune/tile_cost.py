"""What one register block costs the core: ports, chains of sums, registers that do not suffice.

Each class of instructions has its pipes, all vectors share some, and all instructions the decoder: the
fullest of them bounds a block, or the chain of additions that each accumulator waits for. What finds no
register (`tile_registers.py`) is added.

The constants here are fitted to 5,500 schedules of six layers at 1 x 1, 2 x 1 and 2 x 2 bits on five levels
of x86-64 (Zen 5, 2026-11); neither Zen 4 nor Cascade Lake changed them. Those of machines stand in their
tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from autotune.bounds import joint, settled, shares
from autotune.machine_table import MachineTable
from autotune.tile_registers import SPILLED, TileRegisters
from autotune.tile_words import Block, TileWords
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Instructions, total
from microkernels.interface import Microkernel
from microkernels.target import Target

PORTS = 13.0
"""How nearly the ports of loads and all else that bounds a block are a maximum."""

WAITS = {True: 0.5, False: 0.67}
"""The part of the latency of an addition that a word takes, by whether others stand beside it: LLVM adds the
products of two first, and it unrolls short loops."""

CARRIED, QUEUED = 1.2, 2.5
"""How many of them a word of a carry-save adder waits for, and how nearly the longer of that and the rest
is all: 1, 2, 3 and 4 accumulators take 1.19, 1.05, 1.03 and 1 cycles a word (C9, Cascade Lake, 2026-11)."""


@dataclass(frozen=True)
class Disorder:
    """How much slower a body becomes as it grows: LLVM orders long ones worse, and they decode slower."""

    size: float
    """Instructions up to which nothing is lost."""
    rate: float
    """The part that is lost each time that the body doubles."""

    def factor(self, instructions: float) -> float:
        """By what the time of a body of so many is multiplied."""
        return 1 + self.rate * max(0.0, math.log2(instructions / self.size))


DISORDER = {True: Disorder(48, 0.02), False: Disorder(20, 0.02)}
"""By whether there are `MANY` registers."""

EDGED = 1.1
"""By what tiles take longer where edges have corrections of their own, but on microcontrollers: C2 and C4 at
odd1 x odd1 by `popcount_64x1` take 0.97 and 0.99 of the time without gathered windows, and were predicted
0.92; C4 with SSE takes 1.1, and was predicted 0.99 (Zen 3, 2026-11)."""

LOOP = {"scalar": 6.0, "branch": 1.5}
"""Of one turn of a loop: two addresses, its counter, its end."""
PLACING = {True: {"scalar": 28.0, "branch": 4.0}, False: {"scalar": 5.0, "branch": 2.0}}
"""Of one tile, by whether it has several taps: addresses of its operands, bounds, the loops around it."""


SHIFTED = {"integer": 1.0, "shift": 1.0}
"""Of one register of sums for each pair of planes in a loop: shifted by what the pair counts, and added."""
WAITING = {"load": 1.0, "store": 1.0}
"""Of one register of sums that waits in memory."""


class Cost(NamedTuple):
    """Cycles of one tile, and what bounds them."""

    cycles: float
    binds: str


Priced = tuple[Instructions, list[tuple[str, tuple[float, ...]]]]
"""Instructions, and by name what the parts of a tile have of each of what adds up."""


class Body(NamedTuple):
    """What blocks of any size with the same words, planes and kernel columns have in common."""

    parts: Instructions
    sums: int
    passes: int
    """How often the words are gone over."""
    steps: float
    """Words of a pass."""
    chain: float
    """Cycles that an accumulator waits for its additions."""
    products: float
    """Instructions of the products in a row, for a vector of one pixel."""
    waiting: list[tuple[float, int, int, int]]
    """Folds by which sums that wait may find no register (`TileCost._folds`)."""
    shares: list[tuple[str, float, float, float, float, float]]
    """By name, what adds up once, for a vector of one pixel, a pixel, a vector, and a sum that waits."""


class TileCost(TileWords):
    """Costs of the blocks of one kernel on a contraction."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        super().__init__(work, kernel)
        self.machine, self.target = machine, target
        self.registers = TileRegisters(self, target)
        self.simd = "simd" in kernel.verbs.can
        self._memory_operands = target.architecture.memory_operands
        self._known: dict[Block, Cost] = {}
        self._bodies: dict[tuple[object, ...], Body] = {}
        self._prices: dict[tuple[int, int, int], Priced] = {}

    def of(self, block: Block) -> Cost:
        """The cost of a tile of this block."""
        if (known := self._known.get(block)) is None:
            known = self._known[block] = self._cost(block)
        return known

    def least(self, vectors: float, pixels: float) -> float:
        """Cycles that a vector of outputs takes at least, in blocks of at most so many vectors and pixels."""
        # Words that meet one other alone may be operands in memory.
        few = vectors == 1, pixels == 1
        added = {
            name: own + x[few[0]] / vectors + w[few[1]] / pixels + placing / (vectors * pixels)
            for name, own, placing, x, w in self._least
        }
        bounds = settled(added, self.machine)
        return self._together(bounds, bounds["loads"])

    @cached_property
    def _least(self) -> list[tuple[str, float, float, tuple[float, float], tuple[float, float]]]:
        """What adds up for a vector of outputs: for itself and its tile, its words of activations, with loads
        and without, and its weights."""
        parts, (sums, _), steps = self.parts(0), self.inner, self.taps_inside * self.words
        own = total(
            (steps * self.x_planes * self.w_planes, parts.product),
            (self.registers.of_results, self._finishing(1)),
            *((1, fold) for fold in parts.folds),
            (-self._first(sums, turns=0), {parts.chain: 1}),
        )
        x, w = (
            total((steps * planes, counts))
            for planes, counts in ((self.x_planes, parts.input), (self.w_planes, parts.weights))
        )
        counted = own, PLACING[self.taps_inside > 1], x, {**x, "load": 0.0}, w, {**w, "load": 0.0}
        first, placing, *words = (shares(one, self.machine) for one in counted)
        return [
            (
                name,
                one,
                placing[name],
                (words[0][name], words[1][name]),
                (words[2][name], words[3][name]),
            )
            for name, one in first.items()
        ]

    def _together(self, bounds: dict[str, float], loads: float) -> float:
        """Cycles of what takes pipes for so long."""
        # Where padding alone is seen there are fewer additions than the first ones that fold away.
        taken = [max(0.0, one) for one in bounds.values()]
        return joint((joint(taken, self.machine.sharpness), max(0.0, loads)), PORTS)

    def _cost(self, block: Block) -> Cost:
        body, size = self._body(block), block.pixels * block.vectors
        waiting = 0.0
        for times, own, wide, limit in body.waiting:
            waits = self.registers.waiting(block, body.sums, own, wide, limit)
            waiting += times * size * waits
        added = {
            name: once + size * each + block.pixels * x + block.vectors * w + waiting * waits
            for name, once, each, x, w, waits in body.shares
        }
        bounds = {**settled(added, self.machine), "chain": body.chain}
        spilled = self.registers.spilled(block, body.sums) * body.passes * body.steps
        if spilled and self._hides_spills:
            self._beside(bounds, spilled, body)
            spilled = 0.0
        binds = max(bounds, key=bounds.__getitem__)
        each_spilled = SPILLED[self.registers.many] if self.simd else 2
        # Those of 64 bytes are hidden less (uint4 x odd1, C9, 7 x 2: 283 us, not 268; Cascade Lake, 2026-11).
        spilled += waiting * self.registers.many
        spilling = each_spilled * spilled / self.machine.rates["store"]
        fused, loads = self._fused(block, body.parts) * body.steps, bounds["loads"]
        bounds["issue"] -= fused / self.machine.issue
        bounds["loads"] -= fused / self.machine.rates["load"]
        cycles = self._together(bounds, loads)
        if body.parts.chain == "ternary":
            cycles = joint((cycles, body.chain), QUEUED)
        cycles += spilling
        binds = "spills" if spilling > bounds[binds] else binds
        if self.kernel.together == 1:
            cycles *= DISORDER[self.registers.many].factor(size * body.products)
        if self.simd and any(self.work.window.edges):
            cycles *= EDGED
        return Cost(cycles, binds)

    @cached_property
    def _hides_spills(self) -> bool:
        """Whether spills go on beside the rest: those of sums of i32 that products of i16 are added to do.

        2 x 8 by 4 words has 46 stores and 46 loads in 272 instructions, and takes 0.7 of what it would if
        they were added. Look-ups spill up to twice what is counted, and are not so (Zen 3, 2026-11).
        """
        sums = self.simd and "multiply" in self.parts(1).product
        return sums and not self.registers.many

    def _beside(self, bounds: dict[str, float], spilled: float, body: Body) -> None:
        """Add so many spills to what they take: pipes, and a sum is stored before it is loaded again."""
        rates, latency = self.machine.rates, self.machine.latency.get(body.parts.chain, 1.0)
        bounds["loads"] += spilled / rates["load"]
        bounds["stores"] += spilled / rates["store"]
        bounds["issue"] += 2 * spilled / self.machine.issue
        again = body.passes * body.steps * (self.machine.forward + latency)
        bounds["chain"] = max(body.chain, again)

    def _body(self, block: Block) -> Body:
        """What blocks with the words of one have in common."""
        key = (*block[2:6], bool(block.prefetch))
        if key not in self._bodies:
            self._bodies[key] = self._summed(block)
        return self._bodies[key]

    def _summed(self, block: Block) -> Body:
        inner, looped = block.planes == "inner", block.planes == "looped"
        pairs, (sums, each) = self.x_planes * self.w_planes, self.inner if inner else (1, 1)
        passes, (x, w) = (1, (self.x_planes, self.w_planes)) if inner else (pairs, (pairs, pairs))
        steps = self.rows_inside * block.columns * self.words
        ahead, turns, run = self.ahead(block), self.turns(block, each), self.run(block)
        parts, priced = self._priced(min(block.unroll, run), run, sums)
        folds = self._folds(block, sums, each, passes)
        copied, spared = self._copies(block, parts)
        results, first = self.registers.of_results, self._first(sums, turns + looped)
        shares = [
            (
                name,
                (turns + looped) * passes * loop + looped * passes * around + placing,
                copied * steps * copy
                + looped * passes * results * shifted
                + pairs * steps * product
                + results * finish
                - first * chained
                + sum(times * one for (times, *_), one in zip(folds, folded)),
                x * steps * input - spared * steps * copy,
                w * steps * weights + self._prefetched(block) * passes * steps * load,
                waits,
            )
            for name, (copy, load, waits, loop, shifted, around, placing, *words) in priced
            for product, input, weights, finish, chained, *folded in (words,)
        ]
        waited = self.machine.latency.get(parts.chain, 1.0)
        if parts.chain == "integer":
            waited *= WAITS[ahead > 1]
        elif parts.chain == "ternary":
            waited *= CARRIED
        return Body(
            parts,
            sums,
            passes,
            steps,
            chain=passes * steps * each * waited,
            products=ahead * sum(parts.product.values()) * (pairs if inner else 1),
            waiting=folds if turns else [],
            shares=shares,
        )

    @cached_property
    def _always(self) -> list[dict[str, float]]:
        """Shares of the parts of a tile that no kernel decides."""
        placing = PLACING[self.taps_inside > 1]
        counts = ({"copy": 1.0}, {"load": 1.0}, WAITING, LOOP, SHIFTED, PLACING[False], placing)
        return [shares(one, self.machine) for one in counts]

    def _priced(self, row: int, run: int, sums: int) -> Priced:
        """The instructions of `row` words of a `run`, with the shares of all that `_cost` adds up, once."""
        if max(self.kernel.group, self.kernel.together) == 1:
            row = run = 1  # all words are alike
        key = row, run, sums
        if key not in self._prices:
            parts = self.entering(row, run)
            counts = (parts.product, parts.input, parts.weights, self._finishing(sums))
            counts = (*counts, {parts.chain: 1.0}, *parts.folds)
            each = [*self._always, *(shares(one, self.machine) for one in counts)]
            added = ((name, tuple(one[name] for one in each)) for name in each[0])
            self._prices[key] = parts, [(name, one) for name, one in added if any(one)]
        return self._prices[key]

    def _folds(
        self, block: Block, sums: int, each: int, passes: int
    ) -> list[tuple[float, int, int, int]]:
        """Of each narrow accumulator: how often those of a sum are folded, its registers and those of the
        wide one, and after how many words it is folded at most."""
        held = [len(narrow.types) for narrow in self.narrows] + [self.registers.of_results]
        found = [self.folds(block, narrow, each, passes) for narrow in self.narrows]
        return [
            (times * sums, own, wide, limit)
            for (times, limit), (own, wide) in zip(found, pairwise(held))
        ]

    def _copies(self, block: Block, parts: Instructions) -> tuple[float, float]:
        """Copies of words of activations at a step for each vector of sums, and what each pixel spares.

        Below AVX an instruction overwrites an operand. The last product takes the word itself, but for one
        that is moved to all lanes first, in two steps.
        """
        if self.target.vector_bits > 64 or self.registers.scalar:
            return 0.0, 0.0
        pairs = self.x_planes * self.w_planes
        spared = self.x_planes if block.planes == "inner" else pairs
        return pairs, 0.0 if parts.input.get("look_up") else spared

    def _finishing(self, sums: int) -> dict[str, float]:
        """Of one register of results: doubling between classes of planes, correcting, storing.

        Sums that stand apart are doubled and added, one that is carried only doubled.
        """
        classes = self.x_planes + self.w_planes - 1
        if self.registers.scalar:
            return {"scalar": classes - 0.5, "store": 1.0}
        return {"integer": classes + sums - 1, "store": 1.0}

    def _prefetched(self, block: Block) -> float:
        """Lines that a word of a vector of weights asks for."""
        return self.kernel.weight_bytes / 64 if block.prefetch else 0.0

    def _first(self, sums: int, turns: float) -> float:
        """Additions to zero, which fold away where no loop carries the sums; so does narrowing a scalar.

        A product and its addition are one instruction on a microcontroller.
        """
        return 0.0 if turns or not self.simd else sums * (1.0 + self.registers.scalar)

    def _fused(self, block: Block, parts: Instructions) -> float:
        """Loads for a step that are operands of the one instruction that needs them: they take ports alone.

        A table of 16 bytes is in a register: its index may be in memory. Below AVX vectors in memory would
        have to be aligned.
        """
        legacy = self.target.vector_bits == 64 and not self.registers.scalar
        if legacy or not self._memory_operands:
            return 0.0
        x, w, inner = self.x_planes, self.w_planes, block.planes == "inner"
        found = 0.0
        held = (self.tables and parts.product.get("look_up")) or (inner and w > 1)
        if block.vectors == 1 and not held:
            found += block.pixels * parts.input.get("load", 0) * (x if inner else x * w)
        if block.pixels == 1 and not (inner and x > 1):
            found += block.vectors * parts.weights.get("load", 0) * (w if inner else x * w)
        return found
