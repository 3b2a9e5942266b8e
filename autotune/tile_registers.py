"""Registers of one tile, and what becomes of sums and words that find none: stored and loaded again.

The constants are counted in what LLVM 22 makes of 1,300 blocks, but for `SPILLED`, which is fitted to times.
"""

from __future__ import annotations

from functools import cached_property

from autotune.tile_words import Block, TileWords
from microkernels.target import Target

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
COPIED = 2
"""Registers more where instructions overwrite words that others need: below AVX, 6 x 2 by 3 words of look-ups
has 20 accesses to the stack in 150 instructions, 5 x 2 6 in 104, 4 x 2 and 3 x 3 none; with both planes of
uint2 weights at once 6 x 1 by 2 has 14 in 111, 5 x 1 none."""
SOONER = 4
"""Registers more, a vector of outputs but two at most, that AArch64 takes for all planes at once: what the
next words need is loaded before these are done. 5 x 2, 6 x 2 and 3 x 4 by look-ups of two planes have 4, 13
and 16 accesses a word, 4 x 2 and 12 x 1 none (counted for the Cortex-A53, 2026-11)."""
ADDRESSING = 6
"""General registers, of 16 at most, that hold addresses, bounds and masks: the others hold sums and words."""
MASKS = 4
"""General registers of constants of a popcount without an instruction."""


class TileRegisters:
    """The registers that blocks of a kernel take on a target."""

    def __init__(self, tile: TileWords, target: Target):
        self.tile, self.target, self.kernel = tile, target, tile.kernel
        self.scalar = tile.kernel.lanes == 1
        wide = 64 if self.scalar else target.simd_bits
        self.of_results = max(1, tile.kernel.lanes * 32 // wide)
        """Registers of an accumulator that the epilogue receives."""

    @cached_property
    def available(self) -> int:
        """Registers that a block may hold values in."""
        if not self.scalar:
            return self.target.vector_registers
        masks = "scalar_multiply" in self.tile.parts(1).product
        return min(16, self.target.vector_registers) - ADDRESSING - MASKS * masks

    @cached_property
    def many(self) -> bool:
        """Whether there are so many that LLVM loads words early."""
        return not self.scalar and self.target.vector_registers >= MANY

    @cached_property
    def _held(self) -> int:
        return self.tile.parts(1).held

    @cached_property
    def _reordered(self) -> bool:
        """Whether LLVM reorders the sums of products: those of i32 that are added."""
        return self.many and self.tile.parts(1).chain == "integer" and not self.tile.narrows

    def spilled(self, block: Block, sums: int) -> float:
        """Registers' worth of accumulators, and of words loaded ahead, that registers do not hold."""
        each = len(self.tile.narrows[0].types) if self.tile.narrows else self.of_results
        size = 1 if self.tile.one_by_one else block.pixels * block.vectors
        kept = size * sums * each + self._held
        if self.kernel.by_word:
            # Words as they are loaded, those that meet weights in all lanes, two weights, two products.
            few = block.pixels if block.vectors > 2 else min(2, block.pixels)
            held = (block.pixels + 1) // 2 + few + min(2, block.vectors) + 2
            return PINNED * max(0, size + held - self.available)
        if self.kernel.in_turns:
            # Weights of all words that are loaded at once, these, and two products a vector.
            held = self.kernel.together * (block.vectors + 1) + 2 * block.vectors + SPARE
            return PINNED * max(0, size + held - self.available)
        # Several pixels share vectors of weights; one has them as operands in memory.
        planes = self.tile.w_planes if block.planes == "inner" else 1
        shared = block.pixels > 1 and not self.tile.one_by_one
        over = kept + (block.vectors * planes - 1 if shared else 0) - self.available
        copied = self.target.vector_bits == 64 and not self.scalar and block.vectors * planes > 1
        over += COPIED * copied
        if planes > 1 and shared and self.many and self.target.arch == "aarch64":
            over += SOONER * min(2, block.vectors)
        if (group := self.kernel.group) > 1:
            several = block.pixels > 1 and block.vectors > 1
            words = min(group, self.tile.ahead(block)) if self.scalar else group
            return max(0, over + several * (group - 1) * block.vectors) / words
        if self.kernel.together > 1:
            return PINNED * max(0, over + block.pixels - 1)  # words of each pixel, by one load
        if not self._reordered or block.vectors == 1:
            return max(0, over)
        # Each of these is stored and loaded once in the words that stand in a row.
        ahead = self.tile.ahead(block)
        early = EARLY * max(0, ahead - 2) * size
        return max(0, over) + max(0, early + min(0, over)) / ahead

    def waiting(self, block: Block, sums: int, own: int, wide: int, limit: int) -> float:
        """Registers of a wide sum that find none while its narrow one, of `own` registers, takes them.

        Twice as many are taken where LLVM sees all words, at most `limit`, of a narrow sum: it reorders them.
        """
        size = block.pixels * block.vectors * sums
        taken = size * own * (2 if limit <= block.unroll else 1)
        return wide * min(1.0, max(0.0, 1 - (self.available - self._held - taken) / (size * wide)))
