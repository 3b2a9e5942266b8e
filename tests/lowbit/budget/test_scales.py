"""Scales lose least, and no more bits lose more."""

from __future__ import annotations

import numpy as np
import pytest

from lowbit.budget.scales import rounded


@pytest.mark.parametrize("by_channel", [False, True])
def test_more_bits_lose_less(by_channel: bool) -> None:
    values = np.random.default_rng(0).standard_normal((5, 7, 3, 3)).astype(np.float32)
    found = [
        rounded(values, (1 - half, half - 1), by_channel=by_channel) for half in (2, 4, 8, 128)
    ]
    assert [one.scale.shape for one in found] == [(5, 1, 1, 1) if by_channel else ()] * 4
    errors = [one.error for one in found]
    assert errors == sorted(errors, reverse=True) and errors[0] < 0.25 and errors[-1] < 1e-4


def test_values_on_a_grid_lose_nothing() -> None:
    values = np.arange(4, dtype=np.float32).reshape(2, 2) * np.float32(0.5)
    assert rounded(values, (0, 3), by_channel=False).error == 0


def test_zeros_have_a_scale() -> None:
    assert rounded(np.zeros((2, 3), np.float32), (0, 3), by_channel=True).scale.min() > 0
