"""One pass over the operands of a tile: the loops over kernel rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.ir import SSAValue

from lowbit_dialect.ops.common import array
from lowbit_dialect.ops.tile import TileOp
from microkernels.address import is_constant
from microkernels.reduction.narrows import Level
from microkernels.reduction.operands import Operands
from microkernels.reduction.products import Inside
from microkernels.reduction.turns import MOST_TAPS, Tap
from microkernels.reduction.walk import Cursor, Step, Strides, Totals
from microkernels.reduction.words import Words


@dataclass(frozen=True)
class Taps:
    """Loops over the kernel of some pixels of a tile, rows by its bounds, columns as it unrolls them.

    Every step counts its products `factor`: the sign of a pair of planes, or its weight.
    """

    tile: TileOp
    pixels: range
    words: Words

    def step(self, factor: int) -> Step:
        """The whole kernel, for one pair of planes or for all of them."""
        return self.words.narrows.around(Level.PAIR, factor, self._rows(factor))

    def _rows(self, factor: int) -> Step:
        row = self.words.narrows.around(Level.ROW, factor, self._columns(factor))
        low, high = self.tile.row_low, self.tile.row_high
        if array(self.tile.kernel, ())[0] == 1 and is_constant(low, 0) and is_constant(high, 1):
            return row
        return self.words.walk.over((low, high), 1, self._operands.rows, row)

    def _columns(self, factor: int) -> Step:
        if not self.tile.tap_columns:
            low, high = self.tile.column_bounds
            return self._loop((low, high), range(len(self.pixels)), factor)
        strides = self._operands.columns
        if self._in_turns and array(self.tile.kernel, ())[1] <= MOST_TAPS:
            taps = [
                Tap(strides.times(tap), inside)
                for taps, inside in self._runs_of_taps()
                for tap in taps
            ]
            return self.words.across(taps, factor)
        runs = [
            (strides.times(taps.start), self._run(len(taps), inside, factor))
            for taps, inside in self._runs_of_taps()
        ]

        def run(at: Cursor, totals: Totals) -> Totals:
            for start, step in runs:
                totals = step(at.plus(start), totals)
            return totals

        return run

    def _runs_of_taps(self) -> Iterator[tuple[range, list[int]]]:
        """Kernel columns, each with the pixels of which it lies inside the image.

        Neighbours with the same pixels come as one run, but for a schedule that unrolls them.
        """
        columns = array(self.tile.kernel, ())[1]
        bounds = self.tile.tap_columns[self.pixels.start : self.pixels.stop]
        inside = [
            [r for r, (low, high) in enumerate(bounds) if low <= tap < high]
            for tap in range(columns)
        ]
        unrolled = self.tile.taps.data != "none"
        start = 0
        for end in range(1, columns + 1):
            if end == columns or unrolled or inside[end] != inside[start]:
                if inside[start]:
                    yield range(start, end), inside[start]
                start = end

    def _run(self, taps: int, inside: Inside, factor: int) -> Step:
        """Neighbouring kernel columns that the same pixels see."""
        if taps == 1:
            return self._column(inside, factor)
        if self._operands.contiguous and not self._in_turns:
            return self.words.run(self._operands.count * taps, inside, factor)
        return self._loop((0, taps), inside, factor)

    def _loop(
        self, bounds: tuple[SSAValue | int, SSAValue | int], inside: Inside, factor: int
    ) -> Step:
        """A loop over kernel columns."""
        step = self._column(inside, factor)
        return self.words.walk.over(bounds, 1, self._operands.columns, step)

    def _column(self, inside: Inside, factor: int) -> Step:
        if self._in_turns:
            return self.words.across([Tap(Strides(0, 0), inside)], factor)
        words = self.words.run(self._operands.count, inside, factor)
        return self.words.narrows.around(Level.COLUMN, factor, words)

    @property
    def _in_turns(self) -> bool:
        return self.words.products.kernel.in_turns

    @property
    def _operands(self) -> Operands:
        return self.words.products.operands
