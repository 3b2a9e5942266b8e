"""The default block and loops of a kernel: a stated rule, and what is too large.

As many vectors as the output channels of a group fill and the kernel allows, or as fit where sums are so
short that storing them takes as long; as many pixels as then fit in its accumulator registers, evenly; more
vectors if that leaves room for them. The outermost loop is the one that leaves fewer bytes to read again. All
pairs of planes go in one pass where a single pixel reads the weights: 4096x4096 by ternary weights runs 16
to 22 % faster so, by one plane and two bits of activations 8 % (AVX2, Zen 3, 2026-11).
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from lowbit_dialect.algebra import ONE_SUM, Sum, pair_sums
from lowbit_dialect.layout import PLANES, Layout, LayoutAttr, storage_bytes
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import LARGEST, Schedule
from microkernels.interface import Microkernel
from microkernels.target import Target

MOST_ACCUMULATORS = 256
"""Accumulators of one tile: eight times what any target holds in registers."""

MOST_PRODUCTS = 4096
"""Unrolled products of one pair of planes: a second of compile time a tile."""

INNER_STEPS = 3
"""Words from which a narrow accumulator of several pairs of planes is worth its folding."""

STORED_SLOTS = 8
"""Issue slots of a sum in which memory takes its result: 64 bytes in 1.5 cycles at 177 GB/s (Zen 5). Stores
must then lie in a row, so a block has all channels of a pixel: 1.01 of the limit against 1.4 with two
vectors (C3, C5)."""

WIDE_PIXELS = 8
"""Pixels from which on one of them may take all accumulators, though weights are read again for each."""

ODD = 3
"""Vectors, and pixels, of a block where a kernel takes two vectors and their number is odd: in pairs the last
would be alone, which costs 5 % of layers of 3 vectors and 3 % of one of 9 (Zen 3, 2026-11)."""


WHOLE_TABLES = 0.75
"""Part of L2 that the tables of an image may take."""


def blocked(work: Contraction, kernel: Microkernel, target: Target) -> Schedule:
    """The block, unrolling and loops of a kernel; raises no error: what they are pinned to may not fit."""
    sums = _sums(work, kernel) if work.pixels == 1 else ONE_SUM
    if len(sums) > kernel.block(target.vector_registers)[1] or _overfull(sums, work, kernel):
        sums = ONE_SUM
    wide = _wide(work, kernel, target)
    pixels, vectors = _block(work, kernel, target, len(sums), wide)
    taps = work.window.columns.kernel
    words = -(-work.inputs // kernel.channels_per_word)
    # Products of a loop body over words, at most; border tiles of a window repeat it for each column. 128
    # hold all words of C11 (1x1) with AVX-512: without a loop its first additions fold away, 17 % of what
    # bounds it (counted).
    alone = 128 if target.vector_registers >= 32 else 32
    body = target.vector_registers if taps > 1 or wide else alone
    unroll = 1 << max(1, body // (pixels * vectors)).bit_length() - 1
    # A kernel that takes groups of words finds whole ones across the taps of a row.
    run = words * taps if kernel.group > 1 else words
    return Schedule(
        microkernel=kernel.name,
        pixels=pixels,
        vectors=vectors,
        unroll=max(1, min(run, kernel.unroll[taps == 1] or unroll)),
        taps="columns" if words * taps <= kernel.unrolled_row else "none",
        order=_order(work, kernel, vectors),
        planes="inner" if len(sums) > 1 else "outer",
        strip=strip_rows(work, kernel, target),
    )


def strip_rows(work: Contraction, kernel: Microkernel, target: Target) -> int:
    """Rows of outputs whose tables are made at a time; 0 for all, and where there are no tables.

    Strips are as even as their number allows, and their tables fill half of L2 at most: C2 at 2 x 1 bit with
    tables of 64 bytes, 2.2 MB in all, takes 6 strips of 10 rows where L2 has 1 MB.
    """
    rows, columns = work.window.rows, work.window.columns
    if not kernel.input_layout(work).table or work.batch > 1 or work.window.pointwise:
        return 0
    words = work.groups * -(-work.inputs // kernel.channels_per_word)
    row = columns.size * words << kernel.channels_per_word
    if row * rows.size <= WHOLE_TABLES * target.caches[1]:
        return 0
    held = target.caches[1] // 2 // row - (rows.kernel - 1) * rows.dilation - 1
    most = max(1, held // rows.stride + 1)
    return min(rows.out, LARGEST, -(-rows.out // -(-rows.out // most)))


def too_large(schedule: Schedule, work: Contraction, kernel: Microkernel) -> str | None:
    """Why the code of one tile would be too long to build, or its sums too full; None if they are not."""
    block = schedule.pixels * schedule.vectors
    if block > MOST_ACCUMULATORS:
        return (
            f"{schedule.pixels} pixels of {schedule.vectors} vectors are {block} accumulators: at "
            f"most {MOST_ACCUMULATORS}"
        )
    words = -(-work.inputs // kernel.channels_per_word)
    taps = 1 if schedule.taps == "none" else work.window.columns.kernel
    products = block * min(schedule.unroll, words) * taps
    if schedule.planes == "inner":
        sums = _sums(work, kernel)
        if error := _overfull(sums, work, kernel):
            return error
        products *= sum(len(one.pairs) for one in sums)
    if products > MOST_PRODUCTS:
        return (
            f"{block} accumulators, {taps} taps and {min(schedule.unroll, words)} words are "
            f"{products} unrolled products: at most {MOST_PRODUCTS}"
        )
    return None


def _sums(work: Contraction, kernel: Microkernel) -> tuple[Sum, ...]:
    """The sums that the pairs of planes go to where they are multiplied in one pass."""
    if PLANES not in kernel.weight_layout(work, 1).terms:
        return ONE_SUM
    tables = PLANES not in kernel.input_layout(work).terms
    return pair_sums(work.activation, work.weight, tables=tables, weighed=kernel.weighs)


def _overfull(sums: tuple[Sum, ...], work: Contraction, kernel: Microkernel) -> str | None:
    """Why narrow accumulators cannot take all pairs of planes in one pass; None if they can."""
    together = max(len(one.pairs) for one in sums)
    narrows = kernel.narrows(work.activation, work.weight)
    steps = min((narrow.steps for narrow in narrows), default=INNER_STEPS * together)
    if len(sums) > 1 and steps < INNER_STEPS * together:
        return f"planes = inner adds {together} products a word: {kernel.name} holds {steps}"
    return None


def _block(
    work: Contraction, kernel: Microkernel, target: Target, sums: int, wide: bool
) -> tuple[int, int]:
    """`(pixels, vectors)`, each with so many sums."""
    vectors, accumulators = kernel.block(target.vector_registers)
    needed = -(-kernel.channels(work)[1] // kernel.lanes)
    taps = work.window.rows.kernel * work.window.columns.kernel
    if wide:
        vectors = accumulators
    elif kernel.cost(work) * kernel.lanes * taps <= STORED_SLOTS:
        vectors = accumulators // 2
    elif (vectors, accumulators) <= (2, ODD * ODD + 1) and needed % 2 and needed >= ODD:
        vectors, accumulators = ODD, ODD * ODD
    accumulators //= sums
    columns = work.window.columns.out
    if work.window.rows.out == 1 == work.window.rows.size or work.window.pointwise:
        columns *= work.window.rows.out
    pixels = max(1, min(accumulators // min(vectors, needed), columns))
    pixels = -(-columns // -(-columns // pixels))
    return pixels, max(1, min(needed, accumulators // pixels))


def _wide(work: Contraction, kernel: Microkernel, target: Target) -> bool:
    """Whether one pixel takes all accumulators: a single tap of few words, and pixels that share it."""
    rows, columns = work.window.rows, work.window.columns
    single = rows.kernel * columns.kernel == 1 and rows.out * columns.out >= WIDE_PIXELS
    words = -(-work.inputs // kernel.channels_per_word)
    accumulators = kernel.block(target.vector_registers)[1] * kernel.lanes
    return single and words <= kernel.wide_words and kernel.channels(work)[1] >= accumulators


def _order(work: Contraction, kernel: Microkernel, vectors: int) -> str:
    """The outermost loop.

    With blocks of channels outermost all inputs are read again for each block; with rows, all weights for
    each row, but in one stream, which counts half (fitted to look-ups of C4 to C12 on Zen 3, 2026-11: rows
    gain 2 to 10 % where this says so, blocks up to 3 %).
    """
    rows, columns = work.window.rows, work.window.columns
    if rows.out == 1 or work.window.pointwise:
        return "channels"
    _, outputs = kernel.channels(work)
    used = prod(min(1, axis.kernel / axis.stride) for axis in (rows, columns))
    extents = (1, rows.size, columns.size, work.inputs * work.groups)
    inputs = _bytes(work.activation, kernel.input_layout(work), work.input_axes, extents) * used
    taps = (rows.kernel, columns.kernel, work.inputs, work.outputs * work.groups)
    weights = _bytes(work.weight, kernel.weight_layout(work, vectors), work.weight_axes, taps)
    blocks = work.groups * -(-outputs // (vectors * kernel.lanes))
    return "rows" if weights / 2 * (rows.out - 1) < inputs * (blocks - 1) else "channels"


def _bytes(
    element: Attribute, layout: Layout, axes: tuple[int, ...], extents: tuple[int, ...]
) -> int:
    """Bytes of an operand whose `axes` have these extents."""
    shape = [extents[axes.index(axis)] for axis in range(len(axes))]
    return storage_bytes(TensorType(element, shape, LayoutAttr(layout)))
