"""Elementwise ops on vectors of accumulators, one function an op.

Codes and integers are i32 lanes of decoded values, floats f32 lanes. `at` loads tables and other tensors;
`place` says which pixels and channels the vector holds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import Float32Type, FloatAttr, IntegerAttr, IntegerType, f32, i16, i32
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.functions import prelu
from lowbit_dialect.lanes import Lanes
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.elementwise import (
    AddOp,
    ApplyOp,
    BatchNormOp,
    BinaryOp,
    ClipOp,
    DivOp,
    ElementwiseOp,
    MulOp,
    PreluOp,
    QuantizeOp,
    RequantizeOp,
    RescaleOp,
    ThresholdOp,
)
from lowbit_dialect.reference import clamp_bounds
from lowering.epilogue.emitted_lanes import EmittedLanes
from lowering.epilogue.rounding import floor, round_to, to_integer
from lowering.epilogue.thresholds import ordered, search, stores_planes
from lowering.epilogue.tile_operands import TileOperands, TileVector, is_float
from microkernels.address import move
from microkernels.llvm_types import vector
from microkernels.table import verbs_of

UNROLLED_STEPS = 15
"""Thresholds up to which the comparisons are unrolled; an 8-bit quantiser loops over its 255."""


def apply(at: TileOperands, op: Operation, x: SSAValue, place: TileVector) -> SSAValue:
    """What an elementwise op makes of a vector."""
    if type(op) not in APPLY:
        raise ValueError(f"an epilogue cannot hold '{op.name}'")
    if not is_float(x):
        x = at.emit.widen(x, i32, signed=True)
    return APPLY[type(op)](at, cast(ElementwiseOp, op), x, place)


def threshold(at: TileOperands, op: ThresholdOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Count thresholds that are not above `x`."""
    emit, code = at.emit, op.output_element
    assert isinstance(code, CodeType)
    x = at.compared(op, x, place)
    # A vector of masks is needed to choose between limits.
    searched = op.ascending is not None and stores_planes(op) and at.lanes > 1
    count = (_search if searched else _count)(at, op, x, place)
    if code.scale == 2:
        count = emit.binary("add", count, count)
    return emit.binary("add", count, emit.constant(code.minimum, x.type)) if code.minimum else count


def _search(at: TileOperands, op: ThresholdOp, x: SSAValue, place: TileVector) -> SSAValue:
    """The count from its highest bit down: for 15 thresholds 4 comparisons and 11 selections."""
    emit, zero = at.emit, at.emit.constant(0, x.type)
    limits = [at.limit(op, place, step) for step in range(shape_of(op.thresholds)[1])]
    planes = search(emit, limits, lambda limit: emit.compare("sge", x, limit))
    bits = [
        emit.select(mask, emit.constant(1 << plane, x.type), zero)
        for plane, mask in enumerate(planes)
    ]
    return reduce(lambda a, b: emit.binary("or", a, b), bits)


def _count(at: TileOperands, op: ThresholdOp, x: SSAValue, place: TileVector) -> SSAValue:
    emit, steps = at.emit, shape_of(op.thresholds)[1]
    count = emit.constant(0, x.type)

    def compare(total: SSAValue, limit: SSAValue) -> SSAValue:
        reached = emit.widen(emit.compare("sge", x, limit), i32, signed=True)
        return emit.binary("sub", total, reached)

    if steps > UNROLLED_STEPS:
        return _count_in_loop(at, op, count, compare, place)
    for step in range(steps):
        count = compare(count, at.limit(op, place, step))
    return count


def _count_in_loop(
    at: TileOperands,
    op: ThresholdOp,
    count: SSAValue,
    compare: Callable[[SSAValue, SSAValue], SSAValue],
    place: TileVector,
) -> SSAValue:
    emit, table = at.emit, op.thresholds
    stride, single = at.operand(table).stride(1), shape_of(table)[0] == 1
    element = element_of(table.type)
    if single:
        base = at.operand(table).pointer
    else:
        base = emit.offset(at.channel_base(table, 0)[1], place.v * at.lanes * 4)

    def body(step: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
        pointer = move(emit, base, [(step, stride)])
        if single:
            limit = emit.splat(emit.load(pointer, element, 4), at.lanes)
        else:
            limit = emit.load(pointer, vector(at.lanes, element), 4)
        return [compare(carried[0], ordered(emit, limit, last=True) if is_float(limit) else limit)]

    high = emit.index(shape_of(table)[1])
    return emit.loop(emit.index(0), high, 1, [count], body)[0]


def requantize(at: TileOperands, op: RequantizeOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Scale integers; round and clamp if the result is one."""
    emit = at.emit
    real = emit.op(llvm.SIToFPOp(x, vector(at.lanes, f32)))
    real = emit.binary("fmul", real, at.row(op.scale, place))
    if op.bias:
        real = emit.binary("fadd", real, at.row(op.bias, place))
    if op.output_element == f32:
        return real
    bounds = clamp_bounds(op.output_element)
    return to_integer(emit, at.target, _clamp(at, real, *bounds), bounds)


def rescale(at: TileOperands, op: RescaleOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Clamp and scale integers in lanes of i16, which the result has."""
    emit = at.emit
    low, high, multiplier, offset, unit = (at.row(table, place) for table in op.tables)
    x = emit.widen(x, i16, signed=True)
    x = emit.intrinsic("smin", emit.intrinsic("smax", x, low), high)
    x = emit.binary("shl", x, emit.constant(op.left.value.data, x.type))
    y = emit.binary("add", verbs_of(at.target).scale_halves(emit, x, multiplier), offset)
    # LLVM selects one instruction where there is one.
    wide = emit.binary("mul", *(emit.widen(one, i32, signed=True) for one in (y, unit)))
    return emit.widen(emit.binary("ashr", wide, emit.constant(16, wide.type)), i16, signed=True)


def quantize(at: TileOperands, op: QuantizeOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Quantise f32 to a code."""
    emit, code = at.emit, op.output_element
    assert isinstance(code, CodeType)
    scaled = emit.binary("fdiv", x, at.row(op.scale, place))
    if code.is_odd:
        half = code.maximum // 2 + 1
        whole = floor(emit, at.target, scaled)
        low = floor(emit, at.target, emit.binary("fmul", whole, _float(at, 0.5)))
        ends = -half, half - 1
        code_value = to_integer(emit, at.target, _clamp(at, low, *ends), ends)
        doubled = emit.binary("add", code_value, code_value)
        return emit.binary("add", doubled, emit.constant(1, doubled.type))
    zero = op.zero_point.value.data
    if zero:
        scaled = emit.binary("fadd", scaled, _float(at, zero))
    rounded, mode = _clamp(at, scaled, *op.bounds), op.rounding.data
    if mode != "half_even":
        rounded = round_to(emit, at.target, rounded, mode)
    rounded = to_integer(emit, at.target, rounded, op.bounds)
    return emit.binary("sub", rounded, emit.constant(zero, rounded.type)) if zero else rounded


def batch_norm(at: TileOperands, op: BatchNormOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Normalise in the order of the definition."""
    emit = at.emit
    epsilon = _float(at, op.epsilon.value.data)
    variance = emit.binary("fadd", at.row(op.variance, place), epsilon)
    centred = emit.binary("fsub", x, at.row(op.mean, place))
    scaled = emit.binary("fdiv", centred, emit.intrinsic("sqrt", variance))
    scaled = emit.binary("fmul", scaled, at.row(op.gamma, place))
    return emit.binary("fadd", scaled, at.row(op.beta, place))


def clip(at: TileOperands, op: ClipOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Clamp to the bounds that there are."""
    emit = at.emit
    names = ("maximum", "minimum") if is_float(x) else ("smax", "smin")
    for name, bound in zip(names, (op.minimum, op.maximum)):
        if bound is not None:
            x = emit.intrinsic(name, x, emit.constant(number_of(bound), x.type))
    return x


def combine(at: TileOperands, op: BinaryOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Add, multiply or divide by a row, or by another tensor at the same place."""
    other = at.elements(op.other, place) if op.others else at.row(op.other, place)
    name = COMBINE[type(op)]
    return at.emit.binary(f"f{name}" if is_float(x) else name, x, other)


def function(at: TileOperands, op: ApplyOp, x: SSAValue, place: TileVector) -> SSAValue:
    """A function of f32."""
    return _value(op.definition.formula(EmittedLanes(at.emit, x), *op.parameters))


def with_slope(at: TileOperands, op: PreluOp, x: SSAValue, place: TileVector) -> SSAValue:
    """Slopes for what is negative."""
    slope = EmittedLanes(at.emit, at.row(op.slope, place))
    return _value(prelu(EmittedLanes(at.emit, x), slope))


def _value(lanes: Lanes) -> SSAValue:
    assert isinstance(lanes, EmittedLanes)
    return lanes.value


def _float(at: TileOperands, value: float) -> SSAValue:
    return at.emit.constant(value, vector(at.lanes, f32))


def _clamp(at: TileOperands, x: SSAValue, low: int, high: int) -> SSAValue:
    raised = at.emit.intrinsic("maxnum", x, _float(at, low))
    return at.emit.intrinsic("minnum", raised, _float(at, high))


def number_of(bound: Attribute) -> float:
    """The value of a number attribute."""
    if isinstance(bound, FloatAttr):
        return cast("FloatAttr[Float32Type]", bound).value.data
    assert isinstance(bound, IntegerAttr)
    return cast("IntegerAttr[IntegerType]", bound).value.data


APPLY: dict[type[Operation], Callable[..., SSAValue]] = {
    ThresholdOp: threshold,
    RequantizeOp: requantize,
    RescaleOp: rescale,
    QuantizeOp: quantize,
    BatchNormOp: batch_norm,
    MulOp: combine,
    DivOp: combine,
    AddOp: combine,
    ClipOp: clip,
    ApplyOp: function,
    PreluOp: with_slope,
}
COMBINE: dict[type[Operation], str] = {AddOp: "add", MulOp: "mul", DivOp: "div"}
