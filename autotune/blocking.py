"""The default block and loops of a kernel: a stated rule.

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

from lowbit_dialect.algebra import ONE_SUM
from lowbit_dialect.layout import Layout, LayoutAttr, storage_bytes
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import LARGEST, Loop, Schedule
from microkernels.interface import Microkernel
from microkernels.legality import border_outputs, has_strips, overfull, sums_of
from microkernels.target import Target

PEELED_PRODUCTS = 512
"""Unrolled products of a border tile up to which it is peeled; above it border pixels share a loop."""

PEELED_OUTPUTS = 6
"""Border outputs of a row up to which they are peeled: a 7x7 kernel has 6 and gains 10 to 20 % (64 to 32
channels: 132 us, not 146; AVX2, Zen 3, 2026-11). The 8 of 9x9 take 2 s more to compile and gain nothing."""

STORED_SLOTS = 8
"""Issue slots of a sum in which memory takes its result: 64 bytes in 1.5 cycles at 177 GB/s (Zen 5). Stores
must then lie in a row, so a block has all channels of a pixel: 1.01 of the limit against 1.4 with two
vectors (C3, C5)."""

WIDE_PIXELS = 8
"""Pixels from which on one of them may take all accumulators, though weights are read again for each."""

ODD = 3
"""Vectors, and pixels, of a block where a kernel takes two vectors and their number is odd: in pairs the last
would be alone, which costs 5 % of layers of 3 vectors and 3 % of one of 9 (Zen 3, 2026-11)."""


ORDERS = {
    "channels": (Loop("channels"), Loop("rows"), Loop("pixels")),
    "rows": (Loop("rows"), Loop("channels"), Loop("pixels")),
}

WHOLE_TABLES = 0.75
"""Part of L2 that the tables of an image may take."""


def blocked(work: Contraction, kernel: Microkernel, target: Target) -> Schedule:
    """The block, unrolling and loops of a kernel; raises no error: what they are pinned to may not fit."""
    sums = sums_of(work, kernel) if work.pixels == 1 else ONE_SUM
    if len(sums) > kernel.block(target.vector_registers)[1] or overfull(sums, work, kernel):
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
    unroll = max(1, min(run, kernel.unroll[taps == 1] or unroll))
    products = pixels * vectors * min(unroll, words) * taps
    peeled = border_outputs(work) <= PEELED_OUTPUTS and products <= PEELED_PRODUCTS
    strip = strip_rows(work, kernel, target)
    return Schedule(
        microkernel=kernel.name,
        pixels=pixels,
        vectors=vectors,
        unroll=unroll,
        taps="columns" if words * taps <= kernel.unrolled_row else "none",
        loops=((Loop("rows", strip),) if strip else ()) + ORDERS[_order(work, kernel, vectors)],
        planes="inner" if len(sums) > 1 else "outer",
        prefetch=0,
        borders="peeled" if peeled else "looped",
        tables="strips" if strip else "whole",
    )


def strip_rows(work: Contraction, kernel: Microkernel, target: Target) -> int:
    """Rows of outputs whose tables are made at a time; 0 for all, and where there are no tables.

    Strips are as even as their number allows, and their tables fill half of L2 at most: C2 at 2 x 1 bit with
    tables of 64 bytes, 2.2 MB in all, takes 6 strips of 10 rows where L2 has 1 MB.
    """
    rows, columns = work.window.rows, work.window.columns
    if not has_strips(work, kernel):
        return 0
    words = work.groups * -(-work.inputs // kernel.channels_per_word)
    row = columns.size * words << kernel.channels_per_word
    if row * rows.size <= WHOLE_TABLES * target.caches[1]:
        return 0
    held = target.caches[1] // 2 // row - (rows.kernel - 1) * rows.dilation - 1
    most = max(1, held // rows.stride + 1)
    return min(rows.out, LARGEST, -(-rows.out // -(-rows.out // most)))


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
    inputs = (
        operand_bytes(work.activation, kernel.input_layout(work), work.input_axes, extents) * used
    )
    taps = (rows.kernel, columns.kernel, work.inputs, work.outputs * work.groups)
    weights = operand_bytes(
        work.weight, kernel.weight_layout(work, vectors), work.weight_axes, taps
    )
    blocks = work.groups * -(-outputs // (vectors * kernel.lanes))
    return "rows" if weights / 2 * (rows.out - 1) < inputs * (blocks - 1) else "channels"


def operand_bytes(
    element: Attribute, layout: Layout, axes: tuple[int, ...], extents: tuple[int, ...]
) -> int:
    """Bytes of an operand whose `axes` have these extents."""
    shape = [extents[axes.index(axis)] for axis in range(len(axes))]
    return storage_bytes(TensorType(element, shape, LayoutAttr(layout)))
