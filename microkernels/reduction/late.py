"""Words that are loaded when they are multiplied, again for each output: for few registers and long products.

Addresses are pinned every two words. LLVM makes one load (`ldrd` of ARM) of two neighbours, but of those at
one address it first takes as many as it finds, gives up as they are too far apart, and makes none; from an
address of their own it sees two. A word of C12 at 1 x 1 bits takes 8.7 instructions so, the whole layer
counted, and 10.4 without (Cortex-M7, Unicorn, 2026-11). Of four words it makes two loads by itself, and the
copies of addresses are saved: C8 takes 0.96 to 0.97 of the instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from microkernels.interface import Word
from microkernels.reduction.products import Products
from microkernels.reduction.walk import Cursor, Step, Totals

PINNED = 2
"""Words that are loaded from one address, unless there are no more than twice as many."""


@dataclass(frozen=True)
class Late:
    """The step of a reduction by a kernel that `loads_late`, which is of one output."""

    products: Products

    def step(self, words: int, factor: int) -> Step:
        """Unrolled `words`, as many at a time as the kernel takes; they count `factor`."""
        products, kernel = self.products, self.products.kernel
        # The rest first: where sums begin, its adders of zero fold away.
        ends = [*range(words % kernel.group or kernel.group, words, kernel.group), words]
        runs = [range(first, end) for first, end in zip([0, *ends], ends)]

        def steps(at: Cursor, totals: Totals) -> Totals:
            totals, late = list(totals), _Words(products, at)
            size = len(totals) // len(products.sums)
            for numbers, (n, one) in product(runs, enumerate(products.sums)):
                places, own = list(product(numbers, one.pairs)), slice(n * size, (n + 1) * size)
                totals[own] = kernel.accumulate_late(
                    products.emit,
                    tuple(totals[own]),
                    late.of(places),
                    words * len(one.pairs),
                    xor=products.xor,
                    weight=products.weights.get(one.pairs[0], factor),
                )
            return totals

        return steps


@dataclass
class _Words:
    """The words of a step, each loaded as it is asked for."""

    products: Products
    at: Cursor

    def of(self, places: list[tuple[int, tuple[int, int]]]) -> Iterator[Word]:
        """Those of some numbers and planes."""
        emit, kernel, operands = self.products.emit, self.products.kernel, self.products.operands
        strides, planes = operands.words, operands.planes
        for count, (number, (i, j)) in enumerate(places):
            if count % PINNED == 0 and len(places) > 2 * PINNED:
                self.at = self.at.pinned(emit)
            x = self.at.x.plus(number * strides.x + i * planes.x)
            w = self.at.w.plus(number * strides.w + j * planes.w)
            yield (
                kernel.load_input(emit, emit.offset(x.pointer, x.bytes)),
                kernel.load_weights(emit, emit.offset(w.pointer, w.bytes)),
            )
