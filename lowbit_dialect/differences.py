"""Where computed results differ from the reference."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import Float32Type, ModuleOp

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import element_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.pool import AvgPoolOp

FLOAT_TOLERANCE = 1e-4
"""Of the largest magnitude: how far a sum of f32 may be from the reference."""


def is_exact(module: ModuleOp) -> bool:
    """Whether every result is the same bits whatever the order of sums: nothing sums f32."""
    return not any(
        isinstance(op, LinearOp | AvgPoolOp) and isinstance(element_of(op.input.type), Float32Type)
        for op in module.walk()
    )


def first_difference(got: Array, expected: Array, exact: bool = True) -> str | None:
    """Where two results differ first, in a sentence; None if they agree."""
    if got.shape != expected.shape:
        return f"its shape is {got.shape}, not {expected.shape}"
    wrong = differences(got, expected, exact)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} values differ; the first, at {list(at)}, is {got[at]} and "
        f"should be {expected[at]}"
    )


def differences(got: Array, expected: Array, exact: bool = True) -> Array:
    """Which values differ: at all, or for f32 that is not `exact` beyond the rounding of a sum."""
    if expected.dtype.kind != "f":
        return got != expected
    if exact:
        return (got != expected) & ~(np.isnan(got) & np.isnan(expected))
    scale = float(np.nanmax(np.abs(expected), initial=1.0))
    return ~np.isclose(got, expected, rtol=1e-5, atol=FLOAT_TOLERANCE * scale, equal_nan=True)
