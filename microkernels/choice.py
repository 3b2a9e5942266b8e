"""Which kernel and block an op gets when nothing else decides: a stated rule.

The kernel with the fewest issue slots for an output: those of its instructions (`Microkernel.cost`,
padding of words and vectors included), or, where few pixels share the weights, of streaming these. The
block: as many vectors as the output channels of a group fill and the kernel allows, or as fit where sums are
so short that storing them takes as long; as many pixels as then fit in its accumulator registers, evenly;
more vectors if that leaves room for them. The outermost loop: the one that leaves fewer bytes to read again.
All pairs of planes in one pass where a single pixel reads the weights: 4096x4096 by ternary weights runs
16 to 22 % faster so, by one plane and two bits of activations 8 % (AVX2, Zen 3, 2026-11).
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from lowbit_dialect.algebra import ONE_SUM, Sum, pair_sums
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, Layout, LayoutAttr, storage_bytes
from lowbit_dialect.ops.linear import Contraction
from lowbit_dialect.schedule import Schedule
from microkernels.depthwise import depthwise_kernels
from microkernels.dot import dot_kernels
from microkernels.harley_seal import harley_seal_kernels
from microkernels.interface import Microkernel
from microkernels.lookup import lookup_kernels
from microkernels.multiply import multiply_kernels
from microkernels.popcount import popcount_kernels
from microkernels.target import Target
from microkernels.weighted import weighted_kernels

MOST_ACCUMULATORS = 256
"""Accumulators of one tile: eight times what any target holds in registers."""

STREAMED_BYTES = 5
"""Bytes of weights that arrive in an issue slot: 60 GB/s from L3 at 3.24 GHz in dense layers (Zen 3)."""

INNER_STEPS = 3
"""Words from which a narrow accumulator of several pairs of planes is worth its folding."""

STORED_SLOTS = 8
"""Issue slots of a sum in which memory takes its result: 64 bytes in 1.5 cycles at 177 GB/s (Zen 5). Stores
must then lie in a row, so a block has all channels of a pixel: 1.01 of the limit against 1.4 with two
vectors (C3, C5)."""

WIDE_PIXELS = 8
"""Pixels from which on one of them may take all accumulators, though weights are read again for each."""

MOST_PRODUCTS = 4096
"""Unrolled products of one pair of planes: a second of compile time a tile."""


def kernels(target: Target) -> list[Microkernel]:
    """Every kernel that a target can run."""
    return [
        *popcount_kernels(target),
        *harley_seal_kernels(target),
        *weighted_kernels(target),
        *lookup_kernels(target),
        *dot_kernels(target),
        *depthwise_kernels(target),
        *multiply_kernels(target),
    ]


def find_kernel(name: str, target: Target) -> Microkernel:
    """The kernel of that name; raises ValueError naming those there are."""
    known = {kernel.name: kernel for kernel in kernels(target)}
    if name not in known:
        raise ValueError(f"{target.name} has no microkernel '{name}': it has {', '.join(known)}")
    return known[name]


def default_schedule(
    work: Contraction, accumulator: Attribute, target: Target, pinned: Schedule | None = None
) -> Schedule:
    """The schedule of a contraction; fields of `pinned` that are set are kept.

    Raises ValueError if no kernel can form the products, or the pinned one cannot.
    """
    pinned = pinned or Schedule()
    legal = [k for k in kernels(target) if k.accepts(work, accumulator)]
    if pinned.microkernel:
        kernel = find_kernel(pinned.microkernel, target)
        if kernel not in legal and not kernel.accepts(work, accumulator):
            raise ValueError(
                f"microkernel {kernel.name} cannot multiply {work.activation} by {work.weight} in "
                f"{accumulator}"
            )
    elif not legal:
        raise ValueError(
            f"no microkernel of {target.name} multiplies {work.activation} by {work.weight}"
        )
    else:
        kernel = min(legal, key=lambda one: _cost(work, one, target))
    block = _block(work, kernel, target)
    schedule = pinned.completed(replace(block, order=_order(work, kernel, block)))
    if error := too_large(schedule, work, kernel):
        raise ValueError(error)
    return schedule


def too_large(schedule: Schedule, work: Contraction, kernel: Microkernel) -> str | None:
    """Why the code of one tile would be too long to build; None if it is not."""
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


def _cost(work: Contraction, kernel: Microkernel, target: Target) -> float:
    """Issue slots of one tap of one output: of the instructions, or of streaming the weights.

    These come once for all pixels: those of a block stay in a cache for the next tile.
    """
    layout = kernel.weight_layout(work, 1)
    planes = work.weight.planes if layout.packed and isinstance(work.weight, CodeType) else 1
    bytes = -(-work.inputs // kernel.channels_per_word) * kernel.word_bytes * planes
    _, outputs = kernel.channels(work)
    lanes = -(-outputs // kernel.lanes) * kernel.lanes / outputs
    return max(kernel.cost(work), bytes / (STREAMED_BYTES * work.pixels)) * lanes


def _block(work: Contraction, kernel: Microkernel, target: Target) -> Schedule:
    vectors, accumulators = kernel.block(target.vector_registers)
    if _wide(work, kernel, target):
        vectors = accumulators
    needed = -(-kernel.channels(work)[1] // kernel.lanes)
    if kernel.cost(work) * kernel.lanes * _taps(work) <= STORED_SLOTS:
        vectors = accumulators // 2
    vectors = min(vectors, needed)
    columns = work.window.columns.out
    if work.window.rows.out == 1 == work.window.rows.size or _pointwise(work):
        columns *= work.window.rows.out
    sums = _sums(work, kernel) if work.pixels == 1 else ONE_SUM
    if len(sums) > accumulators or _overfull(sums, work, kernel):
        sums = ONE_SUM
    accumulators //= len(sums)
    pixels = max(1, min(accumulators // vectors, columns))
    pixels = -(-columns // -(-columns // pixels))
    vectors = min(needed, accumulators // pixels)
    taps = work.window.columns.kernel
    words = -(-work.inputs // kernel.channels_per_word)
    # A kernel that takes groups of words finds whole ones across the taps of a row.
    run = words * taps if kernel.group > 1 else words
    # Products of a loop body over words; border tiles of a window repeat it for each column. 128 hold all
    # words of C11 (1x1) with AVX-512: without a loop its first additions fold away, 17 % of what bounds it
    # (counted).
    alone = 128 if target.vector_registers >= 32 else 32
    body = target.vector_registers if taps > 1 or _wide(work, kernel, target) else alone
    return Schedule(
        algorithm="direct",
        microkernel=kernel.name,
        pixels=pixels,
        vectors=vectors,
        unroll=max(1, min(run, kernel.unroll[taps == 1] or body // (pixels * vectors))),
        taps="columns" if words * taps <= kernel.unrolled_row else "none",
        planes="inner" if len(sums) > 1 else "outer",
    )


def _taps(work: Contraction) -> int:
    return work.window.rows.kernel * work.window.columns.kernel


def _order(work: Contraction, kernel: Microkernel, block: Schedule) -> str:
    """The outermost loop.

    With blocks of channels outermost all inputs are read again for each block; with rows, all weights for
    each row, but in one stream, which counts half (fitted to look-ups of C4 to C12 on Zen 3, 2026-11: rows
    gain 2 to 10 % where this says so, blocks up to 3 %).
    """
    rows, columns = work.window.rows, work.window.columns
    if rows.out == 1 or _pointwise(work):
        return "channels"
    _, outputs = kernel.channels(work)
    used = prod(min(1, axis.kernel / axis.stride) for axis in (rows, columns))
    extents = (1, rows.size, columns.size, work.inputs * work.groups)
    inputs = _bytes(work.activation, kernel.input_layout(work), work.input_axes, extents) * used
    taps = (rows.kernel, columns.kernel, work.inputs, work.outputs * work.groups)
    layout = kernel.weight_layout(work, block.vectors)
    weights = _bytes(work.weight, layout, work.weight_axes, taps)
    blocks = work.groups * -(-outputs // (block.vectors * kernel.lanes))
    return "rows" if weights / 2 * (rows.out - 1) < inputs * (blocks - 1) else "channels"


def _bytes(
    element: Attribute, layout: Layout, axes: tuple[int, ...], extents: tuple[int, ...]
) -> int:
    """Bytes of an operand whose `axes` have these extents."""
    shape = [extents[axes.index(axis)] for axis in range(len(axes))]
    return storage_bytes(TensorType(element, shape, LayoutAttr(layout)))


def _wide(work: Contraction, kernel: Microkernel, target: Target) -> bool:
    """Whether one pixel takes all accumulators: a single tap of few words, and pixels that share it."""
    rows, columns = work.window.rows, work.window.columns
    single = rows.kernel * columns.kernel == 1 and rows.out * columns.out >= WIDE_PIXELS
    words = -(-work.inputs // kernel.channels_per_word)
    accumulators = kernel.block(target.vector_registers)[1] * kernel.lanes
    return single and words <= kernel.wide_words and kernel.channels(work)[1] >= accumulators


def _pointwise(work: Contraction) -> bool:
    axes = (work.window.rows, work.window.columns)
    return all((a.kernel, a.stride, a.before, a.after) == (1, 1, 0, 0) for a in axes)
