"""The outermost loops of a reduction: over pairs of bit planes, around one pass over the operands.

Pairs are folded by Horner's rule over shift classes (one doubling a class), or, where they are many, by a
loop that shifts each pair's count. Where one pass multiplies all pairs, each class has sums of its own. A
kernel that `weighs` needs one sum either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.algebra import PairAlgebra, ShiftClasses
from microkernels.address import Address, move
from microkernels.emit import Emitter
from microkernels.interface import Microkernel
from microkernels.reduction.narrows import Level
from microkernels.reduction.operands import Operands
from microkernels.reduction.taps import Taps
from microkernels.reduction.walk import Cursor, Step, Strides, Totals

UNROLLED_PAIRS = 6
"""Plane pairs up to which each has its own code; C2 at 2x2 bits runs the same either way above that."""


def weight_of_pairs(algebra: PairAlgebra) -> int | None:
    """What one product counts in all pairs, if each has its own code and none is subtracted."""
    weights = [weight for _, _, weight in algebra.pairs]
    return sum(weights) if len(weights) <= UNROLLED_PAIRS and min(weights) > 0 else None


@dataclass(frozen=True)
class Planes:
    """Loops over the pairs of planes of one tile."""

    emit: Emitter
    kernel: Microkernel
    algebra: PairAlgebra
    taps: Taps

    def apart(self, zeros: Totals, *, looped: bool) -> Totals:
        """The sums of all pairs, a pass for each: with code of its own unless they are `looped`, or many.

        In a loop C2 and C6 at 2 x 2 bits take 0.92 and 0.90 of the time, single taps up to 1.6 times as long
        (AVX-512 with VPOPCNTDQ, Zen 5, 2026-11).
        """
        if self.kernel.weighs:
            return self._weighed(zeros)
        tables = not self._operands.planes.x
        classes = self.algebra.weight_classes if tables else self.algebra.shift_classes
        if not looped and sum(map(len, classes)) <= UNROLLED_PAIRS:
            step = self.taps.words.narrows.around(Level.PLANES, 1, self._horner(classes))
            return step(self._operands.start, zeros)
        return self._looped(zeros)

    def together(self, zeros: Totals) -> Totals:
        """All pairs in one pass over the operands, then Horner's rule over their sums."""
        emit, count, sums = self.emit, len(zeros), self.taps.words.products.sums
        parts = self.taps.step(1)(self._operands.start, zeros * len(sums))
        totals, place = zeros, 0
        for n, one in enumerate(sums):
            if one.place > place:
                totals, place = [emit.binary("add", total, total) for total in totals], one.place
            name = "add" if one.sign > 0 else "sub"
            added = parts[n * count : (n + 1) * count]
            totals = [emit.binary(name, *both) for both in zip(totals, added)]
        return totals

    def _horner(self, classes: ShiftClasses) -> Step:
        """A pass for each pair, the sums doubled between classes."""

        def steps(_: Cursor, totals: Totals) -> Totals:
            for place, pairs in enumerate(classes):
                if place:
                    totals = [self.emit.binary("add", total, total) for total in totals]
                for i, j, sign in pairs:
                    # LLVM would keep the words of straight code for the next pass, on the stack: C3 at 2 x 2
                    # bits takes 0.84 to 0.90 of the time so (16 registers below AVX, Zen 3, 2026-11).
                    self.emit.barrier()
                    totals = self.taps.step(sign)(self._start(i, j), totals)
            return totals

        return steps

    def _weighed(self, totals: Totals) -> Totals:
        """All pairs in the same sums, for a kernel that multiplies by their weights."""
        for i, j, weight in self.algebra.pairs:
            totals = self.taps.step(weight)(self._start(i, j), totals)
        return totals

    def _start(self, i: int, j: int) -> Cursor:
        """Where a pair of planes begins."""
        start, planes = self._operands.start, self._operands.planes
        return start.plus(Strides(i * planes.x, j * planes.w))

    def _looped(self, zeros: Totals) -> Totals:
        """A loop over plane pairs: `total += (count << (i + j)) * sign`."""
        emit, start, strides = self.emit, self._operands.start, self._operands.planes
        codes = self.algebra.activation, self.algebra.weight
        planes = codes[1].planes
        pass_over = self.taps.step(1)

        def body(pair: SSAValue, totals: Totals) -> Sequence[SSAValue]:
            places = emit.at("div", pair, planes), emit.at("rem", pair, planes)
            x, w = (
                Address(move(emit, address.pointer, [(place, stride)]), address.bytes)
                for address, place, stride in zip((start.x, start.w), places, strides)
            )
            counts = pass_over(Cursor(x, w), zeros)
            shift = self._lanes(emit.at("add", *places))
            flips = [
                self._mask(place, code.planes - 1)
                for place, code in zip(places, codes)
                if code.plane_weights[-1] < 0
            ]
            results: Totals = []
            for total, count in zip(totals, counts):
                shifted = emit.binary("shl", count, shift)
                for mask in flips:
                    shifted = emit.binary("sub", emit.binary("xor", shifted, mask), mask)
                results.append(emit.binary("add", total, shifted))
            return results

        pairs = planes * (codes[0].planes if strides.x else 1)
        return emit.loop(emit.index(0), emit.index(pairs), 1, zeros, body)

    def _lanes(self, value: SSAValue) -> SSAValue:
        """An index as i32 in all lanes."""
        scalar = self.emit.op(arith.IndexCastOp(value, i32))
        return self.emit.splat(scalar, self.kernel.lanes)

    def _mask(self, place: SSAValue, top: int) -> SSAValue:
        """All ones where `place` is the top plane, whose weight is negative; else zero."""
        equal = self.emit.op(arith.CmpiOp(place, self.emit.index(top), "eq"))
        return self.emit.splat(self.emit.widen(equal, i32, signed=True), self.kernel.lanes)

    @property
    def _operands(self) -> Operands:
        return self.taps.words.products.operands
