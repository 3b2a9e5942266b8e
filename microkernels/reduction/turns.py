"""The reduction of a row of taps by a kernel that loads several words of a pixel at once, in a fixed order.

LLVM would load what fits no register and spill it, and an order that it is given it does not keep: 7 x 2 by
4 words, C2 at 1 x 1 bits, takes 1.40 times 3 instructions for 128 products and spills 53 of 656; as pinned
here 1.20 and none (counted on Unicorn for the Cortex-A53, 2026-11). A barrier behind every few instructions
pins them; it is none itself.

Words of a pixel are taken one by one: while one meets its weights, those of the word before are counted,
and those of the one before that are added, so that each instruction finds what it needs six later, the
latency of the Cortex-A53. At most 8 registers hold words and counts, where the next words are loaded and
where two meet their weights; so 7 x 2 by 4 words takes 14 + 8 + 8 = 30 of 32.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from xdsl.ir import SSAValue

from microkernels.address import Address
from microkernels.emit import Emitter
from microkernels.interface import Microkernel
from microkernels.reduction.products import Inside, Products
from microkernels.reduction.walk import Cursor, Step, Strides, Totals
from microkernels.reduction.word_turns import WordTurns

MOST_TAPS = 16
"""Kernel columns up to which those of a row are taken in turns: each has code of its own."""
POINTERS = 16
"""Addresses that are formed ahead at most: general registers hold them."""


class Tap(NamedTuple):
    """A kernel column: where its words begin, and the pixels of which it lies inside the image."""

    start: Strides
    inside: Inside


class Visit(NamedTuple):
    """Words of one pixel that are loaded at once, and their weights: bytes of either from the cursor."""

    pixel: int
    x: int
    w: tuple[int, ...]
    """Of each word."""


@dataclass(frozen=True)
class Turns:
    """Rows of taps of one register block."""

    products: Products

    def step(self, words: int, taps: Sequence[Tap]) -> Step:
        """Unrolled `words` of each tap, as many of a pixel at a time as the kernel loads."""
        together = self.products.kernel.together

        def steps(at: Cursor, totals: Totals) -> Totals:
            for first in range(0, words, together):
                numbers = range(first, min(first + together, words))
                if self.products.kernel.by_word:
                    turns = WordTurns(self.products, at, list(totals))
                    for tap in taps:
                        totals = turns.run(numbers, *tap)
                elif visits := list(self._visits(numbers, taps)):
                    totals = _Pipeline(self.products, at, list(totals)).run(visits)
            return totals

        return steps

    def _visits(self, numbers: range, taps: Sequence[Tap]) -> Iterator[Visit]:
        word, pixel = self.products.operands.words, self.products.operands.pixel
        for start, inside in taps:
            weights = tuple(start.w + number * word.w for number in numbers)
            for r in inside:
                yield Visit(r, start.x + r * pixel + numbers.start * word.x, weights)


@dataclass
class _Pipeline:
    """One pass over visits."""

    products: Products
    at: Cursor
    totals: Totals
    _met: deque[tuple[int, list[SSAValue]]] = field(default_factory=deque)
    """Words that have met their weights, by pixel, and are to be counted."""
    _counted: deque[tuple[int, list[SSAValue]]] = field(default_factory=deque)
    _weights: dict[int, list[SSAValue]] = field(default_factory=dict)

    def run(self, visits: Sequence[Visit]) -> Totals:
        """The accumulators with the products of all visits."""
        pointers = self._pointers(visits)
        self._load_weights(visits[0].w)
        words = self._load(pointers, visits[0])
        self._emit.barrier()
        for visit, after in pairwise([*visits, None]):
            assert visit
            fresh = after.w if after and after.w != visit.w else ()
            for number, (word, weights) in enumerate(zip(words, visit.w)):
                self._turn(number, visit.pixel, word, self._weights[weights])
                self._load_weights(fresh[number : number + 1])
            if after:
                words = self._load(pointers, after)
        while self._met or self._counted:
            self._add()
            self._count()
        return self.totals

    def _turn(self, number: int, pixel: int, word: SSAValue, weights: list[SSAValue]) -> None:
        """A word meets its weights; the first of a pixel's may have to wait for the load of it."""
        if number == 0:
            self._count()
            self._add()
        self._meet(pixel, word, weights)
        if number == 1:
            self._add()
            self._count()
        elif number > 1:
            self._count()
            self._add()

    def _meet(self, pixel: int, word: SSAValue, weights: list[SSAValue]) -> None:
        kernel, xor = self._kernel, self.products.xor
        met = [kernel.meet(self._emit, word, one, xor=xor) for one in weights]
        self._met.append((pixel, self._emit.barrier(*met)))

    def _count(self) -> None:
        if self._met:
            pixel, met = self._met.popleft()
            counts = [self._kernel.count(self._emit, one) for one in met]
            self._counted.append((pixel, self._emit.barrier(*counts)))

    def _add(self) -> None:
        if self._counted:
            pixel, counts = self._counted.popleft()
            own = slice(pixel * len(counts), (pixel + 1) * len(counts))
            pairs = zip(self.totals[own], counts)
            sums = [self._kernel.add(self._emit, total, count) for total, count in pairs]
            self.totals[own] = self._emit.barrier(*sums)

    def _pointers(self, visits: Sequence[Visit]) -> dict[int, SSAValue]:
        """The addresses of the words of visits, formed side by side: each form alone delays what follows."""
        at = self.at.x
        distances = sorted({visit.x for visit in visits})
        formed = [self._emit.offset(at.pointer, at.bytes + one) for one in distances]
        if len(formed) <= POINTERS:
            first = 1 if formed[0] is at.pointer else 0  # to name it anew takes a copy
            formed[first:] = self._emit.barrier(*formed[first:])
        return dict(zip(distances, formed))

    def _load(self, pointers: dict[int, SSAValue], visit: Visit) -> list[SSAValue]:
        return self.products.words_at(Address(pointers[visit.x]), len(visit.w))

    def _load_weights(self, places: Sequence[int]) -> None:
        for place in places:
            self._weights[place] = self.products.vectors_at(self.at.w.plus(place))

    @property
    def _emit(self) -> Emitter:
        return self.products.emit

    @property
    def _kernel(self) -> Microkernel:
        return self.products.kernel
