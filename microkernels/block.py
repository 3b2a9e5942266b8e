"""The reduction of one register block, the same for every kernel.

Loops, outermost first: plane pairs, kernel rows, kernel columns, words. Kernel rows run over the bounds
that the tile gives, so that work on padding is skipped without a branch; columns and words are unrolled
as the schedule says. Pairs of planes are folded by Horner's rule over shift classes (one doubling a class),
or, where they are many, by a loop that shifts each pair's count. Where the schedule has pairs innermost,
each class has sums of its own, and every word is read once. A kernel that `weighs` needs one sum either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.algebra import PairAlgebra, ShiftClasses
from lowbit_dialect.ops.common import array
from microkernels.address import Address, is_constant, move
from microkernels.llvm_ops import vector
from microkernels.words import Level, Words

UNROLLED_PAIRS = 6
"""Plane pairs up to which each has its own code; C2 at 2x2 bits runs the same either way above that."""


class Reduction(Words):
    """Forms the accumulators of one tile, `pixels * vectors` of them, pixel-major."""

    def run(self) -> list[SSAValue]:
        """The accumulators before corrections."""
        x, w = Address(self._input_base()), Address(self._weight_base())
        zero = self.emit.constant(0, vector(self.kernel.lanes, self.kernel.accumulator))
        zeros = [zero] * (self.pixels * self.vectors)
        algebra = self.algebra
        if algebra is None:
            return self._pair(x, w, zeros)
        if self.tile.planes.data == "inner":
            return self._together(x, w, zeros)
        if self.kernel.weighs:
            return self._weighed(algebra, x, w, zeros)
        classes = algebra.shift_classes if self.x.has_planes else algebra.weight_classes
        if sum(map(len, classes)) <= UNROLLED_PAIRS:
            return self._horner(classes, x, w, zeros)
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
            (tile.channel, self.x_word if self.kernel.lanewise else 0),
        ]
        return move(emit, self.x.pointer, parts)

    def _weight_base(self) -> SSAValue:
        # A block of `block` channels starts at channel / block times its stride, which divides.
        parts = [(self.tile.group, self.w_group), (self.tile.channel, self.w_block // self.block)]
        return move(self.emit, self.w.pointer, parts)

    def _horner(
        self, classes: ShiftClasses, x: Address, w: Address, totals: list[SSAValue]
    ) -> list[SSAValue]:
        for place, pairs in enumerate(classes):
            if place:
                totals = [self.emit.binary("add", total, total) for total in totals]
            for i, j, sign in pairs:
                x_plane, w_plane = x.plus(i * self.x_plane), w.plus(j * self.w_plane)
                totals = self._pair(x_plane, w_plane, totals, factor=sign)
        return totals

    def _together(self, x: Address, w: Address, zeros: list[SSAValue]) -> list[SSAValue]:
        """All pairs in one pass over the operands, then Horner's rule over their sums."""
        emit, count = self.emit, len(zeros)
        sums = self._pair(x, w, zeros * len(self.sums))
        totals, place = zeros, 0
        for n, one in enumerate(self.sums):
            if one.place > place:
                totals, place = [emit.binary("add", total, total) for total in totals], one.place
            name = "add" if one.sign > 0 else "sub"
            parts = sums[n * count : (n + 1) * count]
            totals = [emit.binary(name, *both) for both in zip(totals, parts)]
        return totals

    def _weighed(
        self, algebra: PairAlgebra, x: Address, w: Address, totals: list[SSAValue]
    ) -> list[SSAValue]:
        """All pairs in the same sums, for a kernel that multiplies by their weights."""
        for i, j, weight in algebra.pairs:
            x_plane, w_plane = x.plus(i * self.x_plane), w.plus(j * self.w_plane)
            totals = self._pair(x_plane, w_plane, totals, factor=weight)
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
            w_plane = Address(move(emit, w.pointer, [(j, self.w_plane)]))
            counts = self._pair(x_plane, w_plane, zeros)
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
        self, x: Address, w: Address, totals: list[SSAValue], factor: int = 1
    ) -> list[SSAValue]:
        """Add `factor` times the products of one pair of planes (or of whole operands) to `totals`."""
        self.factor = factor
        return self.scoped(Level.PAIR, x, w, totals, self._rows)

    def _rows(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        x_step = self.dilation[0] * self.x.stride(self.x_axes[1])
        w_step = self.w.stride(self.w_axes[0])
        if (
            self.kernel_rows == 1
            and is_constant(self.tile.row_low, 0)
            and is_constant(self.tile.row_high, 1)
        ):
            return self._row(x, w, totals)

        bounds = self.tile.row_low, self.tile.row_high
        return self.walk(bounds, 1, (x_step, w_step), x, w, totals, self._row)

    def _row(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        return self.scoped(Level.ROW, x, w, totals, self._columns)

    def _columns(self, x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
        x_step = self.dilation[1] * self.x.stride(self.x_axes[2])
        w_step = self.w.stride(self.w_axes[1])
        if not self.tile.tap_columns:
            everything = list(range(self.pixels))
            low, high = self.tile.column_bounds
            return self._walk_taps((low, high), (x_step, w_step), x, w, totals, everything)
        for taps, inside in self._runs_of_taps():
            at = x.plus(taps.start * x_step), w.plus(taps.start * w_step)
            if len(taps) == 1:
                totals = self._column(*at, totals, inside)
            elif self._contiguous(x_step, w_step):
                totals = self.words_of(*at, totals, inside, self.words * len(taps))
            else:
                bounds = self.emit.index(0), self.emit.index(len(taps))
                totals = self._walk_taps(bounds, (x_step, w_step), *at, totals, inside)
        return totals

    def _runs_of_taps(self) -> Iterator[tuple[range, list[int]]]:
        """Kernel columns, each with the pixels of which it lies inside the image.

        Neighbours with the same pixels come as one run, but for a schedule that unrolls them.
        """
        bounds = self.tile.tap_columns
        inside = [
            [r for r, (low, high) in enumerate(bounds) if low <= tap < high]
            for tap in range(self.kernel_columns)
        ]
        unrolled = self.tile.taps.data != "none"
        start = 0
        for end in range(1, self.kernel_columns + 1):
            if end == self.kernel_columns or unrolled or inside[end] != inside[start]:
                if inside[start]:
                    yield range(start, end), inside[start]
                start = end

    def _walk_taps(
        self,
        bounds: tuple[SSAValue, SSAValue],
        steps: tuple[int, int],
        x: Address,
        w: Address,
        totals: list[SSAValue],
        inside: list[int],
    ) -> list[SSAValue]:
        """A loop over kernel columns."""

        def one(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            return self._column(x, w, totals, inside)

        return self.walk(bounds, 1, steps, x, w, totals, one)

    def _contiguous(self, x_step: int, w_step: int) -> bool:
        """Whether the words of neighbouring taps of a row follow each other, in both operands."""
        return (x_step, w_step) == (self.words * self.x_word, self.words * self.w_word)

    def _column(
        self, x: Address, w: Address, totals: list[SSAValue], inside: list[int]
    ) -> list[SSAValue]:
        def words(x: Address, w: Address, totals: list[SSAValue]) -> list[SSAValue]:
            return self.words_of(x, w, totals, inside, self.words)

        return self.scoped(Level.COLUMN, x, w, totals, words)
