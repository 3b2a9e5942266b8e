"""What is proved monotone is, and what is monotone by the rules of f32 is proved."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lowbit_dialect.layout import Array
from lowbit_dialect.monotone import Interval, NotMonotone, monotone

F = np.float32
INF, NAN = F(np.inf), F(np.nan)
FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf])
BINARY = (np.add, np.subtract, np.multiply, np.true_divide, np.fmax, np.fmin, np.maximum)


def proved(ufunc: np.ufunc, *inputs: Array) -> Array | None:
    with np.errstate(all="ignore"):
        try:
            result = ufunc(*inputs)
            assert isinstance(result, Interval)
            return result.ends
        except NotMonotone:
            return None


def interval(low: float, high: float) -> Interval:
    return Interval.of(np.array([low], F), np.array([high], F))


@given(st.sampled_from(BINARY), st.lists(FLOATS, min_size=2, max_size=12), FLOATS, st.booleans())
def test_a_proof_holds(ufunc: np.ufunc, values: list[float], constant: float, swapped: bool):
    """Between the ends nothing turns round, and nothing is NaN."""
    inside = np.sort(np.array(values, F))
    assume(not np.isnan(inside).any())
    inputs = [interval(inside[0], inside[-1]), F(constant)]
    ends = proved(ufunc, *(reversed(inputs) if swapped else inputs))
    if ends is None:
        return
    inside = np.concatenate([inside, [F(0)]]) if inside[0] <= 0 <= inside[-1] else inside
    inside = np.sort(inside)
    with np.errstate(all="ignore"):
        results = ufunc(F(constant), inside) if swapped else ufunc(inside, F(constant))
    assert not np.isnan(results).any()
    assert np.array_equal(results, np.sort(results)) or np.array_equal(
        results, np.sort(results)[::-1]
    )
    assert (results[0], results[-1]) == tuple(ends.ravel())


PROVED = [
    (np.multiply, -3, 4, 1e38),
    (np.multiply, 1, INF, INF),
    (np.multiply, -3, 4, 0),
    (np.true_divide, 1, 4, 0),
    (np.true_divide, -INF, INF, 3),
    (np.add, -INF, 4, -INF),
    (np.fmax, -3, INF, NAN),
]
REFUSED = [
    (np.multiply, -3, 4, INF),
    (np.multiply, -INF, 4, 0),
    (np.multiply, -3, 4, NAN),
    (np.true_divide, -1, 4, 0),
    (np.true_divide, 1, INF, INF),
    (np.add, -INF, 4, INF),
    (np.maximum, -3, 4, NAN),
    (np.power, -3, 4, 2),
]


@pytest.mark.parametrize(("ufunc", "low", "high", "constant"), PROVED)
def test_proved(ufunc: np.ufunc, low: float, high: float, constant: float):
    assert proved(ufunc, interval(low, high), F(constant)) is not None


@pytest.mark.parametrize(("ufunc", "low", "high", "constant"), REFUSED)
def test_refused(ufunc: np.ufunc, low: float, high: float, constant: float):
    assert proved(ufunc, interval(low, high), F(constant)) is None


def test_integers_do_not_wrap():
    near = Interval.of(np.array([0], np.int32), np.array([2**31 - 10], np.int32))
    assert proved(np.add, near, np.int32(9)) is not None
    assert proved(np.add, near, np.int32(10)) is None
    assert (near.astype(np.int64) + 10).astype(np.float32).ends.tolist() == [[10], [2.0**31]]
    with pytest.raises(NotMonotone):
        (near.astype(np.int64) + 10).astype(np.int32)
    with pytest.raises(NotMonotone):
        interval(0, INF).astype(np.int32)


def test_what_is_no_arithmetic_is_refused():
    x = interval(-2.5, 3)
    for act in (lambda: x.view(np.int32), lambda: x[:1], lambda: np.where(x > 0, x, 0)):
        with pytest.raises(NotMonotone):
            act()
    assert isinstance(rounded := np.round(x), Interval)
    assert rounded.ends.tolist() == [[-2], [3]]


def test_sums_of_intervals_that_go_the_same_way():
    x = interval(-2, 3)
    assert proved(np.add, x, np.floor(x)) is not None
    assert proved(np.add, x, -x) is None
    assert proved(np.multiply, x, x) is None


def test_a_promise():
    @monotone(when=lambda x, slope: slope >= 0)
    def leaky(x: Array, slope: Array) -> Array:
        return np.where(x < 0, x * slope, x)

    slopes = np.array([[0.5]], F)
    assert leaky(np.array([[-2.0]], F), slopes).tolist() == [[-1]]
    assert leaky(interval(-2, 3), slopes).tolist() == [[-1], [3]]
    with pytest.raises(NotMonotone):
        leaky(interval(-2, 3), -slopes)
    with pytest.raises(NotMonotone), np.errstate(all="ignore"):
        leaky(interval(-INF, 3), 0 * slopes)
