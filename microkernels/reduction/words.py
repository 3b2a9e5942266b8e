"""The innermost loops of a reduction: over the words of one tap, or of several in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from microkernels.interface import Narrow
from microkernels.reduction.late import Late
from microkernels.reduction.narrows import Level, Narrows
from microkernels.reduction.products import Inside, Products
from microkernels.reduction.turns import Tap, Turns
from microkernels.reduction.walk import Cursor, Step, Totals, Walk

SHORT_STEPS = 2
"""Steps up to which a narrow accumulator is folded before the next one opens: uint<7> x int<7> takes 2."""


@dataclass(frozen=True)
class Words:
    """Loops over words, in pieces that the narrow accumulators opened here can hold."""

    walk: Walk
    narrows: Narrows
    products: Products
    unroll: int

    def run(self, count: int, inside: Inside, factor: int) -> Step:
        """A run of `count` words; it opens what does not span as many."""
        several = count > self.products.operands.count
        levels = (Level.CHUNK, Level.COLUMN) if several else (Level.CHUNK,)
        return self._chunks(self.narrows.at(*levels), count, inside, factor)

    def across(self, taps: Sequence[Tap], factor: int) -> Step:
        """The words of all `taps` in turns; it opens what does not span a row of them."""
        turns, narrows = Turns(self.products), self.narrows.at(Level.CHUNK, Level.COLUMN)

        def pieces(words: int) -> Step:
            return self._pieces(words, self.unroll, lambda few: turns.step(few, taps))

        count = self.products.operands.count
        if not narrows:
            return pieces(count)
        (narrow,) = narrows
        size = _even(count, self.unroll, narrow.steps // len(taps))
        return self._pieces(
            count, size, lambda words: self.narrows.within(narrow, factor, pieces(words))
        )

    def _chunks(self, narrows: list[Narrow], count: int, inside: Inside, factor: int) -> Step:
        """A step over `count` words, cut in pieces that `narrows` can hold."""
        products = self.products
        if not narrows:
            return self._unrolled(count, inside, factor)
        narrow, *rest = narrows
        if not rest and narrow.steps <= SHORT_STEPS:
            size = max(1, self.unroll // narrow.steps) * narrow.steps
            negative = self.narrows.subtracts(narrow, factor)
            return self._pieces(
                count,
                size,
                lambda words: products.folded(words, inside, narrow, negative=negative),
            )

        def piece(words: int) -> Step:
            return self.narrows.within(narrow, factor, self._chunks(rest, words, inside, factor))

        def chunk(words: SSAValue | int) -> Step:
            return self.narrows.within(narrow, factor, self._unrolled(words, inside, factor))

        if not rest and (uneven := _uneven(count, self.unroll, narrow.steps)):
            size, whole = uneven
            chunks = self.walk.chunks(whole, size, products.operands.words, chunk)
            return self._pieces(
                count, whole, lambda words: chunks if words == whole else piece(words)
            )
        return self._pieces(count, _even(count, self.unroll, narrow.steps), piece)

    def _unrolled(self, count: SSAValue | int, inside: Inside, factor: int) -> Step:
        """A step over `count` words, which if they are a value can be unrolled without a rest."""
        products, weight = self.products, abs(factor) if self.narrows.opened else factor

        def piece(words: int) -> Step:
            if products.kernel.loads_late:
                return Late(products).step(words, weight)
            return products.step(words, inside, weight)

        if isinstance(count, int):
            return self._pieces(count, self.unroll, piece)
        strides = products.operands.words
        return self.walk.over((0, count), self.unroll, strides, piece(self.unroll))

    def _pieces(self, count: int, size: int, piece: Callable[[int], Step]) -> Step:
        """A step over `count` words in pieces of `size`: a loop over the whole ones, then the rest."""
        strides, whole = self.products.operands.words, count // size * size

        def run(at: Cursor, totals: Totals) -> Totals:
            if whole > size:
                totals = self.walk.over((0, whole), size, strides, piece(size))(at, totals)
            elif whole:
                totals = piece(whole)(at, totals)
            if rest := count - whole:
                totals = piece(rest)(at.plus(strides.times(whole)), totals)
            return totals

        return run


def pieces_of(count: int, words: int, row: int, unroll: int, steps: tuple[int, ...]) -> object:
    """The loops of `Words` over a run of `count` words as a value: equal ones have equal code.

    A tap has so many `words`, all taps of a row `row`; `steps` are those of the narrow accumulators,
    narrowest first.
    """
    opened = [one for one in reversed(steps) if one < (row if count > words else words)]
    return _pieces_of(count, unroll, opened)


def pieces_across(words: int, taps: int, unroll: int, steps: tuple[int, ...]) -> object:
    """The same of `Words.across`, where a row has so many `taps` of so many `words`."""
    return _pieces_of(words, unroll, [one // taps for one in steps if one < words * taps])


def _pieces_of(count: int, unroll: int, narrows: list[int]) -> object:
    if not narrows:
        return _cut(count, unroll, lambda words: words)
    limit, *rest = narrows
    if not rest and limit <= SHORT_STEPS:
        return _cut(count, max(1, unroll // limit) * limit, lambda words: words)
    if not rest and (uneven := _uneven(count, unroll, limit)):
        tail = count - uneven[1]
        return *uneven, unroll, (_pieces_of(tail, unroll, rest),) if tail else None
    size = _even(count, unroll, limit)
    return _cut(count, size, lambda words: (_pieces_of(words, unroll, rest),))


def _even(count: int, unroll: int, steps: int) -> int:
    """Words of pieces of `count`, none much shorter, that an accumulator of so many steps holds."""
    limit = steps // unroll * unroll or steps
    even = -(-count // (-(-count // limit) * unroll)) * unroll
    return min(even, limit)


def _uneven(count: int, unroll: int, steps: int) -> tuple[int, int] | None:
    """Words of chunks in one loop, of which the last may have fewer, and of all these chunks.

    So none has code of its own: of 8 bodies of C9 at 2 x 1 bits 5 are left. What cannot be unrolled comes
    after them; None where that would take one more accumulator of `steps`, or there is nothing to loop over.
    """
    limit, whole = steps // unroll * unroll, count // unroll * unroll
    if limit <= unroll or whole <= limit:
        return None
    chunks = -(-whole // limit)
    if chunks + (whole < count) > -(-count // limit):
        return None
    return -(-whole // (chunks * unroll)) * unroll, whole


def _cut(count: int, size: int, piece: Callable[[int], object]) -> object:
    """A loop over whole pieces, of which a single one is none, and the rest."""
    whole, rest = divmod(count, size)
    loop = (whole, piece(size)) if whole > 1 else piece(size) if whole else None
    return loop, piece(rest) if rest else None
