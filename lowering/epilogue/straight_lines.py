"""Straight lines through steps: `round(x * scale + bias)` in place of counting.

A scale, a batch norm and a quantiser are one line to within rounding. A line has the same steps if it
reaches `k - 1/2` above the last accumulator below step `k`, and no later than at the first on it; where a
tie goes to an even code, just there. The line furthest from all of these is found in f64. Whether it serves
`lowbit.requantize` tells, in f32, on both sides of every step: neither turns round, so they agree between.
"""

from __future__ import annotations

import numpy as np

from lowbit_dialect.layout import Array
from lowering.epilogue.steps import Steps

ROUNDS = 60
"""Each leaves half of an interval: what is left of 2^32 is below what f64 tells apart."""


def line_through(steps: Steps) -> tuple[Array, Array]:
    """Scale and bias of each channel with which `round(x * scale + bias)` counts steps best.

    On the line, step `k` begins at the (flipped) accumulator `stride * k + start`.
    """
    below, above = steps.gaps
    number = np.arange(1, len(below) + 1)[:, None]
    # Where steps coincide any line does that is steep enough.
    low = np.full(below.shape[1], 1 / (4 * len(below)))
    high: Array = np.maximum(2.0 * (steps.top - steps.bottom), 1)
    bounded = np.isfinite(above).any(axis=0)
    for _ in range(ROUNDS):
        # The room between the highest end below and the lowest above is concave in the stride: it grows while
        # the step of the former is a later one than that of the latter.
        stride: Array = (low + high) / 2
        grows = (below - stride * number).argmax(axis=0) > (above - stride * number).argmin(axis=0)
        grows &= bounded
        low, high = np.where(grows, stride, low), np.where(grows, high, stride)
    stride = (low + high) / 2
    first: Array = (below - stride * number).max(axis=0)
    last: Array = (above - stride * number).min(axis=0)
    middle = np.where(
        np.isinf(first), last - 0.5, np.where(np.isinf(last), first + 0.5, (first + last) / 2)
    )
    scale, bias = 1 / stride, -middle / stride - 0.5
    # ~x is -1 - x.
    return np.where(steps.flip, -scale, scale), np.where(steps.flip, bias - scale, bias)
