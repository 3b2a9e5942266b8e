"""Which kernel and algorithm an op gets when nothing else decides: a stated rule.

Those with the fewest issue slots for an output: of the instructions (`Microkernel.cost`, padding of words and
vectors included), or, where few pixels share the weights, of streaming these; and an output's part of
gathering windows, whose words are full (`microkernels/gathering.py`). Single taps that skip pixels are
gathered where these would be converted otherwise. The block follows (`microkernels/blocking.py`).
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.blocking import blocked, strip_rows, too_large
from microkernels.depthwise import depthwise_kernels
from microkernels.dot import dot_kernels
from microkernels.gathering import fills_words, gathering, relaying
from microkernels.harley_seal import harley_seal_kernels
from microkernels.interface import Microkernel
from microkernels.lookup import lookup_kernels
from microkernels.multiply import multiply_kernels
from microkernels.popcount import popcount_kernels
from microkernels.target import Target
from microkernels.weighted import weighted_kernels

STREAMED_BYTES = 5
"""Bytes of weights that arrive in an issue slot: 60 GB/s from L3 at 3.24 GHz in dense layers (Zen 3)."""


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


def schedule_of(op: LinearOp, target: Target) -> Schedule:
    """The schedule of a `conv2d` or `dense`, the default where it pins nothing; raises ValueError."""
    pinned = op.schedule.data if op.schedule else Schedule()
    work, products = op.contraction, corrected(op)
    if products:  # for the borders that the op has as it stands
        pinned = pinned.completed(Schedule(algorithm="direct"))
    if work.subsamples and not pinned.algorithm and cannot_gather(work) is None:
        gathering = pinned.completed(Schedule(algorithm="im2col"))
        schedule = default_schedule(work, op.accumulator, target, gathering)
        kernel = find_kernel(schedule.microkernel, target)
        if not _read_as_stored(op, kernel.input_layout(work)):
            return schedule
    return default_schedule(work, op.accumulator, target, pinned, products)


def corrected(op: LinearOp) -> str:
    """What the sums are made of that the corrections of an op are for; nothing if it has none."""
    return "" if op.corrections is None else op.products.data


def _read_as_stored(op: LinearOp, layout: Layout) -> bool:
    """Whether a kernel that reads `layout` needs no conversion: of elements, or of planes in rows.

    Those may be stored so, or an op before may do it.
    """
    stored = layout_of(shaped(op.input))
    planes = (stored is not None and stored.packed) or isinstance(op.input.owner, LinearOp)
    if not layout.encoded:
        return not planes
    word = layout.word_term
    return planes and layout.packed and word is not None and len(word.chain) == 1


def default_schedule(
    work: Contraction,
    accumulator: Attribute,
    target: Target,
    pinned: Schedule | None = None,
    products: str = "",
) -> Schedule:
    """The schedule of a contraction; fields of `pinned` that are set are kept.

    Where `products` are named, its sums are made of these (`Microkernel.sums`). Raises ValueError if no
    kernel can form them, or the pinned one cannot.
    """
    pinned = pinned or Schedule()
    known = [find_kernel(pinned.microkernel, target)] if pinned.microkernel else kernels(target)
    ways = [
        (algorithm, kernel)
        for algorithm in _algorithms(work, pinned)
        for kernel in known
        if kernel.accepts(executed(work, algorithm), accumulator)
        and products in ("", kernel.sums(executed(work, algorithm)))
        and (algorithm in ("direct", pinned.algorithm) or not fills_words(work, kernel))
    ]
    if not ways:
        what = f"{work.activation} by {work.weight}"
        what += f", and sums that corrections of products = '{products}' are for," * bool(products)
        if pinned.microkernel:
            name = pinned.microkernel
            raise ValueError(f"microkernel {name} cannot multiply {what} in {accumulator}")
        raise ValueError(f"no microkernel of {target.name} multiplies {what}")
    algorithm, kernel = min(ways, key=lambda way: _output(work, *way, target))
    done = executed(work, algorithm)
    schedule = pinned.completed(replace(blocked(done, kernel, target), algorithm=algorithm))
    if error := too_large(schedule, done, kernel):
        raise ValueError(error)
    return schedule


def _algorithms(work: Contraction, pinned: Schedule) -> tuple[str, ...]:
    """The algorithms to choose from; raises ValueError if the pinned one is impossible."""
    refusal = cannot_gather(work)
    if pinned.algorithm == "im2col" and refusal is not None:
        raise ValueError(refusal)
    if pinned.algorithm:
        return (pinned.algorithm,)
    return ("direct",) if refusal is not None or work == work.gathered else ("direct", "im2col")


def executed(work: Contraction, algorithm: str) -> Contraction:
    """What the kernel of an algorithm has to do."""
    return work.gathered if algorithm == "im2col" else work


def cannot_gather(work: Contraction) -> str | None:
    """Why `im2col` cannot execute a contraction; None if it can."""
    if work == work.gathered:
        return None
    if not work.bitserial:
        return f"im2col multiplies codes, not {work.activation} by {work.weight}"
    if work.groups > 1:
        return f"im2col takes one group, not {work.groups}"
    pads = any(axis.before or axis.after for axis in (work.window.rows, work.window.columns))
    assert isinstance(work.activation, CodeType)
    if pads and work.pad_value not in work.activation.values():
        return f"im2col pads with a value of {work.activation}, not {work.pad_value}"
    return None


def _output(work: Contraction, algorithm: str, kernel: Microkernel, target: Target) -> float:
    """Issue slots of one output: of its taps, and its part of laying out what they read."""
    if algorithm == "im2col":
        taps, laying = 1.0, gathering(work, kernel)
    else:
        rows, columns = work.window.rows, work.window.columns
        taps = rows.taps_inside * columns.taps_inside / (rows.out * columns.out)
        laying = relaying(work, kernel)
    return taps * _cost(executed(work, algorithm), kernel, target) + laying / work.outputs


def _cost(work: Contraction, kernel: Microkernel, target: Target) -> float:
    """Issue slots of one tap of one output: of the instructions, or of streaming the weights.

    These come once for all pixels: those of a block stay in a cache for the next tile.
    """
    layout = kernel.weight_layout(work, 1)
    planes = work.weight.planes if layout.packed and isinstance(work.weight, CodeType) else 1
    words = -(-work.inputs // kernel.channels_per_word)
    bytes = words * planes * kernel.weight_bytes / kernel.lanes
    _, outputs = kernel.channels(work)
    lanes = -(-outputs // kernel.lanes) * kernel.lanes / outputs
    slots = max(kernel.cost(work), bytes / (STREAMED_BYTES * work.pixels)) * lanes
    return slots + _tables_from_afar(work, kernel, target)


def _tables_from_afar(work: Contraction, kernel: Microkernel, target: Target) -> float:
    """Issue slots of one tap of one output, where L2 does not hold all tables, and no strip of them.

    They come once for each plane of the weights, of which the first is part of the costs as fitted: C3 at
    2 x 2 bits (803 KB) takes 130 us by look-ups, 105 by dot products (Zen 3, 2026-11).
    """
    layout, rows, columns = kernel.input_layout(work), work.window.rows, work.window.columns
    if not layout.table or not isinstance(work.weight, CodeType):
        return 0
    if strip_rows(work, kernel, target):
        return 0
    tables = work.batch * rows.size * columns.size * -(-work.inputs // kernel.channels_per_word)
    bytes = tables << kernel.channels_per_word
    if bytes <= target.caches[1]:
        return 0
    taps = work.pixels * work.outputs * rows.kernel * columns.kernel
    return bytes * (work.weight.planes - 1) / STREAMED_BYTES / taps
