"""The step of a reduction: load a few words of a block's operands, and multiply them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from lowbit_dialect.algebra import Sum
from microkernels.address import Address
from microkernels.emit import Emitter
from microkernels.interface import Microkernel, Narrow, Values, Word
from microkernels.reduction.operands import Operands
from microkernels.reduction.walk import Cursor, Step, Totals

CACHE_LINE = 64

Inside = Sequence[int]
"""The pixels of a block of which a tap lies inside the image."""
Loaded = dict[int, dict[tuple[int, int], SSAValue]]
"""Words of pixels, by number and plane."""


@dataclass(frozen=True)
class Products:
    """The products of one register block, `pixels * vectors` of them a word, pixel-major in each sum."""

    emit: Emitter
    kernel: Microkernel
    operands: Operands
    pixels: int
    vectors: int
    xor: bool
    prefetch: int
    """Words that weights are asked for ahead; 0 for none."""
    sums: tuple[Sum, ...]
    """Pairs of planes that are multiplied in one pass, by the sum that they go to."""
    weights: Mapping[tuple[int, int], int]
    """What the products of each pair count; nothing if all count what the pass does."""

    @property
    def count(self) -> int:
        """Sums of all outputs."""
        return len(self.sums) * self.pixels * self.vectors

    def step(self, words: int, inside: Inside, factor: int) -> Step:
        """Unrolled `words`, as many at a time as the kernel takes; they count `factor`."""
        group, together = self.kernel.group, self.kernel.together

        def steps(at: Cursor, totals: Totals) -> Totals:
            ahead: Loaded = {}
            for first in range(0, words, group):
                if together > 1 and first % together == 0:
                    ahead = self._ahead(at.x, inside, range(first, min(first + together, words)))
                numbers = range(first, min(first + group, words))
                totals = self._multiply(at, totals, inside, numbers, factor, ahead)
            return totals

        return steps

    def folded(self, words: int, inside: Inside, narrow: Narrow, *, negative: bool) -> Step:
        """Unrolled `words` with sums so short that each is folded as soon as it is formed.

        So one of them is alive at a time beside the wide accumulators, not as many as there are of these.
        """
        emit, xor = self.emit, self.xor

        def steps(at: Cursor, totals: Totals) -> Totals:
            totals = list(totals)
            size = len(totals) // (self.pixels * self.vectors)
            zero = emit.constant(0, narrow.types[0])
            for first in range(0, words, narrow.steps):
                numbers = range(first, min(first + narrow.steps, words))
                weights = self._weights(at.w, numbers, (0,))
                for r in inside:
                    inputs = self._inputs(at.x, r, numbers, (0,))
                    for v in range(self.vectors):
                        part = zero
                        for key, x in inputs.items():
                            w = weights[key][v]
                            part = self.kernel.product(emit, part, x, w, xor=xor, negative=False)
                        own = _slots(r * self.vectors + v, size)
                        totals[own] = narrow.fold(emit, tuple(totals[own]), (part,), negative)
            return totals

        return steps

    def _ahead(self, x: Address, inside: Inside, numbers: range) -> Loaded:
        """Words of each pixel that one load brings, if it can."""
        kernel, words = self.kernel, self.operands.words.x
        if len(numbers) < kernel.together or words != kernel.word_bytes:
            return {}
        found: Loaded = {}
        self.emit.barrier()  # LLVM would load all words of an unrolled loop at first, and spill them
        for r in inside:
            place = x.bytes + r * self.operands.pixel + numbers.start * words
            loaded = kernel.load_inputs(self.emit, self.emit.offset(x.pointer, place), len(numbers))
            found[r] = {(number, 0): word for number, word in zip(numbers, loaded)}
        return found

    def _multiply(
        self,
        at: Cursor,
        totals: Totals,
        inside: Inside,
        numbers: range,
        factor: int,
        ahead: Loaded,
    ) -> Totals:
        """Load the weights of a group of words, then each pixel's words, unless they are, and multiply."""
        kernel, totals = self.kernel, list(totals)
        size = len(totals) // self.count
        x_planes, w_planes = (set(p) for p in zip(*(pair for s in self.sums for pair in s.pairs)))
        weights = self._weights(at.w, numbers, w_planes)
        for r in inside:
            inputs = ahead.get(r) or self._inputs(at.x, r, numbers, x_planes)
            for v in range(self.vectors):
                if kernel.lanewise and v:
                    lanes = at.x.plus(v * kernel.lanes * self.operands.words.x)
                    inputs = self._inputs(lanes, r, numbers, x_planes)
                for n, one in enumerate(self.sums):
                    own = _slots((n * self.pixels + r) * self.vectors + v, size)
                    words = [
                        ((i, j), (inputs[number, i], weights[number, j][v]))
                        for number in numbers
                        for i, j in one.pairs
                    ]
                    totals[own] = self._accumulate(tuple(totals[own]), words, factor)
            if kernel.pins:
                for n in range(len(self.sums)):
                    own = _slots(n * self.pixels + r, size * self.vectors)
                    totals[own] = self.emit.barrier(*totals[own])
        return totals

    def _accumulate(
        self, total: Values, words: list[tuple[tuple[int, int], Word]], factor: int
    ) -> Values:
        """Add the products of words of planes `(i, j)`, as many at a time as the kernel takes."""
        for first in range(0, len(words), self.kernel.group):
            pairs, group = zip(*words[first : first + self.kernel.group])
            weight = self.weights.get(pairs[0], factor)
            total = self.kernel.accumulate(self.emit, total, group, xor=self.xor, weight=weight)
        return total

    def _inputs(
        self, x: Address, r: int, numbers: range, planes: Iterable[int]
    ) -> dict[tuple[int, int], SSAValue]:
        """Words of pixel `r` by number and plane."""
        emit, strides = self.emit, self.operands
        pixel = x.bytes + r * strides.pixel
        return {
            (n, i): self.kernel.load_input(
                emit, emit.offset(x.pointer, pixel + n * strides.words.x + i * strides.planes.x)
            )
            for n in numbers
            for i in planes
        }

    def _weights(
        self, w: Address, numbers: range, planes: Iterable[int]
    ) -> dict[tuple[int, int], list[SSAValue]]:
        """The vectors of words of weights by number and plane."""
        strides = self.operands
        return {
            (n, j): self.vectors_at(w.plus(n * strides.words.w + j * strides.planes.w))
            for n in numbers
            for j in planes
        }

    def words_at(self, x: Address, count: int) -> list[SSAValue]:
        """So many words of one pixel, by one load if they follow each other."""
        emit, kernel, apart = self.emit, self.kernel, self.operands.words.x
        if count > 1 and apart == kernel.word_bytes:
            return kernel.load_inputs(emit, emit.offset(x.pointer, x.bytes), count)
        places = (emit.offset(x.pointer, x.bytes + number * apart) for number in range(count))
        return [kernel.load_input(emit, place) for place in places]

    def vectors_at(self, w: Address) -> list[SSAValue]:
        """The vectors of one word of weights, after those are asked for that come some words later."""
        emit, size = self.emit, self.kernel.weight_bytes
        self.ask_ahead(w)
        return [
            self.kernel.load_weights(emit, emit.offset(w.pointer, w.bytes + v * size))
            for v in range(self.vectors)
        ]

    def two_vectors_at(self, w: Address, first: int) -> list[SSAValue]:
        """Two vectors of one word of weights, or the last one."""
        emit, kernel = self.emit, self.kernel
        pointer = emit.offset(w.pointer, w.bytes + first * kernel.weight_bytes)
        if first + 1 < self.vectors:
            return kernel.load_two_weights(emit, pointer)
        return [kernel.load_weights(emit, pointer)]

    def ask_ahead(self, w: Address) -> None:
        """Prefetch the weights that come some words after those at an address."""
        if self.prefetch:
            later = w.bytes + self.prefetch * self.operands.words.w
            for line in range(0, self.vectors * self.kernel.weight_bytes, CACHE_LINE):
                self.emit.prefetch(self.emit.offset(w.pointer, later + line))


def _slots(number: int, size: int) -> slice:
    """The values of one sum of `size` values."""
    return slice(number * size, (number + 1) * size)
