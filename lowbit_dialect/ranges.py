"""Ranges of sums of products that constant weights prove, written on the ops.

    %y = lowbit.dense %x, %w : tensor<1x3x!lowbit.uint<2>>, tensor<3x1x!lowbit.ternary> -> ...
    ->  %y = lowbit.dense %x, %w {range = array<i64: -3, 6>} : ...   for weights of [1, 1, -1]

They are ranges of the sum alone: explicit `corrections` may move it anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DenseArrayBase, Float32Type, IntegerType
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import ints, value_range
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.linear_checks import MayWrap, verify_sums

Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def constant_of(value: SSAValue) -> Array | None:
    """The decoded values of `value` if they are known, seen through changes of layout."""
    owner = value.owner
    while isinstance(owner, ConversionOp):
        owner = owner.input.owner
    return owner.array() if isinstance(owner, ConstantOp) else None


def accumulator_range(work: Contraction, weights: SSAValue) -> Bounds | None:
    """Smallest and largest sum of each output channel; None unless the weights are known integers.

    Every partial sum over a subset of the taps lies inside as well, since 0 is in the range of every
    activation or between its ends: each bound sums the extreme of every product on its own.
    """
    values = constant_of(weights)
    if values is None or isinstance(work.activation, Float32Type):
        return None
    # A pad value lies inside as well.
    return bounds_of_sums(values, work.weight_axes[:-1], value_range(work.activation))


def bounds_of_sums(weights: Array, axes: tuple[int, ...], ends: tuple[int, int]) -> Bounds:
    """Smallest and largest sum, over `axes`, of weights times activations between two ends."""
    low, high = ends
    positive = np.maximum(weights, 0).sum(axis=axes, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=axes, dtype=np.int64)
    return low * positive + high * negative, high * positive + low * negative


def proven_range(op: LinearOp) -> DenseArrayBase[IntegerType] | None:
    """What the property `range` of a valid op on tensors is; None unless its weights are known integers."""
    bounds = accumulator_range(op.contraction, op.weights)
    return None if bounds is None else ints((int(bounds[0].min()), int(bounds[1].max())))


def promised_bounds(
    work: Contraction, low: int, high: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bounds of activations and weights whose sums of products lie in a range, whatever is summed.

    A half of both, or of what is not negative in them, as often as it takes.
    """
    x, w = value_range(work.activation), value_range(work.weight)
    while (x, w) != ((0, 0), (0, 0)):
        for one, other in ((x, w), ((max(0, x[0]), x[1]), (max(0, w[0]), w[1]))):
            products = [0, *(a * b for a in (*one, work.pad_value) for b in other)]
            if low <= work.depth * min(products) and work.depth * max(products) <= high:
                return one, other
        x, w = (-(-x[0] // 2), x[1] // 2), (-(-w[0] // 2), w[1] // 2)
    return x, w


def needs_range(op: LinearOp) -> bool:
    """Whether the types of an op on integers let a sum wrap in its accumulator."""
    try:
        verify_sums(op.contraction, op.accumulator, *op.contraction.bound)
    except MayWrap:
        return True
    return False


def admit(op: Operation) -> None:
    """State the range of an op that comes in without one, and needs it to be valid.

    Verifiers do not look through other ops: the types of the operands may let a sum wrap that the weights
    do not. An op that is wrong in another way is left to its verifier.
    """
    if not isinstance(op, LinearOp) or op.range is not None:
        return
    try:
        op.verify_()
    except MayWrap:
        op.range = proven_range(op)
    except VerifyException:
        return


def argument_bounds(main: FuncOp) -> dict[int, tuple[int, int]]:
    """Ends of arguments, by number, with which sums stay in the ranges that a program promises."""
    found: dict[int, tuple[int, int]] = {}
    for op in main.walk():
        if not isinstance(op, LinearOp) or op.range is None or proven_range(op) is not None:
            continue
        ends = promised_bounds(op.contraction, *op.sums)
        for value, (low, high) in zip((op.input, op.weights), ends):
            if isinstance(value, BlockArgument) and value.block is main.body.block:
                before = found.get(value.index, (low, high))
                found[value.index] = max(low, before[0]), min(high, before[1])
    return found
