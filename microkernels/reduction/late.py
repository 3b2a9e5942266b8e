"""Words that are loaded when they are multiplied, again for each output: for few registers and long products.

Addresses are pinned every two words. LLVM makes one load (`ldrd` of ARM) of two neighbours, but of those at
one address it first takes as many as it finds, gives up as they are too far apart, and makes none; from an
address of their own it sees two. A word of C12 at 1 x 1 bits takes 8.7 instructions so, the whole layer
counted, and 10.4 without (Cortex-M7, Unicorn, 2026-11). Of four words it makes two loads by itself, and the
copies of addresses are saved: C8 takes 0.96 to 0.97 of the instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from xdsl.ir import SSAValue

from microkernels.address import Address
from microkernels.emit import Emitter
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
        """Unrolled `words`, which count `factor`."""
        products, kernel = self.products, self.products.kernel

        def steps(at: Cursor, totals: Totals) -> Totals:
            totals = list(totals)
            size = len(totals) // len(products.sums)
            for n, one in enumerate(products.sums):
                places = list(product(range(words), one.pairs))
                own = slice(n * size, (n + 1) * size)
                totals[own] = kernel.accumulate(
                    products.emit,
                    tuple(totals[own]),
                    _Words(products, at, places),
                    xor=products.xor,
                    weight=products.weights.get(one.pairs[0], factor),
                )
            return totals

        return steps


@dataclass
class _Words(Sequence[Word]):
    """Words of some numbers and planes, each loaded as it is asked for, one after the other."""

    products: Products
    at: Cursor
    places: list[tuple[int, tuple[int, int]]]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Word:  # pyright: ignore
        kernel, operands = self.products.kernel, self.products.operands
        strides, planes = operands.words, operands.planes
        number, (i, j) = self.places[index]
        if index % PINNED == 0 and len(self) > 2 * PINNED:
            self.at = self.at.pinned(self.products.emit)
        x = self.at.x.plus(number * strides.x + i * planes.x)
        w = self.at.w.plus(number * strides.w + j * planes.w)
        return self._word(x, kernel.load_input), self._word(w, kernel.load_weights)

    def _word(self, at: Address, load: Callable[[Emitter, SSAValue], SSAValue]) -> SSAValue:
        """A word, which an output before may have loaded."""
        emit, held = self.products.emit, self.products.operands.held
        if held is None:
            return load(emit, emit.offset(at.pointer, at.bytes))
        if at not in held:
            held[at] = load(emit, emit.offset(at.pointer, at.bytes))
        return held[at]
