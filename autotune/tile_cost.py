"""What one register block costs the core: ports, chains of sums, registers that do not suffice.

Each class of instructions has its pipes, all vectors share some, and all instructions the decoder: the
fullest of them bounds a block, or the chain of additions that each accumulator waits for. What finds no
register (`tile_registers.py`) is added.

The constants here and in `tile_shares.py` are fitted to 5,500 schedules of six layers at 1 x 1, 2 x 1 and
2 x 2 bits on five levels of x86-64 (Zen 5, 2026-11); neither Zen 4 nor Cascade Lake changed them. Those of
machines stand in their tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from autotune.bounds import joint, settled
from autotune.machine_table import MachineTable
from autotune.tile_registers import SPILLED
from autotune.tile_shares import Common, TileShares
from autotune.tile_words import Block
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Instructions
from microkernels.interface import Microkernel
from microkernels.target import Target

PORTS = 13.0
"""How nearly the ports of loads and all else that bounds a block are a maximum."""

QUEUED = 2.5
"""How nearly the longer of the chain of a carry-save adder and the rest is all (`tile_shares.CARRIED`)."""


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

LENGTHENED = 0.02
"""What twice the code has to gain where outputs come one after the other: they share only where they are, and
the memory of a microcontroller holds the code."""

EDGED = 1.1
"""By what tiles take longer where edges have corrections of their own, but on microcontrollers: C2 and C4 at
odd1 x odd1 by `popcount_64x1` take 0.97 and 0.99 of the time without gathered windows, and were predicted
0.92; C4 with SSE takes 1.1, and was predicted 0.99 (Zen 3, 2026-11)."""


class Cost(NamedTuple):
    """Cycles of tiles, what bounds them, and how many of them the ports of loads are taken."""

    cycles: float
    binds: str
    loads: float


class TileCost(TileShares):
    """Costs of the blocks of one kernel on a contraction."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        super().__init__(work, kernel, machine, target)
        self._memory_operands = target.architecture.memory_operands
        self._edged = EDGED if self.simd and any(work.window.edges) else 1.0
        self._known: dict[Block, Cost] = {}

    def of(self, block: Block) -> Cost:
        """The cost of a tile of this block."""
        if (known := self._known.get(block)) is None:
            known = self._known[block] = self._cost(block)
        return known

    def least(self, vectors: float, pixels: float) -> float:
        """Cycles that a vector of outputs takes at least, in blocks of at most so many vectors and pixels."""
        # Words that meet one other alone may be operands in memory.
        shares = self.least_shares((vectors > 1, pixels > 1))
        added = {
            name: own + x / vectors + w / pixels + placing / (vectors * pixels)
            for name, own, placing, x, w in shares
        }
        bounds = settled(added, self.machine)
        return self._together(bounds, bounds["loads"])

    def _together(self, bounds: dict[str, float], loads: float) -> float:
        """Cycles of what takes pipes for so long."""
        # Where padding alone is seen there are fewer additions than the first ones that fold away.
        taken = bounds.values()
        if min(taken) < 0:
            taken = [max(0.0, one) for one in taken]
        return joint((joint(taken, self.machine.sharpness), max(0.0, loads)), PORTS)

    def _cost(self, block: Block) -> Cost:
        common, size = self.common(block), block.pixels * block.vectors
        waiting = 0.0
        for times, own, wide, limit in common.waiting:
            waits = self.registers.waiting(block, common.sums, own, wide, limit)
            waiting += times * size * waits
        added = {
            name: once + size * each + block.pixels * x + block.vectors * w + waiting * waits
            for name, once, each, x, w, waits in common.shares
        }
        bounds = settled(added, self.machine)
        bounds["chain"] = common.chain
        spilled = self.registers.spilled(block, common.sums) * common.passes * common.steps
        if spilled and self._hides_spills:
            self._beside(bounds, spilled, common)
            spilled = 0.0
        binds = max(bounds, key=bounds.__getitem__)
        each_spilled = SPILLED[self.registers.many] if self.simd else 2
        # Those of 64 bytes are hidden less (uint4 x odd1, C9, 7 x 2: 283 us, not 268; Cascade Lake, 2026-11).
        spilled += waiting * self.registers.many
        spilling = each_spilled * spilled / self.machine.rates["store"]
        fused, loads = self._fused(block, common.parts) * common.steps, bounds["loads"]
        bounds["issue"] -= fused / self.machine.issue
        bounds["loads"] -= fused / self.machine.rates["load"]
        cycles = self._together(bounds, loads)
        if common.parts.chain == "ternary":
            cycles = joint((cycles, common.chain), QUEUED)
        cycles += spilling
        binds = "spills" if spilling > bounds[binds] else binds
        cycles *= self._edged
        if self.one_by_one:
            cycles *= 1 + LENGTHENED * math.log2(size)
            size = 1
        if self.kernel.together == 1:
            cycles *= DISORDER[self.registers.many].factor(size * common.products)
        return Cost(cycles, binds, max(0.0, loads))

    @cached_property
    def _hides_spills(self) -> bool:
        """Whether spills go on beside the rest: those of sums of i32 that products of i16 are added to do.

        2 x 8 by 4 words has 46 stores and 46 loads in 272 instructions, and takes 0.7 of what it would if
        they were added. Look-ups spill up to twice what is counted, and are not so (Zen 3, 2026-11).
        """
        sums = self.simd and "multiply" in self.parts(1).product
        return sums and not self.registers.many

    def _beside(self, bounds: dict[str, float], spilled: float, common: Common) -> None:
        """Add so many spills to what they take: pipes, and a sum is stored before it is loaded again."""
        rates, latency = self.machine.rates, self.machine.latency.get(common.parts.chain, 1.0)
        bounds["loads"] += spilled / rates["load"]
        bounds["stores"] += spilled / rates["store"]
        bounds["issue"] += 2 * spilled / self.machine.issue
        again = common.passes * common.steps * (self.machine.forward + latency)
        bounds["chain"] = max(common.chain, again)

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
        if block.pixels == 1 and self.kernel.takes_weights and not (inner and x > 1):
            found += block.vectors * parts.weights.get("load", 0) * (w if inner else x * w)
        return found
