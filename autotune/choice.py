"""Which kernel and algorithm an op gets when nothing else decides: a stated rule.

Those with the fewest issue slots for an output: of the instructions (`Microkernel.cost`, padding of words and
vectors included), or, where few pixels share the weights, of streaming these; and an output's part of
gathering windows, whose words are full (`autotune/gathering_slots.py`). Single taps that skip pixels are
gathered where these would be converted otherwise. The block follows (`autotune/blocking.py`).
"""

from __future__ import annotations

from dataclasses import replace

from autotune.blocking import blocked, strip_rows
from autotune.gathering_slots import fills_words, gathering, relaying
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import LARGEST, Loop, Schedule
from microkernels.interface import Microkernel
from microkernels.legality import Demand, algorithm_refusal, executed, kernel_refusal
from microkernels.table import find_kernel, kernels
from microkernels.target import Target

STREAMED_BYTES = 5
"""Bytes of weights that arrive in an issue slot: 60 GB/s from L3 at 3.24 GHz in dense layers (Zen 3)."""


def chosen(op: LinearOp, target: Target, pinned: Schedule) -> Schedule:
    """The schedule of a `conv2d` or `dense`, the default where nothing is pinned; raises ValueError."""
    demand = Demand.of(op)
    work = demand.work
    if demand.products:  # for the borders that the op has as it stands
        pinned = pinned.completed(Schedule(algorithm="direct"))
    gathers = algorithm_refusal(demand, "im2col") is None
    if work.subsamples and not pinned.algorithm and gathers:
        sampled = pinned.completed(Schedule(algorithm="im2col"))
        schedule = default_schedule(demand, target, sampled)
        assert schedule.microkernel
        kernel = find_kernel(schedule.microkernel, target)
        if not _read_as_stored(op, kernel.input_layout(work)):
            return schedule
    return default_schedule(demand, target, pinned)


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


def default_schedule(demand: Demand, target: Target, pinned: Schedule) -> Schedule:
    """The schedule of an op; fields of `pinned` that are set are kept.

    Raises ValueError if no kernel can form the products, or the pinned one cannot.
    """
    work = demand.work
    known = [find_kernel(pinned.microkernel, target)] if pinned.microkernel else kernels(target)
    ways = [
        (algorithm, kernel)
        for algorithm in _algorithms(demand, pinned)
        for kernel in known
        if kernel_refusal(demand, algorithm, kernel) is None
        and (algorithm in ("direct", pinned.algorithm) or not fills_words(work, kernel))
    ]
    if not ways:
        if pinned.microkernel:
            (kernel,) = known
            raise ValueError(kernel_refusal(demand, pinned.algorithm or "direct", kernel))
        what = f"{work.activation} by {work.weight}"
        if demand.products:
            what += f", and sums that corrections of products = '{demand.products}' are for"
        raise ValueError(f"no microkernel of {target.name} multiplies {what}")
    algorithm, kernel = min(ways, key=lambda way: _output(work, *way, target))
    default = blocked(executed(work, algorithm), kernel, target)
    return pinned.completed(replace(_agreeing(default, pinned), algorithm=algorithm))


def _agreeing(default: Schedule, pinned: Schedule) -> Schedule:
    """The default whose tables and loops go with those that are pinned."""
    assert default.loops
    if pinned.loops is not None:
        outer = pinned.loops[0]
        strips = outer.axis == "rows" and outer.by is not None
        return default if strips else replace(default, tables="whole")
    if pinned.tables == "whole" and default.tables == "strips":
        return replace(default, loops=default.loops[1:])
    if pinned.tables == "strips" and default.tables == "whole":
        return replace(default, loops=(Loop("rows", LARGEST), *default.loops))
    return default


def _algorithms(demand: Demand, pinned: Schedule) -> tuple[str, ...]:
    """The algorithms to choose from; raises ValueError if the pinned one is impossible."""
    refusal = algorithm_refusal(demand, "im2col")
    if pinned.algorithm == "im2col" and refusal is not None:
        raise ValueError(refusal)
    if pinned.algorithm:
        return (pinned.algorithm,)
    single = demand.work == demand.work.gathered
    return ("direct",) if refusal is not None or single else ("direct", "im2col")


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
