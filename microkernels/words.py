"""Steps over the words of a reduction, and the narrow accumulators that their products go into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import IntEnum

from xdsl.ir import SSAValue

from lowbit_dialect.algebra import ONE_SUM, PairAlgebra, pair_sums
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.common import array, element_of, shape_of
from lowbit_dialect.ops.tile import TileOp
from microkernels.address import Address, move
from microkernels.emit import Emitter
from microkernels.interface import Microkernel, Narrow, Values, Word
from microkernels.operand import Operand

CACHE_LINE = 64
SHORT_STEPS = 2
"""Steps up to which a narrow accumulator is folded before the next one opens: uint<7> x int<7> takes 2."""


class Level(IntEnum):
    """Loops of the reduction that a narrow accumulator may span."""

    PAIR = 0
    ROW = 1
    COLUMN = 2
    CHUNK = 3


Step = Callable[[Address, Address, list[SSAValue]], list[SSAValue]]
"""Adds the products at two addresses to the accumulators."""


class Words:
    """The innermost loops of one tile's reduction: over the words of one tap, or of several in a row."""

    def __init__(self, emit: Emitter, tile: TileOp, kernel: Microkernel):
        self.emit, self.tile, self.kernel = emit, tile, kernel
        self.pixels, self.vectors = tile.pixels.value.data, tile.vectors.value.data
        self.unroll = tile.unroll.value.data
        self.kernel_rows, self.kernel_columns = array(tile.kernel, ())
        self.stride = array(tile.strides, ())
        self.dilation = array(tile.dilations, ())
        self.x_axes, self.w_axes = array(tile.input_axes, ()), array(tile.weight_axes, ())
        assert tile.weights is not None
        self.x, self.w = Operand(emit, tile.input), Operand(emit, tile.weights)
        self.codes = element_of(tile.input.type), element_of(tile.weights.type)
        shape, groups = shape_of(tile.weights), tile.groups.value.data
        inputs, outputs = shape[self.w_axes[2]], shape[self.w_axes[3]] // groups
        self.w_group, self.w_block, self.block = self.w.channels(self.w_axes[3], groups, outputs)
        self.w_word, per_word = self.w.blocked(self.w_axes[2])
        self.words = -(-inputs // per_word)
        self.x_group, x_block, stored = self.x.channels(self.x_axes[3], groups, inputs)
        self.x_word = x_block * per_word // stored
        self.x_plane = self.x.stride(None) if self.x.has_planes else 0
        self.w_plane = self.w.stride(None) if self.w.has_planes else 0
        self.algebra = self._algebra() if self.w.has_planes else None
        self.xor = self.algebra is not None and self.algebra.xor
        self.sums = ONE_SUM
        self.weights: dict[tuple[int, int], int] = {}
        if self.algebra and tile.planes.data == "inner":
            tables = not self.x.has_planes
            self.sums = pair_sums(*self.codes, tables=tables, weighed=kernel.weighs)
            if kernel.weighs:
                self.weights = {(i, j): weight for i, j, weight in self.algebra.pairs}
        self.factor = 1
        """What the products of the pair of planes at hand count: its sign, or its weight for a kernel that
        `weighs`."""
        together = max(len(pairs) for _, _, pairs in self.sums)
        narrows = [replace(n, steps=n.steps // together) for n in kernel.narrows(*self.codes)]
        # Widest first, which is the order in which they open.
        self.narrows = [(self._scope(n.steps), n) for n in reversed(narrows)]

    def _algebra(self) -> PairAlgebra:
        activation, weight = self.codes
        assert isinstance(activation, CodeType) and isinstance(weight, CodeType)
        return PairAlgebra(activation, weight)

    def _scope(self, limit: int) -> Level:
        """The outermost loop over which an accumulator of `limit` steps is carried."""
        row = self.words * self.kernel_columns
        spans = {
            Level.PAIR: row * self.kernel_rows,
            Level.ROW: row,
            Level.COLUMN: self.words,
        }
        return min((at for at, span in spans.items() if span <= limit), default=Level.CHUNK)

    def scoped(
        self, level: Level, x: Address, w: Address, totals: list[SSAValue], inner: Step
    ) -> list[SSAValue]:
        """Run `inner` in the narrow accumulators that open at this level."""
        for narrow in reversed([n for at, n in self.narrows if at == level]):
            inner = self._within(narrow, inner)
        return inner(x, w, totals)

    def _within(self, narrow: Narrow, inner: Step) -> Step:
        """`inner` in fresh accumulators of `narrow`, whose sums then go to those around."""

        def run(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            emit, count = self.emit, len(self.sums) * self.pixels * self.vectors
            negative = self.factor < 0 and narrow is self.narrows[0][1]
            zeros = [emit.constant(0, type) for type in narrow.types]
            sums = inner(x, w, zeros * count)
            wide, own = (len(values) // count for values in (totals, sums))
            folded: list[SSAValue] = []
            for at in range(count):
                into = tuple(totals[at * wide : (at + 1) * wide])
                part = tuple(sums[at * own : (at + 1) * own])
                folded += narrow.fold(emit, into, part, negative)
            return folded

        return run

    def words_of(
        self, x: Address, w: Address, totals: list[SSAValue], inside: list[int], count: int
    ) -> list[SSAValue]:
        """A run of `count` words; it opens what does not span as many."""
        levels = (Level.CHUNK, Level.COLUMN) if count > self.words else (Level.CHUNK,)
        chunked = [narrow for at, narrow in self.narrows if at in levels]
        return self._chunks(chunked, count, inside)(x, w, totals)

    def _chunks(self, narrows: list[Narrow], words: int, inside: list[int]) -> Step:
        """A step over `words`, cut in pieces that the narrow accumulators opened here can hold."""
        if not narrows:
            return self._pieces(words, self.unroll, lambda count: self._unrolled(count, inside))
        narrow, *rest = narrows
        if not rest and narrow.steps <= SHORT_STEPS:
            size = max(1, self.unroll // narrow.steps) * narrow.steps
            return self._pieces(words, size, lambda count: self._short(narrow, count, inside))

        def piece(count: int) -> Step:
            return self._within(narrow, self._chunks(rest, count, inside))

        limit = narrow.steps // self.unroll * self.unroll or narrow.steps
        pieces = -(-words // limit)
        even = -(-words // (pieces * self.unroll)) * self.unroll
        return self._pieces(words, min(even, limit), piece)

    def _pieces(self, words: int, size: int, piece: Callable[[int], Step]) -> Step:
        """A step over `words` in pieces of `size`: a loop over the whole ones, then the rest."""
        emit, whole = self.emit, words // size * size

        def run(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            if whole <= size:
                totals = piece(whole)(x, w, totals) if whole else totals
            else:
                bounds = emit.index(0), emit.index(whole)
                steps = self.x_word, self.w_word
                totals = self.walk(bounds, size, steps, x, w, totals, piece(size))
            if rest := words - whole:
                at = x.plus(whole * self.x_word), w.plus(whole * self.w_word)
                totals = piece(rest)(*at, totals)
            return totals

        return run

    def walk(
        self,
        bounds: tuple[SSAValue, SSAValue],
        size: int,
        steps: tuple[int, int],
        x: Address,
        w: Address,
        totals: list[SSAValue],
        inner: Step,
    ) -> list[SSAValue]:
        """`inner` in a loop over places, `size` at a time, that lie `steps` bytes apart in `x` and `w`."""
        emit = self.emit

        def at(place: SSAValue) -> list[SSAValue]:
            return [move(emit, a.pointer, [(place, step)]) for a, step in zip((x, w), steps)]

        def body(place: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            x_at, w_at = at(place)
            return inner(Address(x_at, x.bytes), Address(w_at, w.bytes), carried)

        def early(_: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            x_at, w_at, *sums = carried
            after = [emit.pinned(emit.offset(p, size * s)) for p, s in zip((x_at, w_at), steps)]
            return [*after, *inner(Address(x_at, x.bytes), Address(w_at, w.bytes), sums)]

        if self.kernel.early_addresses:
            return emit.loop(*bounds, size, [*at(bounds[0]), *totals], early)[2:]
        return emit.loop(*bounds, size, totals, body)

    def _unrolled(self, count: int, inside: list[int]) -> Step:
        group = self.kernel.group

        def steps(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            for first in range(0, count, group):
                words = range(first, min(first + group, count))
                totals = self._step(x, w, totals, inside, words)
            return totals

        return steps

    def _short(self, narrow: Narrow, count: int, inside: list[int]) -> Step:
        """`_unrolled` with sums so short that each is folded as soon as it is formed.

        So one of them is alive at a time beside the wide accumulators, not as many as there are of these.
        """

        def steps(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            totals = list(totals)
            wide = len(totals) // (self.pixels * self.vectors)
            zero = self.emit.constant(0, narrow.types[0])
            for first in range(0, count, narrow.steps):
                words = range(first, min(first + narrow.steps, count))
                weights = [self._weights(w.plus(word * self.w_word)) for word in words]
                for r in inside:
                    inputs = [self._input(x.plus(word * self.x_word), r) for word in words]
                    for v in range(self.vectors):
                        part = zero
                        for word, weight in zip(inputs, weights):
                            part = self.kernel.product(
                                self.emit, part, word, weight[v], xor=self.xor, negative=False
                            )
                        own = slice(
                            (r * self.vectors + v) * wide, (r * self.vectors + v + 1) * wide
                        )
                        into = tuple(totals[own])
                        totals[own] = narrow.fold(self.emit, into, (part,), self.factor < 0)
            return totals

        return steps

    def _step(
        self, x: Address, w: Address, totals: list[SSAValue], inside: list[int], words: range
    ) -> list[SSAValue]:
        """A group of words: load the weights of the block, then each pixel's words, and multiply."""
        kernel, totals = self.kernel, list(totals)
        size = len(totals) // (len(self.sums) * self.pixels * self.vectors)
        planes = [set(one) for one in zip(*(pair for _, _, pairs in self.sums for pair in pairs))]
        weights = {
            (word, j): self._weights(w.plus(word * self.w_word + j * self.w_plane))
            for word in words
            for j in planes[1]
        }
        for r in inside:
            inputs = self._inputs(x, r, words, planes[0])
            for v in range(self.vectors):
                if kernel.lanewise and v:
                    lanes = x.plus(v * kernel.lanes * self.x_word)
                    inputs = self._inputs(lanes, r, words, planes[0])
                for n, one in enumerate(self.sums):
                    at = ((n * self.pixels + r) * self.vectors + v) * size
                    products = [
                        ((i, j), (inputs[word, i], weights[word, j][v]))
                        for word in words
                        for i, j in one.pairs
                    ]
                    own = slice(at, at + size)
                    totals[own] = self._accumulate(tuple(totals[own]), products)
        return totals

    def _accumulate(self, total: Values, products: list[tuple[tuple[int, int], Word]]) -> Values:
        """Add the products of words of planes `(i, j)`, as many at a time as the kernel takes."""
        factor = abs(self.factor) if self.narrows else self.factor
        for first in range(0, len(products), self.kernel.group):
            pairs, words = zip(*products[first : first + self.kernel.group])
            weight = self.weights.get(pairs[0], factor)
            total = self.kernel.accumulate(self.emit, total, words, xor=self.xor, weight=weight)
        return total

    def _inputs(
        self, x: Address, r: int, words: range, planes: set[int]
    ) -> dict[tuple[int, int], SSAValue]:
        """Words of pixel `r` by number and plane."""
        return {
            (word, i): self._input(x.plus(word * self.x_word + i * self.x_plane), r)
            for word in words
            for i in planes
        }

    def _weights(self, w: Address) -> list[SSAValue]:
        """The vectors of one word of weights."""
        emit, kernel = self.emit, self.kernel
        self._prefetch(w)
        return [
            kernel.load_weights(emit, emit.offset(w.pointer, w.bytes + v * kernel.weight_bytes))
            for v in range(self.vectors)
        ]

    def _prefetch(self, w: Address) -> None:
        """Ask for the weights that come some words later."""
        if ahead := self.tile.prefetch.value.data:
            for v in range(0, self.vectors * self.kernel.weight_bytes, CACHE_LINE):
                self.emit.prefetch(self.emit.offset(w.pointer, w.bytes + ahead * self.w_word + v))

    def _input(self, x: Address, r: int) -> SSAValue:
        """One word of pixel `r`."""
        pixel = self.stride[1] * self.x.stride(self.x_axes[2])
        return self.kernel.load_input(self.emit, self.emit.offset(x.pointer, x.bytes + r * pixel))
