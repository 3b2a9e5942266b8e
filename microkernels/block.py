"""The reduction of one register block, the same for every kernel.

Loops, outermost first: plane pairs, kernel rows, kernel columns, words. Kernel rows run over the bounds
that the tile gives, so that work on padding is skipped without a branch; columns and words are unrolled
as the schedule says. Pairs of planes are folded by Horner's rule over shift classes (one doubling a class),
or, where they are many, by a loop that shifts each pair's count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, i32
from xdsl.ir import SSAValue

from lowbit_dialect.algebra import PairAlgebra, ShiftClasses
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.common import array, element_of, shape_of
from lowbit_dialect.ops.tile import TileOp
from microkernels.emit import Emitter, vector
from microkernels.interface import Microkernel, Narrow
from microkernels.operand import Operand

UNROLLED_PAIRS = 6
"""Plane pairs up to which each has its own code; C2 at 2x2 bits runs the same either way above that."""

SHORT_STEPS = 2
"""Steps up to which a narrow accumulator is folded before the next one opens: uint<7> x int<7> takes 2."""


class Level(IntEnum):
    """Loops of the reduction that a narrow accumulator may span."""

    PAIR = 0
    ROW = 1
    COLUMN = 2
    CHUNK = 3


@dataclass(frozen=True)
class Address:
    """A pointer and a constant number of bytes to add."""

    pointer: SSAValue
    bytes: int = 0

    def plus(self, amount: int) -> Address:
        """This address moved by a constant."""
        return Address(self.pointer, self.bytes + amount)


Step = Callable[[Address, Address, list[SSAValue]], list[SSAValue]]
"""Adds the products at two addresses to the accumulators."""


class Reduction:
    """Forms the accumulators of one tile, `pixels * vectors` of them, pixel-major."""

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
        self.xor = self.negative = False
        narrows = kernel.narrows_between(*self.codes)
        # Widest first, which is the order in which they open.
        self.narrows = [(self._scope(n.steps), n) for n in reversed(narrows)]

    def _scope(self, limit: int) -> Level:
        """The outermost loop over which an accumulator of `limit` steps is carried."""
        row = self.words * self.kernel_columns
        spans = {
            Level.PAIR: row * self.kernel_rows,
            Level.ROW: row,
            Level.COLUMN: self.words,
        }
        return min((at for at, span in spans.items() if span <= limit), default=Level.CHUNK)

    # The reduction, from the outside in

    def run(self) -> list[SSAValue]:
        """The accumulators before corrections."""
        x, w = Address(self._input_base()), Address(self._weight_base())
        zero = self.emit.constant(0, vector(self.kernel.lanes, self.kernel.accumulator))
        zeros = [zero] * (self.pixels * self.vectors)
        if not self.w.has_planes:
            return self._pair(x, w, zeros, xor=False, negative=False)
        activation, weight = self.codes
        assert isinstance(activation, CodeType) and isinstance(weight, CodeType)
        algebra = PairAlgebra(activation, weight)
        classes = algebra.shift_classes if self.x.has_planes else algebra.weight_classes
        if sum(map(len, classes)) <= UNROLLED_PAIRS:
            return self._horner(algebra, classes, x, w, zeros)
        return self._all_pairs(algebra, x, w, zeros)

    def _input_base(self) -> SSAValue:
        emit, tile, axes = self.emit, self.tile, self.x_axes
        pad = array(tile.padding, ())
        row = emit.at("sub", emit.at("mul", tile.row, self.stride[0]), pad[0])
        column = emit.at("sub", emit.at("mul", tile.column, self.stride[1]), pad[1])
        parts = [
            (tile.batch, self.x.stride(axes[0])),
            (row, self.x.stride(axes[1])),
            (column, self.x.stride(axes[2])),
            (tile.group, self.x_group),
        ]
        return move(emit, self.x.pointer, parts)

    def _weight_base(self) -> SSAValue:
        # A block of `block` channels starts at channel / block times its stride, which divides.
        parts = [(self.tile.group, self.w_group), (self.tile.channel, self.w_block // self.block)]
        return move(self.emit, self.w.pointer, parts)

    def _horner(
        self,
        algebra: PairAlgebra,
        classes: ShiftClasses,
        x: Address,
        w: Address,
        totals: list[SSAValue],
    ) -> list[SSAValue]:
        for place, pairs in enumerate(classes):
            if place:
                totals = [self.emit.binary("add", total, total) for total in totals]
            for i, j, sign in pairs:
                x_plane, w_plane = x.plus(i * self.x_plane), w.plus(j * self.w.stride(None))
                totals = self._pair(x_plane, w_plane, totals, xor=algebra.xor, negative=sign < 0)
        return totals

    def _all_pairs(
        self, algebra: PairAlgebra, x: Address, w: Address, zeros: list[SSAValue]
    ) -> list[SSAValue]:
        """A loop over plane pairs: `total += (count << (i + j)) * sign`."""
        emit = self.emit
        planes = algebra.weight.planes
        tops = (algebra.activation.planes - 1, planes - 1)
        signed = [
            weights[-1] < 0
            for weights in (algebra.activation.plane_weights, algebra.weight.plane_weights)
        ]

        def body(pair: SSAValue, totals: list[SSAValue]) -> Sequence[SSAValue]:
            i, j = emit.at("div", pair, planes), emit.at("rem", pair, planes)
            x_plane = Address(move(emit, x.pointer, [(i, self.x_plane)]))
            w_plane = Address(move(emit, w.pointer, [(j, self.w.stride(None))]))
            counts = self._pair(x_plane, w_plane, zeros, xor=algebra.xor, negative=False)
            shift = self._lanes(emit.at("add", i, j))
            flips = [
                self._mask(place, top)
                for place, top, is_signed in zip((i, j), tops, signed)
                if is_signed
            ]
            results: list[SSAValue] = []
            for total, count in zip(totals, counts):
                shifted = emit.binary("shl", count, shift)
                for mask in flips:
                    shifted = emit.binary("sub", emit.binary("xor", shifted, mask), mask)
                results.append(emit.binary("add", total, shifted))
            return results

        return emit.loop(
            emit.index(0),
            emit.index(planes * (tops[0] + 1 if self.x.has_planes else 1)),
            1,
            zeros,
            body,
        )

    def _lanes(self, value: SSAValue) -> SSAValue:
        """An index as i32 in all lanes."""
        scalar = self.emit.op(arith.IndexCastOp(value, i32))
        return self.emit.splat(scalar, self.kernel.lanes)

    def _mask(self, place: SSAValue, top: int) -> SSAValue:
        """All ones where `place` is the top plane, whose weight is negative; else zero."""
        equal = self.emit.op(arith.CmpiOp(place, self.emit.index(top), "eq"))
        return self.emit.splat(self.emit.widen(equal, i32, signed=True), self.kernel.lanes)

    def _pair(
        self, x: Address, w: Address, totals: list[SSAValue], *, xor: bool, negative: bool
    ) -> list[SSAValue]:
        """Add the products of one pair of planes (or of the whole operands) to `totals`."""
        self.xor, self.negative = xor, negative
        return self._scoped(Level.PAIR, x, w, totals, self._rows)

    def _scoped(
        self, level: Level, x: Address, w: Address, totals: list[SSAValue], inner: Step
    ) -> list[SSAValue]:
        """Run `inner` in the narrow accumulators that open at this level."""
        for narrow in reversed([n for at, n in self.narrows if at == level]):
            inner = self._within(narrow, inner)
        return inner(x, w, totals)

    def _within(self, narrow: Narrow, inner: Step) -> Step:
        """`inner` in fresh accumulators of `narrow`, whose sums then go to those around."""

        def run(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            emit, count = self.emit, self.pixels * self.vectors
            negative = self.negative and narrow is self.narrows[0][1]
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

    def _rows(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        emit = self.emit
        x_step = self.dilation[0] * self.x.stride(self.x_axes[1])
        w_step = self.w.stride(self.w_axes[0])
        if (
            self.kernel_rows == 1
            and _is_constant(self.tile.row_low, 0)
            and _is_constant(self.tile.row_high, 1)
        ):
            return self._row(x, w, totals)

        def body(row: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            x_row = Address(move(emit, x.pointer, [(row, x_step)]), x.bytes)
            w_row = Address(move(emit, w.pointer, [(row, w_step)]), w.bytes)
            return self._row(x_row, w_row, carried)

        return emit.loop(self.tile.row_low, self.tile.row_high, 1, totals, body)

    def _row(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        return self._scoped(Level.ROW, x, w, totals, self._columns)

    def _columns(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        emit, bounds = self.emit, self.tile.tap_columns
        x_step = self.dilation[1] * self.x.stride(self.x_axes[2])
        w_step = self.w.stride(self.w_axes[1])
        same = len(set(bounds)) == 1
        if bounds and (self.tile.taps.data != "none" or not same or bounds[0] == (0, 1)):
            for tap in range(self.kernel_columns):
                inside = [r for r, (low, high) in enumerate(bounds) if low <= tap < high]
                if inside:
                    at = x.plus(tap * x_step), w.plus(tap * w_step)
                    totals = self._column(*at, totals, inside)
            return totals

        everything = list(range(self.pixels))
        if bounds and bounds[0] == (0, self.kernel_columns) and self._contiguous(x_step, w_step):
            return self._words(x, w, totals, everything, self.words * self.kernel_columns)

        def body(tap: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            x_tap = Address(move(emit, x.pointer, [(tap, x_step)]), x.bytes)
            w_tap = Address(move(emit, w.pointer, [(tap, w_step)]), w.bytes)
            return self._column(x_tap, w_tap, carried, everything)

        low, high = map(emit.index, bounds[0]) if bounds else self.tile.column_bounds
        return emit.loop(low, high, 1, totals, body)

    def _contiguous(self, x_step: int, w_step: int) -> bool:
        """Whether the words of neighbouring taps of a row follow each other, in both operands."""
        return (x_step, w_step) == (self.words * self.x_word, self.words * self.w_word)

    def _column(
        self, x: Address, w: Address, totals: list[SSAValue], inside: list[int]
    ) -> list[SSAValue]:
        def words(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            return self._words(x, w, totals, inside, self.words)

        return self._scoped(Level.COLUMN, x, w, totals, words)

    def _words(
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

                def body(word: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
                    x_word = Address(move(emit, x.pointer, [(word, self.x_word)]), x.bytes)
                    w_word = Address(move(emit, w.pointer, [(word, self.w_word)]), w.bytes)
                    return piece(size)(x_word, w_word, carried)

                totals = emit.loop(emit.index(0), emit.index(whole), size, totals, body)
            if rest := words - whole:
                at = x.plus(whole * self.x_word), w.plus(whole * self.w_word)
                totals = piece(rest)(*at, totals)
            return totals

        return run

    def _unrolled(self, count: int, inside: list[int]) -> Step:
        def steps(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            for word in range(count):
                at = x.plus(word * self.x_word), w.plus(word * self.w_word)
                totals = self._step(*at, totals, inside)
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
                        totals[own] = narrow.fold(self.emit, into, (part,), self.negative)
            return totals

        return steps

    def _step(
        self, x: Address, w: Address, totals: list[SSAValue], inside: list[int]
    ) -> list[SSAValue]:
        """One word: load the weights of the block, then each pixel's word, and multiply."""
        emit, kernel, totals = self.emit, self.kernel, list(totals)
        negative = self.negative and not self.narrows
        weights = self._weights(w)
        for r in inside:
            word = self._input(x, r)
            for v, weight in enumerate(weights):
                at = r * self.vectors + v
                totals[at] = kernel.product(
                    emit, totals[at], word, weight, xor=self.xor, negative=negative
                )
        return totals

    def _weights(self, w: Address) -> list[SSAValue]:
        """The vectors of one word of weights."""
        emit, kernel = self.emit, self.kernel
        return [
            kernel.load_weights(emit, emit.offset(w.pointer, w.bytes + v * kernel.weight_bytes))
            for v in range(self.vectors)
        ]

    def _input(self, x: Address, r: int) -> SSAValue:
        """One word of pixel `r`."""
        pixel = self.stride[1] * self.x.stride(self.x_axes[2])
        return self.kernel.load_input(self.emit, self.emit.offset(x.pointer, x.bytes + r * pixel))


def move(emit: Emitter, pointer: SSAValue, parts: Sequence[tuple[SSAValue, int]]) -> SSAValue:
    """A pointer moved by the sum of index values times their strides in bytes."""
    total: SSAValue | None = None
    constant = 0
    for index, stride in parts:
        known = _constant_of(index)
        if stride == 0 or known is not None:
            constant += stride * (known or 0)
            continue
        part = emit.at("mul", index, stride)
        total = part if total is None else emit.at("add", total, part)
    moved = emit.offset(pointer, constant)
    return moved if total is None else emit.offset(moved, total)


def _constant_of(value: SSAValue) -> int | None:
    op = value.owner
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        return op.value.value.data
    return None


def _is_constant(value: SSAValue, number: int) -> bool:
    return _constant_of(value) == number
