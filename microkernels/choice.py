"""Which kernel and block an op gets when nothing else decides: a stated rule.

The kernel with the fewest issue slots for an output: those of its instructions (`Microkernel.cost`,
padding of words and vectors included), or, where few pixels share the weights, of streaming these. The
block: as many vectors as the output channels of a group fill and the kernel allows; as many pixels as then
fit in its accumulator registers, evenly; more vectors if that leaves room for them.
"""

from __future__ import annotations

from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.linear import Contraction
from lowbit_dialect.schedule import Schedule
from microkernels.depthwise import depthwise_kernels
from microkernels.dot import dot_kernels
from microkernels.interface import Microkernel
from microkernels.lookup import lookup_kernels
from microkernels.multiply import multiply_kernels
from microkernels.popcount import popcount_kernels
from microkernels.target import Target

MOST_ACCUMULATORS = 256
"""Accumulators of one tile: eight times what any target holds in registers."""

STREAMED_BYTES = 5
"""Bytes of weights that arrive in an issue slot: 60 GB/s from L3 at 3.24 GHz in dense layers (Zen 3)."""

WIDE_PIXELS = 8
"""Pixels from which on one of them may take all accumulators, though weights are read again for each."""

MOST_PRODUCTS = 4096
"""Unrolled products of one pair of planes: a second of compile time a tile."""


def kernels(target: Target) -> list[Microkernel]:
    """Every kernel that a target can run."""
    return [
        *popcount_kernels(target),
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
    schedule = pinned.completed(_block(work, kernel, target))
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
    if products > MOST_PRODUCTS:
        return (
            f"{block} accumulators, {taps} taps and {min(schedule.unroll, words)} words are "
            f"{products} unrolled products: at most {MOST_PRODUCTS}"
        )
    return None


def _cost(work: Contraction, kernel: Microkernel, target: Target) -> float:
    """Issue slots of one tap of one output: of the instructions, or of streaming the weights."""
    layout = kernel.weight_layout(work, 1)
    planes = work.weight.planes if layout.packed and isinstance(work.weight, CodeType) else 1
    bytes = -(-work.inputs // kernel.channels_per_word) * kernel.word_bytes * planes
    window = work.window
    # Weights that stay in L1 arrive once for all pixels.
    all_pixels = window.rows.out * window.columns.out
    pixels = all_pixels if _wide(work, kernel, target) else _block(work, kernel, target).pixels
    _, outputs = kernel.channels(work)
    lanes = -(-outputs // kernel.lanes) * kernel.lanes / outputs
    return max(kernel.cost(work), bytes / (STREAMED_BYTES * pixels)) * lanes


def _block(work: Contraction, kernel: Microkernel, target: Target) -> Schedule:
    vectors, accumulators = kernel.block(target.vector_registers)
    if _wide(work, kernel, target):
        vectors = accumulators
    needed = -(-kernel.channels(work)[1] // kernel.lanes)
    vectors = min(vectors, needed)
    columns = work.window.columns.out
    if work.window.rows.out == 1 == work.window.rows.size or _pointwise(work):
        columns *= work.window.rows.out
    pixels = max(1, min(accumulators // vectors, columns))
    pixels = -(-columns // -(-columns // pixels))
    vectors = min(needed, accumulators // pixels)
    taps = work.window.columns.kernel
    words = -(-work.inputs // kernel.channels_per_word)
    # Products of a loop body over words; border tiles of a window repeat it for each column.
    body = target.vector_registers * (1 if taps > 1 or _wide(work, kernel, target) else 2)
    return Schedule(
        algorithm="direct",
        microkernel=kernel.name,
        pixels=pixels,
        vectors=vectors,
        unroll=max(1, min(words, kernel.unroll[taps == 1] or body // (pixels * vectors))),
        taps="columns" if words * taps <= kernel.unrolled_row else "none",
    )


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
