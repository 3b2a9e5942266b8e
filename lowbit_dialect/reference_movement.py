"""The meaning of ops that move elements, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from xdsl.ir import Operation

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import array, output_type
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp
from lowbit_dialect.reference_elementwise import Values


def _concat(op: ConcatOp, values: Values) -> Array:
    return np.concatenate([values[value] for value in op.inputs], axis=op.axis.value.data)


def _extract_slice(op: ExtractSliceOp, values: Values) -> Array:
    x, sizes = values[op.input], output_type(op).get_shape()
    for axis, (start, step) in enumerate(zip(array(op.starts, ()), array(op.steps, ()))):
        x = np.take(x, start + step * np.arange(sizes[axis]), axis)
    return x


def _pad(op: PadOp, values: Values) -> Array:
    x, shape = values[op.input], output_type(op).get_shape()
    y = np.full(shape, op.number, x.dtype)
    low, _, interior = op.amounts
    y[
        tuple(
            slice(first, first + (extent - 1) * (between + 1) + 1, between + 1)
            for first, extent, between in zip(low, x.shape, interior)
        )
    ] = x
    return y


def _repeat(op: RepeatOp, values: Values) -> Array:
    x = values[op.input]
    for axis, factor in enumerate(array(op.factors, ())):
        x = np.repeat(x, factor, axis)
    return x


MOVES: dict[type[Operation], Callable[[Any, Values], Array]] = {
    ConcatOp: _concat,
    ExtractSliceOp: _extract_slice,
    PadOp: _pad,
    RepeatOp: _repeat,
}
