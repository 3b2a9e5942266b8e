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
from operator import mul
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


class TileCost(TileWords):
    """Costs of the blocks of one kernel on a contraction."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        super().__init__(work, kernel)
        self.machine, self.target = machine, target
        self.registers = TileRegisters(self, target)
        self._simd = "simd" in kernel.verbs.can
        self._memory_operands = target.architecture.memory_operands
        self._known: dict[Block, Cost] = {}
        self._prices: dict[tuple[int, int, int], Priced] = {}

    def of(self, block: Block) -> Cost:
        """The cost of a tile of this block."""
        if (known := self._known.get(block)) is None:
            known = self._known[block] = self._cost(block)
        return known

    def least(self, vectors: float, pixels: float) -> float:
        """Cycles that a vector of outputs takes at least, in blocks of at most so many vectors and pixels."""
        added = {name: own + x / vectors + w / pixels for name, own, x, w in self._least}
        return max(settled(added, self.machine).values())

    @cached_property
    def _least(self) -> list[tuple[str, float, float, float]]:
        """What adds up for a vector of outputs: for itself, its words of activations, and its weights."""
        parts, (sums, _), steps = self.parts(0), self.inner, self.taps_inside * self.words
        own = total(
            (steps * self.x_planes * self.w_planes, parts.product),
            (self.registers.of_results, self._finishing(1)),
            *((1, fold) for fold in parts.folds),
            (-self._first(sums, turns=0), {parts.chain: 1}),
        )
        words = (
            total((steps * self.x_planes, parts.input)),
            total((steps * self.w_planes, parts.weights)),
        )
        own, x, w = (shares(one, self.machine) for one in (own, *words))
        return [(name, one, x[name], w[name]) for name, one in own.items()]

    def _cost(self, block: Block) -> Cost:
        inner, looped = block.planes == "inner", block.planes == "looped"
        pairs, (sums, each) = self.x_planes * self.w_planes, self.inner if inner else (1, 1)
        passes = 1 if inner else pairs
        steps = self.rows_inside * block.columns * self.words
        size, ahead, turns = (
            block.pixels * block.vectors,
            self.ahead(block),
            self.turns(block, each),
        )
        run = self.run(block)
        parts, shared = self._priced(min(block.unroll, run), run, sums)
        folds, waiting = self._folding(block, sums, each, passes, looped=turns > 0)
        times = (
            self._copies(block, parts) * steps,
            self._prefetched(block) * passes * steps,
            waiting,
            turns * passes + looped * passes,
            looped * passes * size * self.registers.of_results,
            looped * passes,
            1,
            size * pairs * steps,
            block.pixels * (self.x_planes if inner else pairs) * steps,
            block.vectors * (self.w_planes if inner else pairs) * steps,
            size * self.registers.of_results,
            -self._first(size * sums, turns + looped),
            *folds,
        )
        added = {name: sum(map(mul, times, one)) for name, one in shared}
        waits = self.machine.latency.get(parts.chain, 1.0)
        if parts.chain == "integer":
            waits *= WAITS[ahead > 1]
        elif parts.chain == "ternary":
            waits *= CARRIED
        chain = passes * steps * each * waits
        bounds = {**settled(added, self.machine), "chain": chain}
        binds = max(bounds, key=bounds.__getitem__)
        each_spilled = SPILLED[self.registers.many] if self._simd else 2
        # Those of 64 bytes are hidden less (uint4 x odd1, C9, 7 x 2: 283 us, not 268; Cascade Lake, 2026-11).
        spilled = (
            self.registers.spilled(block, sums) * passes * steps + waiting * self.registers.many
        )
        spilling = each_spilled * spilled / self.machine.rates["store"]
        body = size * ahead * sum(parts.product.values()) * (pairs if inner else 1)
        fused, loads = self._fused(block, parts) * steps, bounds["loads"]
        bounds["issue"] -= fused / self.machine.issue
        bounds["loads"] -= fused / self.machine.rates["load"]
        cycles = joint((joint(bounds.values(), self.machine.sharpness), loads), PORTS)
        if parts.chain == "ternary":
            cycles = joint((cycles, chain), QUEUED)
        cycles += spilling
        binds = "spills" if spilling > bounds[binds] else binds
        disorder = 1.0 if self.kernel.together > 1 else DISORDER[self.registers.many].factor(body)
        return Cost(cycles * disorder, binds)

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

    def _folding(
        self, block: Block, sums: int, each: int, passes: int, *, looped: bool
    ) -> tuple[list[float], float]:
        """How often each of the narrow accumulators is folded, and how many registers wait for that."""
        found, waiting = list[float](), 0.0
        held = [len(narrow.types) for narrow in self.narrows] + [self.registers.of_results]
        for narrow, (own, wide) in zip(self.narrows, pairwise(held)):
            times, limit = self.folds(block, narrow, each, passes)
            found.append(times * sums * block.pixels * block.vectors)
            if looped:
                waiting += found[-1] * self.registers.waiting(block, sums, own, wide, limit)
        return found, waiting

    def _copies(self, block: Block, parts: Instructions) -> float:
        """Copies of words of activations at a step: below AVX an instruction overwrites an operand.

        The last product takes the word itself, but for one that is moved to all lanes first, in two steps.
        """
        if self.target.vector_bits > 64 or self.registers.scalar:
            return 0.0
        spared = 0 if parts.input.get("look_up") else 1
        if block.planes == "inner":
            return block.pixels * self.x_planes * (block.vectors * self.w_planes - spared)
        return block.pixels * self.x_planes * self.w_planes * (block.vectors - spared)

    def _finishing(self, sums: int) -> dict[str, float]:
        """Of one register of results: doubling between classes of planes, correcting, storing.

        Sums that stand apart are doubled and added, one that is carried only doubled.
        """
        classes = self.x_planes + self.w_planes - 1
        if self.registers.scalar:
            return {"scalar": classes - 0.5, "store": 1.0}
        return {"integer": classes + sums - 1, "store": 1.0}

    def _prefetched(self, block: Block) -> float:
        """Lines that a word of weights asks for."""
        return block.vectors * self.kernel.weight_bytes / 64 if block.prefetch else 0.0

    def _first(self, sums: int, turns: float) -> float:
        """Additions to zero, which fold away where no loop carries the sums; so does narrowing a scalar.

        A product and its addition are one instruction on a microcontroller.
        """
        return 0.0 if turns or not self._simd else sums * (1.0 + self.registers.scalar)

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
