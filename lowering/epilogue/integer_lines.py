"""Straight lines through steps in lanes of i16: `lowbit.rescale` in place of `lowbit.requantize`.

    y = (x * 2^left * multiplier / 2^15, rounded) + offset,    code = y >> right

`left` is as far as the sums of all channels allow, `right` as far as the slope of a channel and the codes
do; its shift is a product with `unit = 2^(16 - right)`, of which the upper half is taken. A few multipliers
are tried for each channel; for each of them the offsets with the same steps are an interval, and its middle
is taken: step `k` begins where `y` reaches `k * 2^right`. Nothing turns round, so what agrees on both sides
of each step agrees everywhere, as the reference of the op that is made confirms.
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
    reach = int(max(np.abs(bound).max() for bound in bounds))
    if reach > LARGEST or (steps := steps_of([op], bounds)) is None:
        return None
    left = (LARGEST // max(1, reach)).bit_length() - 1
    line = _line(steps, code, left)
    if line is None:
        return None
    multiplier, offset, unit = (ConstantOp.of(table.astype(np.int16), i16) for table in line)
    tables = {"multiplier": multiplier, "offset": offset, "unit": unit}
    for hint, table in tables.items():
        table.result.name_hint = hint
    axis = op.axis.value.data
    new = RescaleOp(op.input, multiplier, offset, unit, code, left=left, axis=axis)
    got = evaluate_elementwise(new, steps.sides.astype(np.int32)).astype(np.int64)
    if not np.array_equal(got - code.minimum, steps.counts(steps.sides)):
        new.erase()
        return None
    return [*tables.values(), new]


def _line(steps: Steps, code: CodeType, left: int) -> tuple[Array, Array, Array] | None:
    """Multipliers, offsets and units of the channels."""
    below, above = steps.gaps
    # A channel whose codes are all the same may have any slope.
    turns = (np.isfinite(below) & np.isfinite(above)).any(axis=0)
    scale = np.where(turns, line_through(steps)[0], 0)
    most = LARGEST / max(-code.minimum, code.maximum)
    right = np.floor(np.log2(np.minimum(most, 2.0**left / np.maximum(np.abs(scale), 2.0**-15))))
    if right.min() < LEAST_SHIFT:
        return None
    nearest = np.rint(scale * 2.0 ** (15 - left + right))
    number = (np.arange(1, len(below) + 1) + code.minimum)[:, None] * 2.0**right
    multiplier, offset = np.zeros_like(nearest), np.full(nearest.shape, np.inf)
    for beside in TRIED:
        tried = np.clip(nearest + beside, -LARGEST, LARGEST)
        low = (number - _scaled(above, steps.flip, tried, left)).max(axis=0)
        high = (number - 1 - _scaled(below, steps.flip, tried, left)).min(axis=0)
        low, high = np.maximum(low, -LARGEST), np.minimum(high, LARGEST)
        fits = np.isinf(offset) & (low <= high)
        multiplier = np.where(fits, tried, multiplier)
        offset = np.where(fits, (low + high) // 2, offset)
    return None if np.isinf(offset).any() else (multiplier, offset, 2.0 ** (16 - right))


def _scaled(ends: Array, flip: Array, multiplier: Array, left: int) -> Array:
    """What sums are scaled to; of those that there are not what is beyond all."""
    inside = np.isfinite(ends)
    sums = np.where(inside, ends, 0).astype(np.int64) ^ flip
    scaled = (sums * 2**left * multiplier.astype(np.int64) + 2**14) >> 15
    return np.where(inside, scaled, ends)
