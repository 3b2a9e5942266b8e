"""Chains of elementwise ops that go from integers to codes, as one op each.

A chain is counted out in thresholds. One of seven steps or more becomes one `lowbit.requantize` instead,
where a scale and a bias in f32 give every integer the same code: it costs the same whatever the number of
steps, and has two tables to hold in registers. `steps` finds the steps; a chain that is not monotone stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.ops.common import shape_of, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import (
    AddOp,
    ElementwiseOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.reference import evaluate_elementwise
from lowering.epilogue.steps import Steps, steps_of
from lowering.epilogue.straight_lines import line_through

Bounds = tuple[Array, Array]
"""The smallest and the largest integer of each channel."""

MOST_STEPS = 15
"""Steps of a code up to which comparing beats evaluating the chain: 4 bits."""

QUANTISING = QuantizeOp, ThresholdOp

LEAST_OF_A_LINE = 7
"""Steps from which on a line beats comparing, where it can be drawn: 7 operations against 2 a step."""


def to_code(chain: Sequence[ElementwiseOp], bounds: Bounds, axis: int) -> list[Operation] | None:
    """Ops of which the last replaces a chain from an i32 accumulator to a code.

    `bounds` are the smallest and largest accumulator of each channel; channels are `axis` of the
    accumulators. None if the chain depends on more than the accumulator and constants, is not monotone, or
    has too many steps to count and no line through them.
    """
    code = chain[-1].output_element
    assert isinstance(code, CodeType)
    if not all(isinstance(v.owner, ConstantOp) for op in chain for v in op.operands[1:]):
        return None
    if any(op.others for op in chain):
        return None
    linear = not code.is_odd and code.steps >= LEAST_OF_A_LINE
    # Alone it counts already, and codes are not compared.
    counted = (
        code.steps <= MOST_STEPS and len(chain) > 1 and shaped(chain[0].input).element_type == i32
    )
    steps = steps_of(chain, bounds) if linear or counted else None
    if steps is None:
        return None
    line = _line_ops(chain[0].input, code, steps, axis) if linear else None
    return line or (_threshold_ops(chain[0].input, code, steps, axis) if counted else None)


def _line_ops(value: SSAValue, code: CodeType, steps: Steps, axis: int) -> list[Operation] | None:
    """A `lowbit.requantize` with the same code for every accumulator, if there is one."""
    scale, bias = line_through(steps)
    scale = _table(scale.astype(np.float32), f32, "scale")
    bias = _table((bias + code.minimum).astype(np.float32), f32, "bias")
    op = RequantizeOp(value, scale, code, bias=bias, axis=axis)
    got = evaluate_elementwise(op, steps.sides.astype(np.int32)).astype(np.int64)
    if not np.array_equal(got - code.minimum, steps.counts(steps.sides)):
        op.erase()
        return None
    return [scale, bias, op]


def _threshold_ops(
    value: SSAValue, code: CodeType, steps: Steps, axis: int
) -> list[Operation] | None:
    rows = steps.thresholds
    if rows is None:
        return None
    ops: list[Operation] = [_table(rows, i32, "thresholds")]
    flip: ConstantOp | None = None
    if steps.flip.any():
        flip = _table(steps.flip, i32, "flip")
        ops.append(flip)
    return [*ops, ThresholdOp(value, ops[0], code, flip=flip, axis=axis)]


def _table(values: Array, element: Attribute, hint: str) -> ConstantOp:
    table = ConstantOp.of(values.astype(storage_dtype(element)), element)
    table.result.name_hint = hint
    return table


def replace_by_codes(chain: Sequence[ElementwiseOp], bounds: Bounds | None, axis: int) -> None:
    """Turn each part of a chain that goes from integers to codes into one op, the longest part first.

    `bounds` are those of its input. Codes have some of their own, and so have their sums: what is added to
    another tensor comes between two parts.
    """
    chain = list(chain)
    while chain:
        last = chain[0]
        if bounds is not None:
            part = list(takewhile(lambda op: not op.others, chain))
            bounds = _by_channel(bounds, part)
            lengths = (n for n in range(len(part), 0, -1) if isinstance(part[n - 1], QUANTISING))
            for length in lengths:
                if new := to_code(part[:length], bounds, axis):
                    last = part[length - 1]
                    _replace(part[:length], new)
                    break
        added = isinstance(last, AddOp) and last.others
        bounds = bounds_of_sum([last.input, *last.others] if added else last.results)
        del chain[: chain.index(last) + 1]


def _by_channel(bounds: Bounds, chain: Sequence[ElementwiseOp]) -> Bounds:
    """Bounds for each channel that a chain tells apart."""
    channels = max((shape_of(table)[0] for op in chain for table in op.tables), default=1)
    low, high = (np.broadcast_to(one, max(channels, one.size)) for one in bounds)
    return low, high


def bounds_of_sum(values: Sequence[SSAValue]) -> Bounds | None:
    """The smallest and the largest sum of some values, if all of them are codes."""
    codes = [shaped(value).element_type for value in values]
    ends = [(code.minimum, code.maximum) for code in codes if isinstance(code, CodeType)]
    if len(ends) < len(codes):
        return None
    low, high = (np.array([sum(end)], np.int64) for end in zip(*ends))
    return low, high


def _replace(chain: Sequence[ElementwiseOp], new: Sequence[Operation]) -> None:
    old = chain[-1].results[0]
    new[-1].results[0].name_hint = old.name_hint
    for op in new:
        Rewriter.insert_op(op, InsertPoint.before(chain[-1]))
    old.replace_all_uses_with(new[-1].results[0])
    for op in reversed(chain):
        Rewriter.erase_op(op)
