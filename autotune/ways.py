"""An algorithm and a kernel for an op, and what the fields of a schedule come to in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import Value
from microkernels.interface import Microkernel
from microkernels.legality import border_outputs, has_strips, sums_of
from microkernels.nest import window_of
from microkernels.reduction.planes import UNROLLED_PAIRS
from microkernels.reduction.words import pieces_across, pieces_of


@dataclass(frozen=True)
class Way:
    """An algorithm and a kernel, and what the fields of a schedule depend on in them."""

    work: Contraction
    """What the kernel has to do."""
    kernel: Microkernel
    vectors: int
    """Vectors that the output channels of a group fill."""
    words: int
    """Words of one tap."""
    pairs: int
    """Pairs of planes that are multiplied."""
    sums: int
    """Sums of an output where all pairs are multiplied in one pass, of at most `together` pairs each."""
    together: int
    borders: int
    """Outputs of a row that see padding."""
    narrow: tuple[int, ...]
    """Steps of the narrow accumulators, narrowest first."""
    contiguous: bool
    strips: bool

    @classmethod
    def of(cls, work: Contraction, kernel: Microkernel) -> Way:
        """What a kernel makes of a contraction."""
        sums = sums_of(work, kernel)
        pairs = [len(one.pairs) for one in sums]
        return cls(
            work,
            kernel,
            vectors=-(-kernel.channels(work)[1] // kernel.lanes),
            words=-(-work.inputs // kernel.channels_per_word),
            pairs=sum(pairs),
            sums=len(sums),
            together=max(pairs),
            borders=border_outputs(work),
            narrow=tuple(one.steps for one in kernel.narrows(work.activation, work.weight)),
            contiguous=_contiguous(work, kernel),
            strips=has_strips(work, kernel),
        )

    @property
    def taps(self) -> int:
        """Kernel columns."""
        return self.work.window.columns.kernel

    def planes(self, wanted: str | None) -> str:
        """Where the pairs of planes stand if they are `wanted` there: many are in a loop in any case."""
        looped = self.pairs > 1 and not self.kernel.weighs
        if wanted == "inner" and self.pairs > 1:
            return "inner"
        return (
            "looped" if looped and (wanted == "looped" or self.pairs > UNROLLED_PAIRS) else "outer"
        )

    def row(self, borders: Value | None) -> int:
        """Outputs of a row that are cut in tiles."""
        out = window_of(self.work)[0].columns.out
        return out if borders == "peeled" else out - self.borders


def even(total: int, pixels: int) -> int:
    """Outputs of a tile where `total` are cut in the fewest of at most `pixels`."""
    return -(-total // -(-total // pixels)) if total > 0 else 1


def _contiguous(work: Contraction, kernel: Microkernel) -> bool:
    """Whether the words of neighbouring taps of a row follow each other."""
    layout, code = kernel.input_layout(work), work.activation
    planes = code.planes if isinstance(code, CodeType) and PLANES in layout.terms else 1
    return work.window.columns.dilation == 1 and work.groups == 1 and planes == 1


def reduced(taps: str, unroll: int, planes: str | None, way: Way) -> tuple[str, int]:
    """The least unrolling with the same loops over words, and the taps that these come to."""
    if way.kernel.in_turns:
        return "none", _least_across(way.words, way.taps, way.narrow, unroll)
    along = way.taps if taps == "none" and way.contiguous else 1
    row = way.words * way.taps
    if along > 1 and not way.narrow and way.kernel.group == 1 and unroll >= row:
        return "columns", way.words
    together = way.together if planes == "inner" else 1
    steps = tuple(one // together for one in way.narrow)
    return taps, _least(way.words, way.taps, along, steps, unroll)


@cache
def _least_across(words: int, taps: int, steps: tuple[int, ...], unroll: int) -> int:
    """The same of words that are taken across taps."""
    loops = [pieces_across(words, taps, size, steps) for size in range(1, unroll + 1)]
    return loops.index(loops[-1]) + 1


@cache
def _least(words: int, taps: int, along: int, steps: tuple[int, ...], unroll: int) -> int:
    """The least unrolling whose loops over words are those of `unroll`."""
    wanted = _loops(words, taps, along, steps, unroll)
    sizes = range(1, unroll + 1)
    return next(size for size in sizes if _loops(words, taps, along, steps, size) == wanted)


@cache
def _loops(words: int, taps: int, along: int, steps: tuple[int, ...], unroll: int) -> list[object]:
    """The loops over the words of each number of taps that are gone over together."""
    counts = range(words, words * along + 1, words)
    return [pieces_of(count, words, words * taps, unroll, steps) for count in counts]
