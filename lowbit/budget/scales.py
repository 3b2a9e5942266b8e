"""The scale of a quantiser that loses least of some values: the least squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowbit_dialect.layout import Array

STEPS = 24
"""Scales that are tried, from the one that holds the largest value down to a fifth of it: at two bits the
best clips the largest values."""
SAMPLE = 50_000
"""Values of an activation that are looked at."""


@dataclass(frozen=True)
class Rounded:
    """A scale, and what rounding by it loses."""

    scale: Array
    """f32: one number, or [channels, 1, ...]."""
    error: float
    """The mean squared distance over the mean square."""


def rounded(values: Array, bounds: tuple[int, int], *, by_channel: bool) -> Rounded:
    """The best scale of integers within bounds for values, of each first extent or of all."""
    rows = values.reshape(len(values) if by_channel else 1, -1).astype(np.float32)
    if not by_channel:
        rows = rows[:, :: max(1, rows.shape[1] // SAMPLE)]
    low, high = bounds
    largest = np.maximum(rows.max(1), -rows.min(1) if low else 0)[:, None]
    full = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(max(high, 1))
    best, least = full, np.full(full.shape, np.inf)
    for share in np.linspace(1, 0.2, STEPS, dtype=np.float32):
        scale = full * share
        errors = np.square(np.clip(np.rint(rows / scale), low, high) * scale - rows).mean(1)[
            :, None
        ]
        best, least = np.where(errors < least, scale, best), np.minimum(errors, least)
    power = float(np.square(rows).mean()) or 1.0
    shape = (len(rows), *[1] * (values.ndim - 1)) if by_channel else ()
    return Rounded(best.reshape(shape).astype(np.float32), float(least.mean()) / power)
