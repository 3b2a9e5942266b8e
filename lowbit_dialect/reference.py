"""The meaning of every op, in NumPy, on decoded values.

Arrays hold decoded integers in the storage type of their element (u8, i8, i16, i32, i64) or f32; how a
tensor is laid out does not matter here. Everything else in lowbit is compared for equality with this file
and its parts: `reference_linear.py`, `reference_elementwise.py`, `reference_movement.py` and
`reference_rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Operation

from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.ops.common import array, element_of, spatial_axes
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.gather import LinesOp, SubsampleOp, WindowsOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp, PoolOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ops.tile import YieldOp
from lowbit_dialect.reference_elementwise import (
    ELEMENTWISE,
    Values,
    clamp_bounds,
    elementwise,
    evaluate_elementwise,
    round_to,
)
from lowbit_dialect.reference_linear import corrections, linear
from lowbit_dialect.reference_movement import MOVES
from lowbit_dialect.reference_rows import ROWS

__all__ = [
    "ELEMENTWISE",
    "MEANING",
    "Array",
    "Values",
    "clamp_bounds",
    "corrections",
    "elementwise",
    "evaluate",
    "evaluate_elementwise",
    "evaluate_op",
    "linear",
    "pool",
    "round_to",
    "run",
]


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
            if isinstance(op, MaxPoolOp):
                total[:, oy, ox] = np.fmax(seen, -np.inf).max(axis=(1, 2))
            else:
                total[:, oy, ox] = seen.sum(axis=(1, 2))
    if isinstance(op, AvgPoolOp):
        if x.dtype == np.float32:
            total = total.astype(np.float32) / np.float32(op.count)
        else:
            total = total.astype(np.int64).astype(np.int32) // op.count  # i32 wraps
    return total.transpose(np.argsort(axes))


def lines(op: LinesOp, values: Values) -> Array:
    """The rows of an image with padding, pixels end to end."""
    top, left, bottom, right = array(op.padding, ())
    pads = [(0, 0), (top, bottom), (left, right), (0, 0)]
    x = values[op.input].transpose(op.image_axes)
    padded = np.pad(x, pads, constant_values=op.pad_value.value.data if any(map(any, pads)) else 0)
    return padded.reshape(*padded.shape[:2], -1)


def subsample(op: SubsampleOp, values: Values) -> Array:
    """Every so many pixels of an image."""
    rows, columns = array(op.strides, ())
    x = values[op.input].transpose(op.image_axes)[:, ::rows, ::columns]
    return x.transpose(np.argsort(op.image_axes))


def windows(op: WindowsOp, values: Values) -> Array:
    """What each output of a window sees, end to end."""
    channels, kernel, strides, dilations = op.numbers
    x, (height, width) = values[op.input], op.size
    pixels = x[:, :, : x.shape[2] // channels * channels].reshape(*x.shape[:2], -1, channels)
    seen = [
        pixels[:, ky * dilations[0] :, kx * dilations[1] :][:, :: strides[0], :: strides[1]]
        for ky in range(kernel[0])
        for kx in range(kernel[1])
    ]
    joined = np.concatenate([one[:, :height, :width] for one in seen], axis=3)
    return joined.transpose(np.argsort(op.image_axes))


MEANING: dict[type[Operation], Callable[[Any, Values], Array]] = {
    ConstantOp: lambda op, values: op.array(),
    ReshapeOp: lambda op, values: values[op.input].reshape(op.result.type.get_shape()),
    LinesOp: lines,
    SubsampleOp: subsample,
    WindowsOp: windows,
    TransposeOp: lambda op, values: values[op.input].transpose(array(op.permutation, ())),
    CorrectionsOp: corrections,
    **MOVES,
    **ROWS,
    **dict.fromkeys(LinearOp.__subclasses__(), linear),
    **{kind: (lambda op, values: values[op.input]) for kind in ConversionOp.__subclasses__()},
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(PoolOp.__subclasses__(), pool),
}
