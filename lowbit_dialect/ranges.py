"""Ranges of accumulators, from the types of the operands and from weights where they are known.

They are ranges of the sum of products: explicit `corrections` may move it anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import SSAValue

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.layout import ConstantOp, ConversionOp
from lowbit_dialect.ops.linear import LinearOp

Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def constant_of(value: SSAValue) -> Array | None:
    """The decoded values of `value` if they are known, seen through changes of layout."""
    owner = value.owner
    while isinstance(owner, ConversionOp):
        owner = owner.input.owner
    return owner.array() if isinstance(owner, ConstantOp) else None


def accumulator_range(op: LinearOp) -> Bounds | None:
    """Smallest and largest accumulator of each output channel; None unless the weights are known.

    Every partial sum over a subset of the taps lies inside as well when 0 is in range, as it is after the
    corrections: each bound sums the extreme of every product on its own.
    """
    work = op.contraction
    weights = constant_of(op.weights)
    if weights is None or isinstance(work.activation, Float32Type):
        return None
    low, high = value_range(work.activation)
    low, high = min(low, work.pad_value), max(high, work.pad_value)
    axes = tuple(axis for axis in work.weight_axes if axis != work.weight_axes[-1])
    positive = np.maximum(weights, 0).sum(axis=axes, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=axes, dtype=np.int64)
    return low * positive + high * negative, high * positive + low * negative


def bound_by_type(op: LinearOp) -> tuple[int, int]:
    """Smallest and largest accumulator from the operand types alone."""
    work = op.contraction
    low, high = value_range(work.activation)
    low, high = min(low, work.pad_value), max(high, work.pad_value)
    bottom, top = value_range(work.weight)
    products = [x * w for x in (low, high) for w in (bottom, top)]
    return work.depth * min(products), work.depth * max(products)
