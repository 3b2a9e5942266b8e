"""Lines through steps: every accumulator in range, against rounding itself."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lowering.epilogue.steps import Steps
from lowering.epilogue.straight_lines import line_through

REACH = 300


def steps_on(counts: np.ndarray, top: int) -> Steps:
    """The steps of counts that never fall, of accumulators from `-REACH` on."""
    numbers = np.arange(1, top + 1)[:, None]
    first = np.sum(counts[None, :] < numbers, axis=1, keepdims=True) - REACH
    ends = np.array([-REACH]), np.array([REACH])
    return Steps(first, np.zeros(1, np.int64), *ends)


def drawn(steps: Steps, x: np.ndarray, top: int) -> np.ndarray:
    scale, bias = (one.astype(np.float32) for one in line_through(steps))
    return np.clip(np.round(x.astype(np.float32) * scale + bias), 0, top)


@given(
    st.floats(2.0**-6, 64, width=32) | st.sampled_from([0.125, 0.25, 0.5, 1, 2]),
    st.floats(-20, 20, width=32) | st.integers(-9, 9).map(lambda n: n / 2),
    st.sampled_from([7, 15, 31, 255]),
)
def test_a_line_is_found_again(scale: float, bias: float, top: int):
    """With its ties, if they are exact and not of f32's making."""
    x = np.arange(-REACH, REACH + 1)
    real = x * scale + bias
    rounded = x.astype(np.float32) * np.float32(scale) + np.float32(bias)
    assume(np.all(rounded == real) or np.abs(real - np.floor(real) - 0.5).min() > 1e-4)
    counts = np.clip(np.round(rounded), 0, top)
    assert np.array_equal(drawn(steps_on(counts, top), x, top), counts)


@pytest.mark.parametrize("jump", [-REACH, -1, 0, 7, REACH, REACH + 1])
def test_all_steps_in_one_place(jump: int):
    """Or before all accumulators, or behind them."""
    x = np.arange(-REACH, REACH + 1)
    counts = np.where(x >= jump, 15, 0)
    assert np.array_equal(drawn(steps_on(counts, 15), x, 15), counts)


def test_a_line_that_falls():
    x = np.arange(-REACH, REACH + 1)
    steps = steps_on(np.clip(np.round(x * np.float32(0.3)), 0, 15), 15)
    down = Steps(steps.first, np.array([-1]), steps.bottom, steps.top)
    want = np.clip(np.round(~x * np.float32(0.3)), 0, 15)
    assert np.array_equal(drawn(down, x, 15), want)
