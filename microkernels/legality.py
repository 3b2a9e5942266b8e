"""What a complete schedule may be for a contraction: the one place that says so.

`lowbit-plan` asks before it writes a schedule, the tuner before it draws one, `lowbit-pack` and `lowbit-tile`
before they execute what is written on an op. Each answer is a sentence, or None.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Attribute

from lowbit_dialect.algebra import ONE_SUM, Sum, pair_sums
from lowbit_dialect.layout import PLANES
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.interface import Microkernel
from microkernels.nest import window_of
from microkernels.reduction.turns import MOST_TAPS
from microkernels.table import find_kernel
from microkernels.target import Target

MOST_ACCUMULATORS = 256
"""Accumulators of one tile: eight times what any target holds in registers."""

MOST_PRODUCTS = 4096
"""Unrolled products of one pair of planes: a second of compile time a tile."""

MOST_PEELED = 8
"""Border outputs of a row that may be peeled: 240 of a 3x3 kernel took 12 s to compile, in a loop 1 s."""

INNER_STEPS = 3
"""Words from which a narrow accumulator of several pairs of planes is worth its folding."""


@dataclass(frozen=True)
class Demand:
    """What an op asks of whatever schedule it gets."""

    work: Contraction
    accumulator: Attribute
    products: str = ""
    """What its sums have to be made of (`Microkernel.sums`); empty for whatever a kernel makes."""

    @classmethod
    def of(cls, op: LinearOp) -> Demand:
        """The demand of a `conv2d` or `dense`: corrections are for sums of one kind."""
        products = "" if op.corrections is None else op.products.data
        return cls(op.contraction, op.accumulator, products)


def refusal(demand: Demand, schedule: Schedule, target: Target) -> str | None:
    """Why a schedule cannot execute an op on a target; None if it can."""
    if schedule.open():
        return f"the schedule leaves {schedule.open()[0]} open: run lowbit-plan"
    assert schedule.algorithm and schedule.microkernel
    if error := algorithm_refusal(demand, schedule.algorithm):
        return error
    try:
        kernel = find_kernel(schedule.microkernel, target)
    except ValueError as error:
        return str(error)
    work = executed(demand.work, schedule.algorithm)
    return (
        kernel_refusal(demand, schedule.algorithm, kernel)
        or block_refusal(schedule, work, kernel)
        or _borders_refusal(schedule, work)
        or _tables_refusal(schedule, work, kernel)
    )


def executed(work: Contraction, algorithm: str) -> Contraction:
    """What the kernel of an algorithm has to do."""
    return work.gathered if algorithm == "im2col" else work


def algorithm_refusal(demand: Demand, algorithm: str) -> str | None:
    """Why an algorithm cannot execute an op."""
    work = demand.work
    if algorithm != "im2col" or work == work.gathered:
        return None
    if demand.products:
        return "im2col has no use for corrections of borders: leave them out"
    if not work.bitserial:
        return f"im2col multiplies codes, not {work.activation} by {work.weight}"
    if work.groups > 1:
        return f"im2col takes one group, not {work.groups}"
    return None


def kernel_refusal(demand: Demand, algorithm: str, kernel: Microkernel) -> str | None:
    """Why a kernel cannot form the products of an op."""
    work, products = executed(demand.work, algorithm), demand.products
    if multiplies(demand, work, kernel):
        return None
    what = f"{work.activation} by {work.weight}"
    what += f", and sums that corrections of products = '{products}' are for," * bool(products)
    return f"microkernel {kernel.name} cannot multiply {what} in {demand.accumulator}"


def multiplies(demand: Demand, work: Contraction, kernel: Microkernel) -> bool:
    """Whether a kernel can form the products of an op, of which it has to do `work`."""
    accepted = kernel.accepts(work, demand.accumulator)
    return accepted and (not demand.products or demand.products == kernel.sums(work))


def block_refusal(schedule: Schedule, work: Contraction, kernel: Microkernel) -> str | None:
    """Why the code of one tile would be too long to build, or its sums too full."""
    assert schedule.pixels and schedule.vectors and schedule.unroll
    block = schedule.pixels * schedule.vectors
    if block > MOST_ACCUMULATORS:
        return (
            f"{schedule.pixels} pixels of {schedule.vectors} vectors are {block} accumulators: at "
            f"most {MOST_ACCUMULATORS}"
        )
    words = -(-work.inputs // kernel.channels_per_word)
    columns = work.window.columns.kernel
    unrolled = schedule.taps != "none" or (kernel.in_turns and columns <= MOST_TAPS)
    taps = columns if unrolled else 1
    products = block * min(schedule.unroll, words) * taps
    if schedule.planes == "inner":
        sums = sums_of(work, kernel)
        if error := overfull(sums, work, kernel):
            return error
        products *= sum(len(one.pairs) for one in sums)
    if products > MOST_PRODUCTS:
        return (
            f"{block} accumulators, {taps} taps and {min(schedule.unroll, words)} words are "
            f"{products} unrolled products: at most {MOST_PRODUCTS}"
        )
    return None


def sums_of(work: Contraction, kernel: Microkernel) -> tuple[Sum, ...]:
    """The sums that the pairs of planes go to where they are multiplied in one pass."""
    if PLANES not in kernel.weight_layout(work, 1).terms:
        return ONE_SUM
    tables = PLANES not in kernel.input_layout(work).terms
    return pair_sums(work.activation, work.weight, tables=tables, weighed=kernel.weighs)


def overfull(sums: tuple[Sum, ...], work: Contraction, kernel: Microkernel) -> str | None:
    """Why narrow accumulators cannot take all pairs of planes in one pass."""
    together = max(len(one.pairs) for one in sums)
    if len(sums) > 1 and kernel.in_turns:
        return (
            f"planes = inner adds to {len(sums)} sums: {kernel.name} takes words in turns for one"
        )
    narrows = kernel.narrows(work.activation, work.weight)
    steps = min((narrow.steps for narrow in narrows), default=INNER_STEPS * together)
    if len(sums) > 1 and steps < INNER_STEPS * together:
        return f"planes = inner adds {together} products a word: {kernel.name} holds {steps}"
    return None


def border_outputs(work: Contraction) -> int:
    """Outputs of a row that see padding."""
    columns = window_of(work)[0].columns
    return columns.head + columns.tail


def _borders_refusal(schedule: Schedule, work: Contraction) -> str | None:
    outputs = border_outputs(work)
    if schedule.borders == "peeled" and outputs > MOST_PEELED:
        return f"borders = peeled is for up to {MOST_PEELED} border outputs of a row, not {outputs}"
    return None


def has_strips(work: Contraction, kernel: Microkernel) -> bool:
    """Whether tables of a kernel may be made in strips of rows: of one image, read by several rows."""
    single = work.batch == 1 and not work.window.pointwise and work.window.rows.out > 1
    return kernel.input_layout(work).table is not None and single


def _tables_refusal(schedule: Schedule, work: Contraction, kernel: Microkernel) -> str | None:
    if schedule.tables != "strips":
        return None
    assert schedule.loops
    if not has_strips(work, kernel):
        return f"tables = strips is for look-ups in several rows of one image, not {kernel.name}"
    if schedule.loops[0].axis != "rows" or schedule.loops[0].by is None:
        return "tables = strips needs loops with 'rows by N' outermost"
    if schedule.parallel not in (None, "none"):
        return f"tables = strips is for one thread: use parallel = none, not {schedule.parallel}"
    return None
