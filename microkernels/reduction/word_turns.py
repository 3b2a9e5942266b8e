"""The same rows of taps word by word, where registers hold weights of one word and no more.

    words of each pixel loaded, four in half a register
    for each word: for two vectors: weights loaded; for a few pixels: meet, count, add

Registers of 16, 2 pixels x 4 vectors by 4 words: 8 accumulators, 1 of words as they are loaded, 2 of one
word in all lanes, 2 weights, and 2 more for 4 products, as weights are overwritten: 15. A word takes 24
instructions on products, 2 broadcasts and 2 loads of weights, a tap 2 loads of words: 1.19 times the
products, where 4 x 2 takes 1.25. C6 at 1 x 1 bits, everything counted, takes 1.36 times 3 instructions for
128 products; in turns over four words 1.71 (Unicorn, ARMv7, 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from xdsl.ir import SSAValue

from microkernels.address import Address
from microkernels.interface import Word
from microkernels.reduction.products import Inside, Products
from microkernels.reduction.walk import Cursor, Strides, Totals

TOGETHER = 4
"""Products of which each is met, counted and added beside the others."""


@dataclass
class WordTurns:
    """One pass over the words of a tap, of which as many were loaded as the kernel takes."""

    products: Products
    at: Cursor
    totals: Totals

    def run(self, numbers: range, start: Strides, inside: Inside) -> Totals:
        """The accumulators with the products of a tap that lies inside the image for some pixels."""
        products, at = self.products, self.at.plus(start)
        words, pixel = products.operands.words, products.operands.pixel
        first = at.x.plus(numbers.start * words.x)
        loaded = [products.words_at(first.plus(r * pixel), len(numbers)) for r in inside]
        for number, each in zip(numbers, zip(*loaded)):
            self._word(at.w.plus(number * words.w), dict(zip(inside, each)))
        return self.totals

    def _word(self, w: Address, words: dict[int, SSAValue]) -> None:
        """One word of each pixel by all vectors, two at a time and few pixels."""
        products, inside = self.products, list(words)
        products.ask_ahead(w)
        for v in range(0, products.vectors, 2):
            weights = products.two_vectors_at(w, v)
            few = TOGETHER // len(weights)
            for n in range(0, len(inside), few):
                pixels = inside[n : n + few]
                if v == 0:  # where they are first wanted: loaded are more than there are registers
                    pinned = products.emit.barrier(*(words[r] for r in pixels))
                    words.update(zip(pixels, pinned))
                slots = [r * products.vectors + v + i for r in pixels for i in range(len(weights))]
                self._multiply(slots, list(product((words[r] for r in pixels), weights)))

    def _multiply(self, slots: Sequence[int], words: Sequence[Word]) -> None:
        """Products that do not wait for each other, to some accumulators."""
        emit, kernel, xor = self.products.emit, self.products.kernel, self.products.xor
        met = emit.barrier(*(kernel.meet(emit, x, w, xor=xor) for x, w in words))
        counts = emit.barrier(*(kernel.count(emit, one) for one in met))
        sums = (kernel.add(emit, self.totals[slot], one) for slot, one in zip(slots, counts))
        for slot, one in zip(slots, emit.barrier(*sums)):
            self.totals[slot] = one
