"""The meaning of every op, in NumPy, on decoded values.

Arrays hold decoded integers in the storage type of their element (u8, i8, i16, i32, i64) or f32; how a
tensor is laid out does not matter here. Everything else in lowbit is compared with this file for equality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit_dialect.algebra import PairAlgebra, inside_terms
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.ops.common import array, element_of, spatial_axes
from lowbit_dialect.ops.elementwise import (
    AddOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    ElementwiseOp,
    MulOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.layout import ConstantOp, ConversionOp, ReshapeOp, TransposeOp
from lowbit_dialect.ops.linear import Contraction, CorrectionsOp, LinearOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp, PoolOp
from lowbit_dialect.ops.tile import YieldOp

Values = dict[SSAValue, Array]
Row = Callable[[Array], Array]


def run(module: ModuleOp, *arguments: Array, function: str | None = None) -> list[Array]:
    """Evaluate a function of a module on decoded arrays and return its results.

    The function is the first one unless named. Raises ValueError for arguments that do not fit.
    """
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
    if not functions or (function is not None and function not in functions):
        raise ValueError(f"the module has no function '{function or ''}'")
    func = functions[function] if function else next(iter(functions.values()))
    parameters = func.body.block.args
    if len(parameters) != len(arguments):
        raise ValueError(
            f"@{func.sym_name.data} takes {len(parameters)} arrays, not {len(arguments)}"
        )
    values = dict(zip(parameters, arguments))
    return evaluate(func.body.block.ops, cast(Values, values), functions)


def evaluate(
    ops: Any, values: Values, functions: Mapping[str, FuncOp] | None = None
) -> list[Array]:
    """Evaluate ops in order, adding results to `values`; return what the terminator returns."""
    for op in ops:
        match op:
            case ReturnOp() | YieldOp():
                return [values[operand] for operand in op.operands]
            case CallOp() if functions is not None:
                callee = functions[op.callee.root_reference.data].body.block
                inner = dict(zip(callee.args, (values[v] for v in op.operands)))
                outputs = evaluate(callee.ops, cast(Values, inner), functions)
                values.update(zip(op.results, outputs))
            case _:
                values[op.results[0]] = evaluate_op(op, values)
    return []


def evaluate_op(op: Operation, values: Values) -> Array:
    """The result of one op whose operands are in `values`."""
    meaning = MEANING.get(type(op))
    if meaning is None:
        raise ValueError(f"'{op.name}' has no meaning in the reference")
    result = meaning(op, values)
    return np.ascontiguousarray(result, storage_dtype(element_of(op.results[0].type)))


# Linear ops


def _split(op: LinearOp | CorrectionsOp, values: Values) -> tuple[Contraction, Array]:
    """The numbers of an op and its weights as [KH, KW, G, I, O] of i64 or f64."""
    work = op.contraction
    weights = values[op.weights].transpose(work.weight_axes)
    kind = np.float64 if weights.dtype == np.float32 else np.int64
    kernel = (work.window.rows.kernel, work.window.columns.kernel)
    split = weights.reshape(*kernel, work.inputs, work.groups, work.outputs)
    return work, split.transpose(0, 1, 3, 2, 4).astype(kind)


def _images(work: Contraction, x: Array) -> Array:
    """The input as [N, H, W, G, I] of i64 or f64."""
    kind = np.float64 if x.dtype == np.float32 else np.int64
    size = (work.window.rows.size, work.window.columns.size)
    nhwc = x.transpose(work.input_axes)
    return nhwc.reshape(work.batch, *size, work.groups, work.inputs).astype(kind)


def _slide(work: Contraction, x: Array, tap: tuple[int, int]) -> Array:
    """Under one kernel tap, the elements that all outputs see, [N, OH, OW, ...]; `x` is padded."""
    rows, columns = work.window.rows, work.window.columns
    y, z = tap[0] * rows.dilation, tap[1] * columns.dilation
    return x[
        :,
        y : y + (rows.out - 1) * rows.stride + 1 : rows.stride,
        z : z + (columns.out - 1) * columns.stride + 1 : columns.stride,
    ]


def _pad(work: Contraction, x: Array, value: int) -> Array:
    rows, columns = work.window.rows, work.window.columns
    pads = [(0, 0), (rows.before, rows.after), (columns.before, columns.after)]
    return np.pad(x, [*pads, *[(0, 0)] * (x.ndim - 3)], constant_values=value)


def _taps(work: Contraction) -> list[tuple[int, int]]:
    rows, columns = work.window.rows.kernel, work.window.columns.kernel
    return [(y, x) for y in range(rows) for x in range(columns)]


def _contract(work: Contraction, padded: Array, weights: Array) -> Array:
    """Sum over taps and input channels: [N, OH, OW, G, O]."""
    total = np.zeros((work.batch, *work.window.out, work.groups, work.outputs), weights.dtype)
    for tap in _taps(work):
        seen = _slide(work, padded, tap)
        # Float matrix products are exact below 2^53 and use the machine's fast GEMM.
        product = np.matmul(
            seen.transpose(3, 0, 1, 2, 4).reshape(work.groups, -1, work.inputs).astype(np.float64),
            weights[tap].astype(np.float64),
        )
        shape = (work.groups, work.batch, *work.window.out, work.outputs)
        total += product.reshape(shape).transpose(1, 2, 3, 0, 4).astype(weights.dtype)
    return total


def linear(op: LinearOp, values: Values) -> Array:
    """`conv2d` and `dense`, epilogue included."""
    work, weights = _split(op, values)
    x = _images(work, values[op.input])
    if op.corrections is None:
        total = _contract(work, _pad(work, x, work.pad_value), weights)
    else:
        total = _corrected(work, x, weights, values[op.corrections], op.products_form)
    flat = total.reshape(work.batch, *work.window.out, work.groups * work.outputs)
    if len(work.input_axes) == 2:
        flat = flat.reshape(-1, work.outputs)
    elif work.input_axes[3] == 1:
        flat = flat.transpose(0, 3, 1, 2)
    flat = flat.astype(storage_dtype(op.accumulator))
    if not op.epilogue.blocks:
        return flat
    block = op.epilogue.block
    inner: Values = {**values, block.args[0]: flat}
    channel = work.input_axes[-1]
    for step in block.ops:
        if isinstance(step, YieldOp):
            return inner[step.value]
        raw = _elementwise(cast(ElementwiseOp, step), inner, channel)
        inner[step.results[0]] = raw.astype(storage_dtype(step.results[0].type))
    raise ValueError(f"the epilogue of '{op.name}' does not yield")


def _corrected(
    work: Contraction, x: Array, weights: Array, corrections: Array, products: str
) -> Array:
    """What is summed over the taps inside the image, plus the corrections of the border class."""
    if products == "multiply":
        total = _contract(work, _pad(work, x, 0), weights)
    else:
        total = _popcounts(work, x, weights)
    rows, columns = work.window.rows, work.window.columns
    at = np.ix_(
        [rows.class_of(o) for o in range(rows.out)],
        [columns.class_of(o) for o in range(columns.out)],
    )
    table = corrections.reshape(rows.classes, columns.classes, work.groups, work.outputs)[at]
    return total + table[None]


def _popcounts(work: Contraction, x: Array, weights: Array) -> Array:
    """`factor * raw`, with popcounts over the taps inside the image."""
    assert isinstance(work.activation, CodeType) and isinstance(work.weight, CodeType)
    algebra = PairAlgebra(work.activation, work.weight)
    bits, planes = work.activation.encode(x), work.weight.encode(weights)
    inside = _pad(work, np.ones(x.shape, np.int64), 0)
    raw = np.zeros((work.batch, *work.window.out, work.groups, work.outputs), np.int64)
    for i, j, weight in algebra.pairs:
        b = _pad(work, ((bits >> i) & 1).astype(np.int64), 0)
        w = ((planes >> j) & 1).astype(np.int64)
        if algebra.xor:
            # popcount(b ^ w) = sum b (1 - w) + (1 - b) w, on taps inside only
            count = _contract(work, b, 1 - w) + _contract(work, inside - b, w)
        else:
            count = _contract(work, b, w)
        raw += weight * count
    return algebra.factor * raw


def corrections(op: CorrectionsOp, values: Values) -> Array:
    """The rank-one terms of each border class and output channel."""
    work, weights = _split(op, values)
    a, b, shift = inside_terms(work.activation, work.weight, op.products.data)
    within = ((a * weights + b) >> shift).sum(axis=3)
    outside = work.pad_value * weights.sum(axis=3)
    rows, columns = work.window.rows, work.window.columns
    table = np.zeros((rows.classes, columns.classes, work.groups, work.outputs), np.int64)
    for y in range(rows.classes):
        for x in range(columns.classes):
            (top, bottom), (left, right) = rows.class_taps(y), columns.class_taps(x)
            mask = np.zeros(weights.shape[:2], bool)
            mask[top:bottom, left:right] = True
            table[y, x] = within[mask].sum(0) + outside[~mask].sum(0)
    return table.reshape(rows.classes, columns.classes, -1)


# Elementwise ops


def elementwise(op: ElementwiseOp, values: Values) -> Array:
    """Any elementwise op on a tensor."""
    return _elementwise(op, values, op.channel_axis)


def evaluate_elementwise(op: ElementwiseOp, x: Array) -> Array:
    """One op of constant tables on one value for each channel, `[C]` in and out."""
    tables = {v: o.array() for v in op.operands if isinstance(o := v.owner, ConstantOp)}
    result = _elementwise(op, {**tables, op.input: x}, 0)
    return result.astype(storage_dtype(op.output_element))


def _elementwise(op: ElementwiseOp, values: Values, channel: int) -> Array:
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
    for bound, limit in ((op.minimum, np.fmax), (op.maximum, np.fmin)):
        if bound is not None:
            y = limit(y, x.dtype.type(cast(Any, bound).value.data))
    return y


def _add(op: AddOp, x: Array, row: Row, values: Values) -> Array:
    other = row(values[op.other]) if op.tables else values[op.other]
    if x.dtype == np.float32:
        return x + other
    return x.astype(np.int64) + other


ELEMENTWISE: dict[type[Operation], Callable[..., Array]] = {
    ThresholdOp: _threshold,
    QuantizeOp: _quantize,
    RequantizeOp: _requantize,
    BatchNormOp: _batch_norm,
    ClipOp: _clip,
    AddOp: _add,
    MulOp: lambda op, x, row, values: x * row(values[op.scale]),
    DivOp: lambda op, x, row, values: x / row(values[op.scale]),
}


# Pools


def pool(op: PoolOp, values: Values) -> Array:
    """Max or average pool."""
    axes = (0, *spatial_axes(op.format.data))
    x = values[op.input].transpose(axes)
    window = op.window
    rows, columns = window.rows, window.columns
    total: Array = np.zeros((x.shape[0], rows.out, columns.out, x.shape[3]))
    wide = np.float64 if x.dtype == np.float32 else np.int64
    for oy in range(rows.out):
        for ox in range(columns.out):
            ys = [
                oy * rows.stride - rows.before + k * rows.dilation
                for k in range(rows.low(oy), rows.high(oy))
            ]
            xs = [
                ox * columns.stride - columns.before + k * columns.dilation
                for k in range(columns.low(ox), columns.high(ox))
            ]
            seen = x[:, ys][:, :, xs].astype(wide)
            total[:, oy, ox] = (
                seen.max(axis=(1, 2)) if isinstance(op, MaxPoolOp) else seen.sum(axis=(1, 2))
            )
    if isinstance(op, AvgPoolOp):
        if x.dtype == np.float32:
            total = total.astype(np.float32) / np.float32(op.count)
        else:
            total = total.astype(np.int64) // op.count
    return total.transpose(np.argsort(axes))


MEANING: dict[type[Operation], Callable[[Any, Values], Array]] = {
    ConstantOp: lambda op, values: op.array(),
    ReshapeOp: lambda op, values: values[op.input].reshape(op.result.type.get_shape()),
    TransposeOp: lambda op, values: values[op.input].transpose(array(op.permutation, ())),
    CorrectionsOp: corrections,
    **dict.fromkeys(LinearOp.__subclasses__(), linear),
    **{kind: (lambda op, values: values[op.input]) for kind in ConversionOp.__subclasses__()},
    **dict.fromkeys(ElementwiseOp.__subclasses__(), elementwise),
    **dict.fromkeys(PoolOp.__subclasses__(), pool),
}
