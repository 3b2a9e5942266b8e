"""What one register block costs the core: ports, chains of sums, registers that do not suffice.

Each class of instructions has its pipes, all vectors share some, and all instructions the decoder: the
fullest of them bounds a block, or the chain of additions that each accumulator waits for. Accumulators and
what LLVM loads ahead of its use beyond the registers are stored and loaded again.

The constants here say what LLVM makes of a block. They are fitted to 5,500 schedules of six layers at 1 x 1,
2 x 1 and 2 x 2 bits on five levels of x86-64 (Zen 5, 2026-11); those of machines stand in their tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import mul
from typing import NamedTuple

from autotune.bounds import joint, settled, shares
from autotune.machine_table import MachineTable
from lowbit_dialect.algebra import PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Instructions, total
from microkernels.interface import Microkernel
from microkernels.legality import sums_of
from microkernels.reduction.planes import weight_of_pairs
from microkernels.target import Target

SHARPNESS = 13.0
"""How nearly the bounds of a block are a maximum."""

WAITS = {True: 0.5, False: 0.67}
"""The part of the latency of an addition that a word takes, by whether others stand beside it: LLVM adds the
products of two first, and it unrolls short loops."""

CARRIED, QUEUED = 1.2, 2.5
"""How many of them a word of a carry-save adder waits for, and how nearly the longer of that and the rest
is all: 1, 2, 3 and 4 accumulators take 1.19, 1.05, 1.03 and 1 cycles a word (C9, Cascade Lake, 2026-11)."""

EARLY = 0.5
"""Registers, for each sum of a block, that a third and further words in a row hold where LLVM reorders sums
of i32: it does with several vectors (132 blocks of `popcount_32x16`: 8 x 2 by 2, 4 and 8 words spill 0, 3
and 19, 14 x 2 0, 39 and 93, 14 x 1 none). Sums that are taken from zero stay in order, as in all look-ups."""
MANY = 32
"""Registers from which on it does; with fewer it makes words operands in memory."""

SPILLED = {True: 0.55, False: 0.8}
"""The part of the accesses that a spilled register takes, the rest being hidden; by `MANY` or not. A
microcontroller hides neither the load nor the store."""
PINNED = 3
"""What a register too few counts as where barriers keep LLVM from loading later what it needs. In turns, on
AArch64, 3 x 3, 4 x 3, 8 x 2 and 3 x 4 by 4 words have 3, 9, 10 and 16 accesses and copies a word more than
there should be (counted for the Cortex-A53, 2026-11)."""
SPARE = 2
"""Registers that cannot be had there, as four that are loaded at once follow each other."""
ADDRESSING = 6
"""General registers, of 16 at most, that hold addresses, bounds and masks: the others hold sums and words."""
MASKS = 4
"""General registers of constants of a popcount without an instruction."""


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


SHIFTED = {"integer": 2.0}
"""Of one register of sums for each pair of planes in a loop: shifted by what the pair counts, and added."""
WAITING = {"load": 1.0, "store": 1.0}
"""Of one register of sums that waits in memory."""


class Block(NamedTuple):
    """A register block and its loops; a tuple, as hundreds an op are made and looked up."""

    pixels: int
    vectors: int
    unroll: int
    taps: str
    planes: str
    columns: float
    """Kernel columns inside the image, on average over its pixels."""
    prefetch: int = 0


class Cost(NamedTuple):
    """Cycles of one tile, and what bounds them."""

    cycles: float
    binds: str


Priced = tuple[Instructions, list[tuple[str, tuple[float, ...]]]]
"""Instructions, and by name what the parts of a tile have of each of what adds up."""


class TileCost:
    """Costs of the blocks of one kernel on a contraction."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        self.work, self.kernel, self.machine, self.target = work, kernel, machine, target
        self.x_planes = _planes(work.activation, PLANES in kernel.input_layout(work).terms)
        self.w_planes = _planes(work.weight, PLANES in kernel.weight_layout(work, 1).terms)
        self.words = -(-work.inputs // kernel.channels_per_word)
        self.narrows = kernel.narrows(work.activation, work.weight)
        self.scalar = kernel.lanes == 1
        self._memory_operands = target.architecture.memory_operands
        wide = 64 if self.scalar else target.simd_bits
        self.registers_each = max(1, kernel.lanes * 32 // wide)
        """Registers of an accumulator that the epilogue receives."""
        self._known: dict[Block, Cost] = {}
        self._instructions: dict[int, Instructions] = {}
        self._prices: dict[tuple[int, int, int], Priced] = {}

    def _parts(self, row: int) -> Instructions:
        """The instructions of the kernel where so many words are unrolled."""
        if row not in self._instructions:
            self._instructions[row] = self.kernel.instructions(self.work, row)
        return self._instructions[row]

    def _entering(self, row: int, run: int) -> Instructions:
        """The instructions of the kernel: of the words that are unrolled, and of those that are left."""
        whole, rest = self._parts(row), run % row
        if max(self.kernel.group, self.kernel.together) == 1 or not rest:
            return whole
        left, part = self._parts(rest), rest / run
        product = total((1 - part, whole.product), (part, left.product))
        return replace(
            whole, product=product, input=total((1 - part, whole.input), (part, left.input))
        )

    @cached_property
    def columns_inside(self) -> float:
        """Kernel columns of an output inside the image, on average."""
        columns = self.work.window.columns
        return columns.taps_inside / columns.out

    @cached_property
    def rows_inside(self) -> float:
        """Kernel rows of an output inside the image, on average."""
        rows = self.work.window.rows
        return rows.taps_inside / rows.out

    @property
    def taps_inside(self) -> float:
        """Taps of an output inside the image, on average."""
        return self.rows_inside * self.columns_inside

    @cached_property
    def _weight(self) -> int | None:
        """What one product counts in all pairs of planes, if a narrow accumulator may span these."""
        codes = self.work.activation, self.work.weight
        if not isinstance(codes[0], CodeType) or not isinstance(codes[1], CodeType):
            return None
        return weight_of_pairs(PairAlgebra(codes[0], codes[1]))

    @cached_property
    def _inner(self) -> tuple[int, int]:
        """Sums of an output where pairs of planes are innermost, and how many pairs one takes at most."""
        sums = sums_of(self.work, self.kernel)
        return len(sums), max(len(one.pairs) for one in sums)

    @cached_property
    def _registers(self) -> int:
        """Registers that a block may hold values in."""
        if not self.scalar:
            return self.target.vector_registers
        masks = "scalar_multiply" in self._parts(1).product
        return min(16, self.target.vector_registers) - ADDRESSING - MASKS * masks

    @cached_property
    def _many(self) -> bool:
        return not self.scalar and self.target.vector_registers >= MANY

    @cached_property
    def _reordered(self) -> bool:
        """Whether LLVM reorders the sums of products: those of i32 that are added."""
        return self._many and self._parts(1).chain == "integer" and not self.narrows

    def of(self, block: Block) -> Cost:
        """The cost of a tile of this block."""
        if block not in self._known:
            self._known[block] = self._cost(block)
        return self._known[block]

    def _cost(self, block: Block) -> Cost:
        inner, looped = block.planes == "inner", block.planes == "looped"
        pairs, (sums, each) = self.x_planes * self.w_planes, self._inner if inner else (1, 1)
        passes = 1 if inner else pairs
        steps = self.rows_inside * block.columns * self.words
        size, ahead, turns = block.pixels * block.vectors, self._ahead(block), self._turns(block)
        run = self._run(block)
        parts, shared = self._priced(min(block.unroll, run), run, sums)
        folds, waiting = self._folding(block, sums, each, passes, looped=turns > 0)
        times = (
            self._copies(block, parts) * pairs * steps,
            self._prefetched(block) * passes * steps,
            waiting,
            turns * passes + looped * passes,
            looped * passes * size * self.registers_each,
            looped * passes,
            1,
            size * pairs * steps,
            block.pixels * (self.x_planes if inner else pairs) * steps,
            block.vectors * (self.w_planes if inner else pairs) * steps,
            size * self.registers_each,
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
        bounds["issue"] -= self._fused(block, parts) * steps * pairs / self.machine.issue
        binds = max(bounds, key=bounds.__getitem__)
        each_spilled = SPILLED[self._many] if "simd" in self.kernel.verbs.can else 2
        # Those of 64 bytes are hidden less (uint4 x odd1, C9, 7 x 2: 283 us, not 268; Cascade Lake, 2026-11).
        spilled = self._spilled(block, sums) * passes * steps + waiting * self._many
        spilling = each_spilled * spilled / self.machine.rates["store"]
        body = size * ahead * sum(parts.product.values()) * (pairs if inner else 1)
        cycles = joint(bounds.values(), SHARPNESS)
        if parts.chain == "ternary":
            cycles = joint((cycles, chain), QUEUED)
        cycles += spilling
        binds = "spills" if spilling > bounds[binds] else binds
        disorder = 1.0 if self.kernel.together > 1 else DISORDER[self._many].factor(body)
        return Cost(cycles * disorder, binds)

    @cached_property
    def _always(self) -> list[dict[str, float]]:
        """Shares of the parts of a tile that no kernel decides."""
        placing = PLACING[self.taps_inside > 1]
        counts = ({"copy": 1.0}, {"load": 1.0}, WAITING, LOOP, SHIFTED, PLACING[False], placing)
        return [shares(one, self.machine) for one in counts]

    def _priced(self, row: int, run: int, sums: int) -> Priced:
        """The instructions of `row` words of a `run`, with the shares of all that `_cost` adds up, once."""
        key = row, run, sums
        if key not in self._prices:
            parts = self._entering(row, run)
            counts = (parts.product, parts.input, parts.weights, self._finishing(sums))
            counts = (*counts, {parts.chain: 1.0}, *parts.folds)
            each = [*self._always, *(shares(one, self.machine) for one in counts)]
            added = ((name, tuple(one[name] for one in each)) for name in each[0])
            self._prices[key] = parts, [(name, one) for name, one in added if any(one)]
        return self._prices[key]

    def _copies(self, block: Block, parts: Instructions) -> float:
        """Copies of words of activations: below AVX an instruction overwrites an operand.

        The last product takes the word itself, but for one that is moved to all lanes first, in two steps.
        """
        if self.target.vector_bits > 64 or self.scalar:
            return 0.0
        spared = 0 if parts.input.get("look_up") else block.pixels
        return block.pixels * block.vectors - spared

    def _finishing(self, sums: int) -> dict[str, float]:
        """Of one register of results: doubling between classes of planes, correcting, storing.

        Sums that stand apart are doubled and added, one that is carried only doubled.
        """
        classes = self.x_planes + self.w_planes - 1
        if self.scalar:
            return {"scalar": classes - 0.5, "store": 1.0}
        return {"integer": classes + sums - 1, "store": 1.0}

    def _prefetched(self, block: Block) -> float:
        """Lines that a word of weights asks for."""
        return block.vectors * self.kernel.weight_bytes / 64 if block.prefetch else 0.0

    def _first(self, sums: int, turns: float) -> float:
        """Additions to zero, which fold away where no loop carries the sums; so does narrowing a scalar."""
        return 0.0 if turns else sums * (1.0 + self.scalar)

    def _fused(self, block: Block, parts: Instructions) -> float:
        """Loads for a word that are operands of the only instruction that needs them."""
        if not self._memory_operands:
            return 0.0
        inputs = block.pixels * parts.input.get("load", 0) if block.vectors == 1 else 0
        weights = block.vectors * parts.weights.get("load", 0) if block.pixels == 1 else 0
        return inputs + weights

    @cached_property
    def _contiguous(self) -> bool:
        """Whether the words of neighbouring taps of a row follow each other."""
        work = self.work
        return work.window.columns.dilation == work.groups == self.x_planes == 1

    def _run(self, block: Block) -> int:
        """Words that one loop goes over: of a tap, or of a row of taps."""
        joined = block.taps == "none" and self._contiguous and not self.kernel.in_turns
        return self.words * (self.work.window.columns.kernel if joined else 1)

    def _ahead(self, block: Block) -> int:
        """Words whose products stand in a row, without a loop between."""
        columns, run = self.work.window.columns.kernel, self._run(block)
        if self.kernel.in_turns:
            return min(block.unroll, run) * columns
        if run // block.unroll > 1:
            return block.unroll
        return run * (columns if block.taps == "columns" else 1)

    def _spilled(self, block: Block, sums: int) -> float:
        """Registers' worth of accumulators, and of words loaded ahead, that registers do not hold."""
        each = len(self.narrows[0].types) if self.narrows else self.registers_each
        size = block.pixels * block.vectors
        kept = size * sums * each + self._parts(1).held
        if self.kernel.in_turns:
            # Weights of all words that are loaded at once, these, and two products a vector.
            held = self.kernel.together * (block.vectors + 1) + 2 * block.vectors + SPARE
            return PINNED * max(0, size + held - self._registers)
        # Several pixels share vectors of weights; one has them as operands in memory.
        planes = self.w_planes if block.planes == "inner" else 1
        over = kept + (block.vectors * planes - 1 if block.pixels > 1 else 0) - self._registers
        if (group := self.kernel.group) > 1:
            several = block.pixels > 1 and block.vectors > 1
            return max(0, over + several * (group - 1) * block.vectors) / group
        if self.kernel.together > 1:
            return PINNED * max(0, over + block.pixels - 1)  # words of each pixel, by one load
        if not self._reordered or block.vectors == 1:
            return max(0, over)
        # Each of these is stored and loaded once in the words that stand in a row.
        ahead = self._ahead(block)
        early = EARLY * max(0, ahead - 2) * size
        return max(0, over) + max(0, early + min(0, over)) / ahead

    def _folding(
        self, block: Block, sums: int, each: int, passes: int, *, looped: bool
    ) -> tuple[list[float], float]:
        """How often each of the narrow accumulators is folded, and how many registers wait for that."""
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        run, size = self._run(block), block.pixels * block.vectors
        found, waiting = list[float](), 0.0
        held = [len(narrow.types) for narrow in self.narrows] + [self.registers_each]
        for narrow, (own, wide) in zip(self.narrows, pairwise(held)):
            steps = max(1, narrow.steps // each)
            limit = steps // block.unroll * block.unroll or steps
            pairs = self._weight if narrow.doubles and block.planes == "outer" else None
            if pairs and pairs * self.words * columns * rows <= limit:
                times = 1 / passes
            elif self.words * columns * rows <= limit:
                times = 1.0
            elif self.words * columns <= limit:
                times = rows
            else:
                runs = self.rows_inside * (1 if run > self.words else block.columns)
                times = runs * -(-run // limit)
            found.append(times * passes * sums * size)
            # Sums around that find no register wait in memory while the narrow ones take them, and twice as
            # many where LLVM sees all of a narrow sum and reorders it.
            taken = size * sums * own * (2 if limit <= block.unroll else 1)
            spare = self._registers - self._parts(1).held - taken
            out = wide * looped * min(1.0, max(0.0, 1 - spare / (size * sums * wide)))
            waiting += found[-1] * out
        return found, waiting

    def _turns(self, block: Block) -> float:
        """Turns of the loops of one pass; none where a tile is straight code."""
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        run = self._run(block)
        pieces = run // block.unroll
        turns = pieces if pieces > 1 else 0
        if self.kernel.in_turns:
            return rows * turns + (rows if rows > 1 else 0)
        if run == self.words and columns > 1:
            turns = columns * (turns + (block.taps == "none"))
        return rows * turns + (rows if rows > 1 else 0)


def _planes(element: object, apart: bool) -> int:
    """Planes of an operand that are multiplied one by one."""
    return element.planes if apart and isinstance(element, CodeType) else 1
