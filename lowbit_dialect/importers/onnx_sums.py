"""Means of codes as what they are: exact sums of these, in i16, times one number.

The last product of most networks reads the mean over an image. As sums it is one of integers, its weights
those of the file, where in f32 they would take four times the memory, which is what it waits for.
"""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.dialects.builtin import TensorType, f32, i16
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_tensor import ONE, Tensor
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import I32_MAX, array, element_of, shape_of, value_range
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import DivOp, RequantizeOp
from lowbit_dialect.ops.pool import AvgPoolOp
from lowbit_dialect.ops.reshaping import ReshapeOp


def as_sums(
    b: Builder, node: Node, x: Tensor, w: Constant, outputs: int
) -> tuple[Tensor, tuple[int, int]] | None:
    """Integers that `x` is one number times, and their ends; None unless it is such a mean.

    No sum of their products with weights that are integers times one number of each output, along axis
    `outputs`, leaves i32.
    """
    others = [axis for axis in range(w.values.ndim) if axis != outputs]
    if w.scale is None or any(w.scale.shape[axis] != 1 for axis in others):
        return None
    found = _sums(x)
    if found is None:
        return None
    value, scale, (low, high) = found
    limits = np.iinfo(np.int16)
    largest = int(np.abs(w.values.astype(np.int64)).sum(tuple(others)).max(initial=0))
    if low < limits.min or high > limits.max or max(-low, high) * largest > I32_MAX:
        return None
    sums = b.emit(node, RequantizeOp(value, b.known(node, ONE, f32, "one"), i16), "sums")
    shaped = b.emit(node, ReshapeOp(sums, TensorType(i16, shape_of(x.value))), "sums")
    return x.holding(shaped, scale=np.array([scale], np.float32)), (low, high)


def _sums(x: Tensor) -> tuple[SSAValue, float, tuple[int, int]] | None:
    """The sums of codes that `x` is the mean of, what they are scaled by, and their ends."""
    if x.bias is not None or x.zero:
        return None
    scale, value = _number(x.scale), _unshaped(x.value)
    if x.scale is None:
        # As `average` leaves it whose scale does not take the division.
        count = 1.0
        if isinstance(op := value.owner, DivOp):
            count, value = _known(op.other), _unshaped(op.input)
        op = value.owner
        if not isinstance(op, RequantizeOp) or op.bias is not None:
            return None
        factor, value = _known(op.scale), _unshaped(op.input)
        scale = factor / count if factor and count else None
    pool = value.owner
    if scale is None or not isinstance(pool, AvgPoolOp) or pool.count != 1:
        return None
    code = element_of(pool.input.type)
    if not isinstance(code, CodeType):
        return None
    low, high = (prod(array(pool.kernel, ())) * end for end in value_range(code))
    return value, scale, (low, high)


def _unshaped(value: SSAValue) -> SSAValue:
    """What a value is a reshape of."""
    while isinstance(op := value.owner, ReshapeOp):
        value = op.input
    return value


def _known(value: SSAValue) -> float | None:
    """The number that a known table holds, if it is one."""
    return _number(value.owner.array()) if isinstance(value.owner, ConstantOp) else None


def _number(values: Array | None) -> float | None:
    return float(values.flat[0]) if values is not None and values.size == 1 else None
