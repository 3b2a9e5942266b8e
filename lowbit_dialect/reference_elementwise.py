"""The meaning of elementwise ops, in NumPy. Float arithmetic is f32, one rounding an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.functions import prelu
from lowbit_dialect.lanes import ArrayLanes, Lanes
from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.monotone import monotone
from lowbit_dialect.ops.constant import ConstantOp
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

Values = dict[SSAValue, Array]
Row = Callable[[Array], Array]


def elementwise(op: ElementwiseOp, values: Values) -> Array:
    """Any elementwise op on a tensor."""
    return apply_step(op, values, op.channel_axis)


def evaluate_elementwise(op: ElementwiseOp, x: Array) -> Array:
    """One op of constant tables on values for each channel, `[..., C]` in and out."""
    tables = {v: o.array() for v in op.operands if isinstance(o := v.owner, ConstantOp)}
    result = apply_step(op, {**tables, op.input: x}, x.ndim - 1)
    return result.astype(storage_dtype(op.output_element))


def apply_step(op: ElementwiseOp, values: Values, channel: int) -> Array:
    """One op whose tables run along the axis `channel` of its input; not yet in the result's type."""
    x = values[op.input]

    def row(table: Array) -> Array:
        return table.reshape([-1 if axis == channel else 1 for axis in range(x.ndim)])

    with np.errstate(all="ignore"):
        return ELEMENTWISE[type(op)](op, x, row, values)


def _threshold(op: ThresholdOp, x: Array, row: Row, values: Values) -> Array:
    code = op.output_element
    assert isinstance(code, CodeType)
    flipped = x ^ row(values[op.flip]) if op.flip else x
    count = np.zeros(x.shape, np.int32)
    for step in values[op.thresholds].T:
        count += flipped >= row(step)
    return code.minimum + code.scale * count


@monotone()
def round_to(x: Array, rounding: str) -> Array:
    """Round f32 by a mode of `lowbit.quantize`: `half_up` and `up` go away from zero."""
    size = np.abs(x)
    modes: dict[str, Callable[[], Array]] = {
        "half_even": lambda: np.round(x),
        "floor": lambda: np.floor(x),
        "ceil": lambda: np.ceil(x),
        "down": lambda: np.trunc(x),
        "up": lambda: np.copysign(np.ceil(size), x),
        "half_up": lambda: np.copysign(np.floor(size) + (size - np.floor(size) >= 0.5), x),
        "half_down": lambda: np.copysign(np.floor(size) + (size - np.floor(size) > 0.5), x),
    }
    return modes[rounding]()


def _quantize(op: QuantizeOp, x: Array, row: Row, values: Values) -> Array:
    code = op.output_element
    assert isinstance(code, CodeType)
    scaled = x / row(values[op.scale])
    if code.is_odd:
        half = np.float32(code.maximum // 2 + 1)
        # 2 floor(y / 2) + 1 clamped to the code; a NaN clamps to the smallest. The inner floor keeps the
        # smallest denormals from vanishing when they are halved.
        low = np.fmax(np.floor(np.floor(scaled) * np.float32(0.5)), -half)
        return 2 * np.fmin(low, half - 1).astype(np.int32) + 1
    low, high = op.bounds
    zero = np.float32(op.zero_point.value.data)
    clamped = np.fmin(np.fmax(scaled + zero, np.float32(low)), np.float32(high))
    return round_to(clamped, op.rounding.data).astype(np.int32) - op.zero_point.value.data


def _requantize(op: RequantizeOp, x: Array, row: Row, values: Values) -> Array:
    y = x.astype(np.float32) * row(values[op.scale])
    if op.bias:
        y = y + row(values[op.bias])
    element = op.output_element
    if isinstance(element, Float32Type):
        return y
    low, high = clamp_bounds(element)
    clamped = np.fmin(np.fmax(y, np.float32(low)), np.float32(high))
    return np.round(clamped).astype(np.int64)


def _rescale(op: RescaleOp, x: Array, row: Row, values: Values) -> Array:
    low, high, multiplier, offset, unit = (row(values[t]).astype(np.int32) for t in op.tables)
    x = np.minimum(np.maximum(x.astype(np.int16), low), high)
    x = (x << op.left.value.data).astype(np.int16).astype(np.int32)
    y = ((x * multiplier + 2**14 >> 15) + offset).astype(np.int16)
    return y.astype(np.int32) * unit >> 16


def clamp_bounds(element: Attribute) -> tuple[int, int]:
    """What requantised values are clamped to; for i32 the f32 values next inside its range."""
    if isinstance(element, CodeType):
        return element.minimum, element.maximum
    info = np.iinfo(storage_dtype(element))
    return max(int(info.min), -(2**31)), min(int(info.max), 2**31 - 128)


def _batch_norm(op: BatchNormOp, x: Array, row: Row, values: Values) -> Array:
    epsilon = np.float32(op.epsilon.value.data)
    deviation = np.sqrt(row(values[op.variance]) + epsilon)
    return (x - row(values[op.mean])) / deviation * row(values[op.gamma]) + row(values[op.beta])


def _clip(op: ClipOp, x: Array, row: Row, values: Values) -> Array:
    y = x
    for bound, limit in ((op.minimum, np.maximum), (op.maximum, np.minimum)):
        if bound is not None:
            y = limit(y, x.dtype.type(cast(Any, bound).value.data))
    return y


def _add(op: AddOp, x: Array, row: Row, values: Values) -> Array:
    other = _second(op, row, values)
    if x.dtype == np.float32:
        return x + other
    return x.astype(np.int64) + other


def _mul(op: MulOp, x: Array, row: Row, values: Values) -> Array:
    return x * _second(op, row, values)


def _div(op: DivOp, x: Array, row: Row, values: Values) -> Array:
    return x / _second(op, row, values)


def _second(op: BinaryOp, row: Row, values: Values) -> Array:
    return values[op.other] if op.others else row(values[op.other])


def _apply(op: ApplyOp, x: Array, row: Row, values: Values) -> Array:
    return function_of(x, op)


def _function_steady(x: Array, op: ApplyOp) -> Array | bool:
    return op.definition.steady(x, *op.parameters)


@monotone(when=_function_steady)
def function_of(x: Array, op: ApplyOp) -> Array:
    """What `lowbit.apply` makes of an array."""
    return _array(op.definition.formula(ArrayLanes(x), *op.parameters))


def _prelu(op: PreluOp, x: Array, row: Row, values: Values) -> Array:
    return sloped(x, row(values[op.slope]))


def _slope_steady(x: Array, slope: Array) -> Array:
    one_side = np.all(x >= 0, axis=0) | np.all(x <= 0, axis=0)
    return np.isfinite(slope) & ((slope >= 0) | one_side)


@monotone(when=_slope_steady)
def sloped(x: Array, slope: Array) -> Array:
    """What `lowbit.prelu` makes of an array."""
    return _array(prelu(ArrayLanes(x), ArrayLanes(np.broadcast_to(slope, x.shape))))


def _array(lanes: Lanes) -> Array:
    assert isinstance(lanes, ArrayLanes)
    return lanes.array


ELEMENTWISE: dict[type[Operation], Callable[..., Array]] = {
    ThresholdOp: _threshold,
    QuantizeOp: _quantize,
    RequantizeOp: _requantize,
    RescaleOp: _rescale,
    BatchNormOp: _batch_norm,
    ClipOp: _clip,
    AddOp: _add,
    MulOp: _mul,
    DivOp: _div,
    ApplyOp: _apply,
    PreluOp: _prelu,
}
