"""The narrow accumulators of a register block: where each opens, and where its sum goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from microkernels.emit import Emitter
from microkernels.interface import Narrow
from microkernels.reduction.walk import Cursor, Step, Totals


class Level(IntEnum):
    """Loops of the reduction that a narrow accumulator may span."""

    PLANES = 0
    PAIR = 1
    ROW = 2
    COLUMN = 3
    CHUNK = 4


@dataclass(frozen=True)
class Narrows:
    """Narrow accumulators, each with the loop that it is carried over."""

    emit: Emitter
    sums: int
    """Sums of the block, each of which every narrow accumulator splits."""
    opened: tuple[tuple[Level, Narrow], ...]
    """Widest first, which is the order in which they open."""

    @classmethod
    def of(
        cls,
        emit: Emitter,
        sums: int,
        narrows: Sequence[Narrow],
        taps: Sequence[int],
        words: int,
        weight: int | None,
    ) -> Narrows:
        """Open each of `narrows`, narrowest first, as far out as its steps last.

        `taps` are the rows and columns of the kernel, of `words` each, which count `weight` in all pairs of
        planes; None where one cannot span these.
        """
        row = words * taps[1]
        spans = {Level.PAIR: row * taps[0], Level.ROW: row, Level.COLUMN: words}

        def level(narrow: Narrow) -> Level:
            if narrow.doubles and weight and weight * spans[Level.PAIR] <= narrow.steps:
                return Level.PLANES
            fit = (level for level, span in spans.items() if span <= narrow.steps)
            return min(fit, default=Level.CHUNK)

        return cls(emit, sums, tuple((level(narrow), narrow) for narrow in reversed(narrows)))

    def at(self, *levels: Level) -> list[Narrow]:
        """Those that open at some levels, widest first."""
        return [narrow for level, narrow in self.opened if level in levels]

    def subtracts(self, narrow: Narrow, factor: int) -> bool:
        """Whether the sum of products that count `factor` is subtracted: only the widest changes the sign."""
        return factor < 0 and narrow is self.opened[0][1]

    def around(self, level: Level, factor: int, step: Step) -> Step:
        """`step` in the accumulators that open at a level; its products count `factor`."""
        for narrow in reversed(self.at(level)):
            step = self.within(narrow, factor, step)
        return step

    def within(self, narrow: Narrow, factor: int, step: Step) -> Step:
        """`step` in fresh accumulators of `narrow`, whose sums then go to those around."""
        emit, negative = self.emit, self.subtracts(narrow, factor)

        def run(at: Cursor, totals: Totals) -> Totals:
            zeros = [emit.constant(0, type) for type in narrow.types]
            parts = step(at, zeros * self.sums)
            wide, own = (len(values) // self.sums for values in (totals, parts))
            folded: Totals = []
            for n in range(self.sums):
                into = tuple(totals[n * wide : (n + 1) * wide])
                part = tuple(parts[n * own : (n + 1) * own])
                folded += narrow.fold(emit, into, part, negative)
            return folded

        return run
