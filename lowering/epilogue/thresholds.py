"""Thresholds whose codes go out as planes: compare masks are packed bits.

Codes are never formed. Where a row of thresholds ascends, the planes come from the top one down by binary
search, `n` comparisons and `2^n - 1 - n` selections for `n` bits; else all comparisons are counted by
carry-save adders on masks. Corrections and the factor of raw sums go into the thresholds, once a tile:

    correction + factor * raw >= t   <=>   raw > t - correction - 1            (factor 1)
                                     <=>   raw < correction - t + 1            (factor -1)
                                     <=>   raw > ~((correction - t) >> 1)      (factor 2)
                                     <=>   raw < ((correction - t) >> 1) + 1   (factor -2)

Codes of other tensors that are added join the raw sum, with the sign of the factor; a factor of 2 is taken
before. Nothing wraps: bounded thresholds have |t| <= 2^30, and with |raw| < 2^28 and the sums that small too,
|correction| < 3 * 2^28.
Sums that are wider than a register and small enough are compared in lanes of i16.
Before AVX-512 only `>` is an instruction. f32 is compared as integers of the same order, on every target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import i16, i32
from xdsl.ir import Operation, SSAValue

from lowbit_dialect.codes import CodeType, TernaryType
from lowbit_dialect.functions import INFINITY
from lowbit_dialect.ops.common import element_of, value_range
from lowbit_dialect.ops.elementwise import AddOp, ThresholdOp
from microkernels.emit import Emitter
from microkernels.llvm_types import lanes_of, vector

LARGEST_RAW = 2**28
"""What raw sums stay below, with what is added to them, that are compared with thresholds themselves."""

LARGEST_HALF = 2**15 - 1
"""What raw sums stay below that are compared in lanes of i16, half the instructions of i32."""

MOST_STEPS = 15
"""Thresholds up to which they are unrolled."""

Compare = Callable[[SSAValue], SSAValue]
"""The mask of lanes that reach a threshold."""


def stores_planes(op: ThresholdOp) -> bool:
    """Whether the planes of the codes come from comparisons alone."""
    code = op.output_element
    assert isinstance(code, CodeType)
    return code.steps <= MOST_STEPS and not isinstance(code, TernaryType)


def addends(steps: Sequence[Operation], sums: SSAValue) -> list[SSAValue] | None:
    """The tensors of codes that `steps` add to sums, one after the other; None if they do anything else."""
    found: list[SSAValue] = []
    for op in steps:
        if not isinstance(op, AddOp) or op.tables or op.input is not sums:
            return None
        if not isinstance(element_of(op.other.type), CodeType):
            return None
        found.append(op.other)
        sums = op.results[0]
    return found


def largest(tensors: Sequence[SSAValue]) -> int:
    """The largest absolute value of the sum of an element of each."""
    return sum(max(map(abs, value_range(element_of(one.type)))) for one in tensors)


def planes(
    emit: Emitter, op: ThresholdOp, limits: list[SSAValue], reached: Compare
) -> list[SSAValue]:
    """The planes of the codes as masks, lowest first; `limits` are the thresholds in their order."""
    code = op.output_element
    assert isinstance(code, CodeType)
    if op.ascending or len(limits) == 1:
        bits = search(emit, limits, reached)
    else:
        bits = _count(emit, [reached(limit) for limit in limits])
    if code.minimum < 0 and not code.is_odd:
        # The lowest code is 10..0: counts start there.
        bits[-1] = emit.binary("xor", bits[-1], emit.constant(1, bits[-1].type))
    return bits


def ordered(emit: Emitter, x: SSAValue, *, last: bool) -> SSAValue:
    """f32 as i32 of the same order, both zeros alike; NaN comes before all of them, or with `last` after."""
    lanes = vector(lanes_of(x.type), i32)
    bits = emit.bitcast(emit.binary("fadd", x, emit.constant(0.0, x.type)), lanes)
    size = emit.binary("and", bits, emit.constant(2**31 - 1, lanes))
    nan = emit.widen(emit.compare("sgt", size, emit.constant(INFINITY, lanes)), i32, signed=True)
    bits = emit.binary("or", bits, nan)
    if last:
        bits = emit.binary("xor", bits, emit.binary("and", nan, emit.constant(-(2**31), lanes)))
    # Of negative numbers the larger has the smaller bits.
    negative = emit.binary("ashr", bits, emit.constant(31, lanes))
    return emit.binary("xor", bits, emit.binary("lshr", negative, emit.constant(1, lanes)))


def raw_limit(emit: Emitter, limit: SSAValue, correction: SSAValue, factor: int) -> SSAValue:
    """What raw sums are above, or below if the factor is negative; see the table above."""
    one = emit.constant(1, limit.type)
    if factor == 1:
        return emit.binary("sub", emit.binary("sub", limit, correction), one)
    gap = emit.binary("sub", correction, limit)
    if abs(factor) == 2:
        gap = emit.binary("ashr", gap, one)
    return (
        emit.binary("add", gap, one)
        if factor < 0
        else emit.binary("xor", gap, emit.constant(-1, gap.type))
    )


def narrowed(emit: Emitter, limit: SSAValue) -> SSAValue:
    """A folded threshold in lanes of i16; one that no such sum lies beyond becomes the last of its side."""
    low, high = (emit.constant(end, limit.type) for end in (-(2**15), 2**15 - 1))
    inside = emit.intrinsic("smin", emit.intrinsic("smax", limit, low), high)
    return emit.widen(inside, i16, signed=True)


def search(emit: Emitter, limits: list[SSAValue], reached: Compare) -> list[SSAValue]:
    """The bits of how many of `2^n - 1` ascending limits are reached, as masks, lowest first."""
    middle = len(limits) // 2
    high = reached(limits[middle])
    if len(limits) == 1:
        return [high]
    chosen = [
        emit.select(high, above, below)
        for below, above in zip(limits[:middle], limits[middle + 1 :])
    ]
    return [*search(emit, chosen, reached), high]


def _count(emit: Emitter, masks: list[SSAValue]) -> list[SSAValue]:
    """How many of `2^n - 1` masks are set in each lane, as `n` masks, the lowest bit first."""
    bits: list[SSAValue] = []
    while masks:
        carries: list[SSAValue] = []
        while len(masks) > 1:
            a, b, c = masks.pop(), masks.pop(), masks.pop()
            either = emit.binary("xor", a, b)
            masks.append(emit.binary("xor", either, c))
            both = emit.binary("and", a, b)
            carries.append(emit.binary("or", both, emit.binary("and", either, c)))
        bits += masks
        masks = carries
    return bits
