"""What the parts of a register block add up to of each pipe: once, for a vector, a pixel, and a fold.

Blocks of any size with the same words, planes and kernel columns have these in common, so hundreds of them
are priced by a few sums (`tile_cost.py`).
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from operator import mul
from typing import NamedTuple

from autotune.bounds import shares
from autotune.machine_table import MachineTable
from autotune.tile_registers import TileRegisters
from autotune.tile_words import Block, TileWords
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Instructions, total
from microkernels.interface import Microkernel
from microkernels.target import Target

WAITS = {True: 0.5, False: 0.67}
"""The part of the latency of an addition that a word takes, by whether others stand beside it: LLVM adds the
products of two first, and it unrolls short loops."""

CARRIED = 1.2
"""How many latencies of an addition a word of a carry-save adder waits for: 1, 2, 3 and 4 accumulators take
1.19, 1.05, 1.03 and 1 cycles a word (C9, Cascade Lake, 2026-11)."""

LOOP = {"scalar": 6.0, "branch": 1.5}
"""Of one turn of a loop: two addresses, its counter, its end."""
PLACING = {True: {"scalar": 28.0, "branch": 4.0}, False: {"scalar": 5.0, "branch": 2.0}}
"""Of one tile, by whether it has several taps: addresses of its operands, bounds, the loops around it."""
STARTING = {"scalar": 16.0, "branch": 3.0}
"""Of one tile of vectors and a single tap where loops carry addresses: these start with it, and its sums
(counted in nibbles of 1 x 8, AVX2). C5 at 1 x 1 bit takes 43 cycles a tile of 1 x 8, 23 of 1 x 4 (Zen 3,
2026-11). Sums in general registers start as part of their first word (5 x 5 x 64 to 16, Cortex-M7)."""
SHIFTED = {"integer": 1.0, "shift": 1.0}
"""Of one register of sums for each pair of planes in a loop: shifted by what the pair counts, and added."""
WAITING = {"load": 1.0, "store": 1.0}
"""Of one register of sums that waits in memory."""

Priced = tuple[Instructions, list[tuple[str, tuple[float, ...]]]]
"""Instructions, and by name what the parts of a tile have of each of what adds up."""


class Common(NamedTuple):
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
    """Folds by which sums that wait may find no register (`TileShares._folds`)."""
    shares: list[tuple[str, float, float, float, float, float]]
    """By name, what adds up once, for a vector of one pixel, a pixel, a vector, and a sum that waits."""


class TileShares(TileWords):
    """What tiles of one kernel on a contraction take of each pipe."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        super().__init__(work, kernel)
        self.machine, self.target = machine, target
        self.registers = TileRegisters(self, target)
        self.simd = "simd" in kernel.verbs.can
        self._commons: dict[tuple[object, ...], Common] = {}
        self._prices: dict[tuple[int, int, int], Priced] = {}
        self._least: dict[tuple[bool, bool], list[tuple[str, *tuple[float, ...]]]] = {}

    def least_shares(self, loads: tuple[bool, bool]) -> list[tuple[str, *tuple[float, ...]]]:
        """What adds up for a vector of outputs: for itself and its tile, its words of activations and its
        weights, which each take loads of their own or not."""
        if (known := self._least.get(loads)) is not None:
            return known
        parts, (sums, _), steps = self.parts(0), self.inner, self.taps_inside * self.words
        own = total(
            (steps * self.x_planes * self.w_planes, parts.product),
            (self.registers.of_results, self._finishing(1)),
            *((1, fold) for fold in parts.folds),
            (-self._first(sums, turns=0), {parts.chain: 1}),
        )
        x = total((steps * self.x_planes, parts.input))
        w = total((steps * self.w_planes, parts.weights))
        for counts, own_loads in zip((x, w), loads):
            counts["load"] = counts.get("load", 0.0) * own_loads
        counted = own, self._placing, x, w
        each = [shares(counts, self.machine) for counts in counted]
        found = self._least[loads] = [(name, *(one[name] for one in each)) for name in each[0]]
        return found

    def common(self, block: Block) -> Common:
        """What blocks with the words of one have in common."""
        key = (*block[2:6], bool(block.prefetch))
        if key not in self._commons:
            self._commons[key] = self._summed(block)
        return self._commons[key]

    def _summed(self, block: Block) -> Common:
        inner, looped = block.planes == "inner", block.planes == "looped"
        pairs, (sums, each) = self.x_planes * self.w_planes, self.inner if inner else (1, 1)
        passes, (x, w) = (1, (self.x_planes, self.w_planes)) if inner else (pairs, (pairs, pairs))
        steps = self.rows_inside * block.columns * self.words
        ahead, turns, run = self.ahead(block), self.turns(block, each), self.run(block)
        parts, priced = self._priced(min(block.unroll, run), run, sums)
        folds = self._folds(block, sums, each, passes)
        copied, spared = self._copies(block, parts)
        results, first = self.registers.of_results, self._first(sums, turns + looped)
        turned, gone_over = (turns + looped) * passes, looped * passes
        copies, spares, products = copied * steps, spared * steps, pairs * steps
        xs, ws, prefetches = x * steps, w * steps, self._prefetched(block) * passes * steps
        often = [times for times, *_ in folds]
        # Words that meet weights lane by lane are loaded for each vector.
        apart, xs = (xs, 0.0) if self.kernel.lanewise else (0.0, xs)
        shares = [
            (
                name,
                turned * loop + gone_over * around + placing,
                copies * copy
                + gone_over * results * shifted
                + products * product
                + apart * input
                + results * finish
                - first * chained
                + sum(map(mul, often, folded)),
                xs * input - spares * copy,
                ws * weights + prefetches * load,
                waits,
            )
            for name, (copy, load, waits, loop, shifted, around, placing, *words) in priced
            for product, input, weights, finish, chained, *folded in (words,)
        ]
        if self.one_by_one:
            shares = [
                (name, placing, once - placing + each + x + w, 0.0, 0.0, waits)
                for (name, once, each, x, w, waits), (_, terms) in zip(shares, priced)
                for placing in (terms[6],)
            ]
        waited = self.machine.latency.get(parts.chain, 1.0)
        if parts.chain == "integer":
            waited *= WAITS[ahead > 1]
        elif parts.chain == "ternary":
            waited *= CARRIED
        return Common(
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
    def _placing(self) -> dict[str, float]:
        """Of one tile, beside its loops."""
        several = self.taps_inside > 1
        starts = not several and self.kernel.addresses == "after" and self.kernel.lanes > 1
        return STARTING if starts else PLACING[several]

    @cached_property
    def _always(self) -> list[dict[str, float]]:
        """Shares of the parts of a tile that no kernel decides."""
        around = PLACING[False]
        counts = ({"copy": 1.0}, {"load": 1.0}, WAITING, LOOP, SHIFTED, around, self._placing)
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
