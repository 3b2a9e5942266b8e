"""Words that are loaded when they are multiplied, again for each output: for few registers and long products.

Addresses are pinned every two words. LLVM makes one load (`ldrd` of ARM) of two neighbours, but of those at
one address it first takes as many as it finds, gives up as they are too far apart, and makes none; from an
address of their own it sees two. A word of C12 at 1 x 1 bits takes 8.7 instructions so, the whole layer
counted, and 10.4 without (Cortex-M7, Unicorn, 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from microkernels.interface import Word
from microkernels.reduction.products import Inside, Products
from microkernels.reduction.walk import Cursor, Step, Totals

PINNED = 2
"""Words that are loaded from one address."""


@dataclass(frozen=True)
class Late:
    """The step of a reduction by a kernel that `loads_late`."""

    products: Products

    def step(self, words: int, inside: Inside, factor: int) -> Step:
        """Unrolled `words`, as many at a time as the kernel takes; they count `factor`."""
        group = self.products.kernel.group

        def steps(at: Cursor, totals: Totals) -> Totals:
            totals, late = list(totals), _Words(self.products, at)
            # The rest first: where sums begin, its adders of zero fold away.
            ends = [*range(words % group or group, words, group), words]
            for first, end in zip([0, *ends], ends):
                self._multiply(late, totals, inside, range(first, end), factor)
            return totals

        return steps

    def _multiply(
        self, words: _Words, totals: Totals, inside: Inside, numbers: range, factor: int
    ) -> None:
        products, kernel = self.products, self.products.kernel
        size = len(totals) // products.count
        for n, one in enumerate(products.sums):
            weight = products.weights.get(one.pairs[0], factor)
            for r, v in product(inside, range(products.vectors)):
                first = ((n * products.pixels + r) * products.vectors + v) * size
                own = slice(first, first + size)
                totals[own] = kernel.accumulate_late(
                    products.emit,
                    tuple(totals[own]),
                    words.of(r, v, product(numbers, one.pairs)),
                    xor=products.xor,
                    weight=weight,
                )


@dataclass
class _Words:
    """The words of a step, each loaded as it is asked for."""

    products: Products
    at: Cursor

    def of(self, r: int, v: int, places: Iterable[tuple[int, tuple[int, int]]]) -> Iterator[Word]:
        """Those of pixel `r` and vector `v`, by number and planes."""
        emit, kernel, operands = self.products.emit, self.products.kernel, self.products.operands
        strides, planes = operands.words, operands.planes
        for count, (number, (i, j)) in enumerate(places):
            if count % PINNED == 0:
                self.at = self.at.pinned(emit)
            x = self.at.x.plus(r * operands.pixel + number * strides.x + i * planes.x)
            w = self.at.w.plus(v * kernel.weight_bytes + number * strides.w + j * planes.w)
            yield (
                kernel.load_input(emit, emit.offset(x.pointer, x.bytes)),
                kernel.load_weights(emit, emit.offset(w.pointer, w.bytes)),
            )
