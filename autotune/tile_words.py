"""What the loops of one tile go over: words of taps and planes, those that stand in a row, and its folds."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from lowbit_dialect.algebra import PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Instructions, total
from microkernels.interface import Microkernel, Narrow
from microkernels.legality import sums_of
from microkernels.reduction.planes import weight_of_pairs
from microkernels.reduction.words import SHORT_STEPS


class Block(NamedTuple):
    """A register block and its loops; a tuple, as hundreds an op are made and looked up."""

    pixels: int
    vectors: int
    unroll: int
    taps: str
    planes: str
    columns: float
    """Kernel columns inside the image, on average over its pixels."""
    prefetch: int = 0


class TileWords:
    """The words of a contraction as tiles of one kernel take them."""

    def __init__(self, work: Contraction, kernel: Microkernel):
        self.work, self.kernel = work, kernel
        layout = kernel.input_layout(work)
        self.tables = layout.table is not None
        self.x_planes = _planes(work.activation, PLANES in layout.terms)
        self.w_planes = _planes(work.weight, PLANES in kernel.weight_layout(work, 1).terms)
        self.words = -(-work.inputs // kernel.channels_per_word)
        self.narrows = kernel.narrows(work.activation, work.weight)
        self._instructions: dict[int, Instructions] = {}
        rows, columns = work.window.rows, work.window.columns
        # Kernel rows, columns and taps of an output inside the image, on average.
        self.rows_inside = rows.taps_inside / rows.out
        self.columns_inside = columns.taps_inside / columns.out
        self.taps_inside = self.rows_inside * self.columns_inside

    def parts(self, row: int) -> Instructions:
        """The instructions of the kernel where so many words are unrolled."""
        if row not in self._instructions:
            self._instructions[row] = self.kernel.instructions(self.work, row)
        return self._instructions[row]

    def entering(self, row: int, run: int) -> Instructions:
        """The instructions of the kernel: of the words that are unrolled, and of those that are left."""
        whole, rest = self.parts(row), run % row
        if not rest:
            return whole
        left, part = self.parts(rest), rest / run
        product = total((1 - part, whole.product), (part, left.product))
        return replace(
            whole, product=product, input=total((1 - part, whole.input), (part, left.input))
        )

    @cached_property
    def _weight(self) -> int | None:
        """What one product counts in all pairs of planes, if a narrow accumulator may span these."""
        codes = self.work.activation, self.work.weight
        if not isinstance(codes[0], CodeType) or not isinstance(codes[1], CodeType):
            return None
        return weight_of_pairs(PairAlgebra(codes[0], codes[1]))

    @cached_property
    def inner(self) -> tuple[int, int]:
        """Sums of an output where pairs of planes are innermost, and how many pairs one takes at most."""
        sums = sums_of(self.work, self.kernel)
        return len(sums), max(len(one.pairs) for one in sums)

    @cached_property
    def _contiguous(self) -> bool:
        """Whether the words of neighbouring taps of a row follow each other."""
        work = self.work
        return work.window.columns.dilation == work.groups == self.x_planes == 1

    @cached_property
    def one_by_one(self) -> bool:
        """Whether outputs are formed one by one and share nothing but where their tile is.

        Those of more words do not even share that, as their loops and adders take its registers (C6 at 2 x 1
        bits by 4 outputs takes 1.10 of the instructions that it takes by one; Cortex-M7, Unicorn, 2026-11).
        """
        taps = self.work.window.rows.kernel * self.work.window.columns.kernel
        words = self.words * taps * self.x_planes * self.w_planes
        return self.kernel.loads_late and words <= self.kernel.group

    def run(self, block: Block) -> int:
        """Words that one loop goes over: of a tap, or of a row of taps."""
        joined = block.taps == "none" and self._contiguous and not self.kernel.in_turns
        return self.words * (self.work.window.columns.kernel if joined else 1)

    def ahead(self, block: Block) -> int:
        """Words whose products stand in a row, without a loop between."""
        columns, run = self.work.window.columns.kernel, self.run(block)
        if self.kernel.in_turns:
            return min(block.unroll, run) * columns
        if run // block.unroll > 1:
            return block.unroll
        return run * (columns if block.taps == "columns" else 1)

    def turns(self, block: Block, each: int = 1) -> float:
        """Turns of the loops of one pass; none where a tile is straight code.

        A word adds `each` products to a narrow accumulator: pieces that one holds are a loop around.
        """
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        run = self.run(block)
        pieces = run // block.unroll
        turns = pieces if pieces > 1 else 0
        if self.kernel.in_turns:
            return rows * turns + (rows if rows > 1 else 0)
        limit = self._limit(block, self.narrows[0], each) if self.narrows else run
        if max(SHORT_STEPS, block.unroll) < limit < run:
            turns += -(-run // limit)
        if run == self.words and columns > 1:
            turns = columns * (turns + (block.taps == "none"))
        return rows * turns + (rows if rows > 1 else 0)

    def folds(self, block: Block, narrow: Narrow, each: int, passes: int) -> tuple[float, int]:
        """How often a narrow accumulator of a sum is folded, and after how many words at most.

        A word adds `each` products to it, in so many `passes` over the words.
        """
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        limit = self._limit(block, narrow, each)
        pairs = self._weight if narrow.doubles and block.planes == "outer" else None
        if pairs and pairs * self.words * columns * rows <= limit:
            return 1.0, limit
        if self.words * columns * rows <= limit:
            return float(passes), limit
        if self.words * columns <= limit:
            return float(rows * passes), limit
        if self.run(block) > self.words:
            return self.rows_inside * -(-self.words * block.columns // limit) * passes, limit
        return self.rows_inside * block.columns * -(-self.words // limit) * passes, limit

    def _limit(self, block: Block, narrow: Narrow, each: int) -> int:
        """Words after which a narrow accumulator is folded at most."""
        steps = max(1, narrow.steps // each)
        return steps // block.unroll * block.unroll or steps


def _planes(element: object, apart: bool) -> int:
    """Planes of an operand that are multiplied one by one."""
    return element.planes if apart and isinstance(element, CodeType) else 1
