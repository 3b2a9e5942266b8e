"""Straight lines through steps: `round(x * scale + bias)` in place of counting.

A scale, a batch norm and a quantiser are one line to within rounding. A line has the same steps if it
reaches `k - 1/2` above the last accumulator below step `k`, and no later than at the first on it; where a
tie goes to an even code, just there. The line furthest from all of these is found in f64. Whether it serves
`lowbit.requantize` tells, in f32, on both sides of every step: neither turns round, so they agree between.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lowbit_dialect.layout import Array
from lowering.epilogue.steps import Steps

ROUNDS = 100
"""Each leaves two thirds of an interval: what is left of 2^32 is below what f64 tells apart."""


def line_through(steps: Steps) -> tuple[Array, Array]:
    """Scale and bias of each channel with which `round(x * scale + bias)` counts steps best.

    On the line, step `k` begins at the (flipped) accumulator `stride * k + start`.
    """
    below, above = steps.gaps
    number = np.arange(1, len(below) + 1)[:, None]

    def starts(stride: Array) -> tuple[Array, Array]:
        return (below - stride * number).max(axis=0), (above - stride * number).min(axis=0)

    def room(stride: Array) -> Array:
        low, high = starts(stride)
        return high - low

    # Where steps coincide any line does that is steep enough.
    least = np.full(below.shape[1], 1 / (4 * len(below)))
    stride = _widest(room, least, np.maximum(2.0 * (steps.top - steps.bottom), 1))
    low, high = starts(stride)
    middle = np.where(
        np.isinf(low), high - 0.5, np.where(np.isinf(high), low + 0.5, (low + high) / 2)
    )
    scale, bias = 1 / stride, -middle / stride - 0.5
    # ~x is -1 - x.
    return np.where(steps.flip, -scale, scale), np.where(steps.flip, bias - scale, bias)


def _widest(room: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where a concave function is greatest between two ends, by thirds."""
    for _ in range(ROUNDS):
        third = (high - low) / 3
        left, right = low + third, high - third
        falls = room(left) >= room(right)
        low, high = np.where(falls, low, left), np.where(falls, right, high)
    return (low + high) / 2
