"""Straight lines through steps in lanes of i16: `lowbit.rescale` in place of `lowbit.requantize`.

    x = clamp(x, low, high),    y = (x * 2^left * multiplier / 2^15, rounded) + offset,    code = y >> right

Sums are clamped to the last one below the first step and the first one on the last, so that codes need no
clamp. `left` is as far as these then allow, `right` as far as the slope of a channel and the codes do; its
shift is a product with `unit = 2^(16 - right)`, of which the upper half is taken. A few multipliers are
tried for each channel; for each of them the offsets with the same steps are an interval, and its middle is
taken: step `k` begins where `y` reaches `k * 2^right`. Nothing turns round, so what agrees on both sides of
each step agrees everywhere, as the reference of the op that is made confirms.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import i16
from xdsl.ir import Operation

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import RequantizeOp, RescaleOp
from lowbit_dialect.reference import evaluate_elementwise
from lowering.epilogue.code_chains import Bounds
from lowering.epilogue.steps import Steps, steps_of
from lowering.epilogue.straight_lines import line_through

LARGEST = 2**15 - 1
LEAST_SHIFT = 2
"""`unit` is below 2^15."""
TRIED = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Multipliers beside the nearest one, in this order."""


def rescaled(op: RequantizeOp, bounds: Bounds) -> list[Operation] | None:
    """Ops of which the last has the code of `op` for every sum within `bounds`; None if there are none."""
    code = op.output_element
    if not isinstance(code, CodeType) or code.is_odd:
        return None
    if not all(isinstance(table.owner, ConstantOp) for table in op.tables):
        return None
    if max(np.abs(bound).max() for bound in bounds) > LARGEST:
        return None
    steps = steps_of([op], bounds)
    if steps is None or (line := _line(steps, code)) is None:
        return None
    left, rows = line
    # Offsets may wrap, as what they are added to does.
    tables = [ConstantOp.of(row.astype(np.int64).astype(np.int16), i16) for row in rows]
    for hint, table in zip(("low", "high", "multiplier", "offset", "unit"), tables):
        table.result.name_hint = hint
    low, high, multiplier, offset, unit = tables
    axis = op.axis.value.data
    new = RescaleOp(op.input, low, high, multiplier, offset, unit, code, left=left, axis=axis)
    got = evaluate_elementwise(new, steps.sides.astype(np.int32)).astype(np.int64)
    if not np.array_equal(got - code.minimum, steps.counts(steps.sides)):
        new.erase()
        return None
    return [*tables, new]


def _line(steps: Steps, code: CodeType) -> tuple[int, list[Array]] | None:
    """The shift of all channels; their ends, multipliers, offsets and units."""
    below, above = steps.gaps
    turn = np.isfinite(below) & np.isfinite(above)
    turns = turn.any(axis=0)
    # Where all codes are the same, any sum stands for all.
    first = np.where(turns, np.where(turn, below, np.inf).min(axis=0), steps.bottom)
    last = np.where(turns, np.where(turn, above, -np.inf).max(axis=0), steps.bottom)
    below = np.vstack([np.full_like(first, -np.inf), _within(below, first, last), last])
    above = np.vstack([first, _within(above, first, last), np.full_like(last, np.inf)])
    ends = np.sort(np.vstack([first, last]).astype(np.int64) ^ steps.flip, axis=0)

    left = (LARGEST // max(1, int(np.abs(ends).max()))).bit_length() - 1
    steepest = code.steps / np.maximum(1, last - first)
    scale = np.where(turns, np.clip(line_through(steps)[0], -steepest, steepest), 0)
    most = 2**15 / max(-code.minimum, code.maximum + 1)
    right = np.floor(np.log2(np.minimum(most, 2.0**left / np.maximum(np.abs(scale), 2.0**-15))))
    if right.min() < LEAST_SHIFT:
        return None
    nearest = np.rint(scale * 2.0 ** (15 - left + right))
    number = np.arange(code.minimum, code.maximum + 2)[:, None] * 2.0**right
    multiplier, offset = np.zeros_like(nearest), np.full(nearest.shape, np.inf)
    for beside in TRIED:
        tried = np.clip(nearest + beside, -LARGEST, LARGEST)
        low = (number - _scaled(above, steps.flip, tried, left)).max(axis=0)
        high = (number - 1 - _scaled(below, steps.flip, tried, left)).min(axis=0)
        fits = np.isinf(offset) & (low <= high)
        multiplier = np.where(fits, tried, multiplier)
        offset = np.where(fits, (low + high) // 2, offset)
    if np.isinf(offset).any():
        return None
    return left, [*ends, multiplier, offset, 2.0 ** (16 - right)]


def _within(sums: Array, first: Array, last: Array) -> Array:
    """Sums clamped, but for those that there are not."""
    return np.where(np.isfinite(sums), np.clip(sums, first, last), sums)


def _scaled(ends: Array, flip: Array, multiplier: Array, left: int) -> Array:
    """What sums are scaled to; of those that there are not what is beyond all."""
    inside = np.isfinite(ends)
    sums = np.where(inside, ends, 0).astype(np.int64) ^ flip
    scaled = (sums * 2**left * multiplier.astype(np.int64) + 2**14) >> 15
    return np.where(inside, scaled, ends)
