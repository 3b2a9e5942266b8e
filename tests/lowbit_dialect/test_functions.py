"""The functions of `lowbit.apply` against f64, at what is special, and at neighbouring floats."""

from collections.abc import Callable
from math import erf

import numpy as np
import pytest
from every_float import LAST, falls, floats, value
from hypothesis import given, settings
from hypothesis import strategies as st

from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.layout import Array

INF, NAN = np.inf, np.nan
Real = Callable[[Array], Array]
ERF: Real = np.vectorize(erf, otypes=[np.float64])


def soft(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


NEAR: dict[str, tuple[Real, float, tuple[float, ...]]] = {
    "exp": (np.exp, 1, ()),
    "sigmoid": (lambda x: np.where(x < -88.72, 0, 1 / (1 + np.exp(-x))), 3, ()),
    "tanh": (np.tanh, 2, ()),
    "erf": (ERF, 2, ()),
    "log": (np.log, 1, ()),
    "softplus": (soft, 3, ()),
    "elu": (lambda x: np.where(x < 0, np.expm1(x), x), 2, (1.0,)),
    "selu": (lambda x: np.where(x < 0, 3 * np.expm1(x), 1.5 * x), 3, (2.0, 1.5)),
    "reciprocal": (lambda x: 1 / x, 0.5, ()),
    "sqrt": (np.sqrt, 0.5, ()),
    "abs": (np.abs, 0, ()),
    "neg": (np.negative, 0, ()),
    "sign": (np.sign, 0, ()),
    "round": (np.round, 0, ()),
    "floor": (np.floor, 0, ()),
    "ceil": (np.ceil, 0, ()),
}
"""In f64, how many ulps f32 is off, and the parameters."""
SCALED: dict[str, tuple[Real, tuple[float, ...]]] = {
    "gelu": (lambda x: x / 2 * (1 + ERF(x / np.sqrt(2))), ()),
    "gelu_tanh": (
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        (),
    ),
    "swish": (lambda x: x / (1 + np.exp(-1.5 * x)), (1.5,)),
    "mish": (lambda x: x * np.tanh(soft(x)), ()),
    "hard_swish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), ()),
    "hard_sigmoid": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), (0.2, 0.5)),
}
"""The same for functions that lose digits by cancellation, which f32 misses by ulps of `max(1, |x|)`."""


def samples() -> Array:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, 20000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    spread = [random.uniform(-r, r, 10000).astype(np.float32) for r in (0.01, 1, 10, 104)]
    whole = np.concatenate([bits, *spread])
    return whole[~np.isnan(whole)]


@pytest.mark.parametrize("name", NEAR)
def test_near_the_real_function(name: str):
    real, ulps, parameters = NEAR[name]
    x = samples()
    with np.errstate(all="ignore"):
        want = real(x.astype(np.float64))
        rounded = want.astype(np.float32)
    got = value(name, x, *parameters)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    off = np.abs(got[finite] - want[finite]) / np.spacing(np.abs(rounded[finite])).astype(float)
    assert off.max() <= ulps, x[finite][off.argmax()]


@pytest.mark.parametrize("name", SCALED)
def test_near_within_the_size_of_x(name: str):
    real, parameters = SCALED[name]
    x = samples()
    x = x[np.abs(x) < 1e12]
    with np.errstate(all="ignore"):
        want = real(x.astype(np.float64))
    off = np.abs(value(name, x, *parameters) - want) / np.maximum(1, np.abs(x)) * 2**24
    assert off.max() <= 3, x[off.argmax()]


SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 1e-45, -1e-45, 1e-40], np.float32)
WANTED: dict[str, list[float]] = {
    "exp": [NAN, INF, 0, 1, 1, 1, 1, 1],
    "sigmoid": [NAN, 1, 0, 0.5, 0.5, 0.5, 0.5, 0.5],
    "tanh": [NAN, 1, -1, 0.0, -0.0, 1e-45, -1e-45, 1e-40],
    "erf": [NAN, 1, -1, 0.0, -0.0, 1e-45, -1e-45, 1.12838e-40],
    "log": [NAN, INF, NAN, -INF, -INF, -103.27893, NAN, -92.10340],
    "softplus": [NAN, INF, 0, 0.6931472, 0.6931472, 0.6931472, 0.6931472, 0.6931472],
    "reciprocal": [NAN, 0.0, -0.0, INF, -INF, INF, -INF, INF],
    "sqrt": [NAN, INF, NAN, 0.0, -0.0, 3.743392e-23, NAN, 1e-20],
    "abs": [NAN, INF, INF, 0.0, 0.0, 1e-45, 1e-45, 1e-40],
    "neg": [NAN, -INF, INF, -0.0, 0.0, -1e-45, 1e-45, -1e-40],
    "sign": [NAN, 1, -1, 0.0, -0.0, 1, -1, 1],
    "round": [NAN, INF, -INF, 0.0, -0.0, 0.0, -0.0, 0.0],
    "floor": [NAN, INF, -INF, 0.0, -0.0, 0.0, -1, 0.0],
    "ceil": [NAN, INF, -INF, 0.0, -0.0, 1, -0.0, 1],
    "hard_swish": [NAN, INF, NAN, 0.0, -0.0, 0, -0.0, 5e-41],
    "gelu": [NAN, INF, NAN, 0.0, -0.0, 0, -0.0, 5e-41],
    "mish": [NAN, INF, NAN, 0.0, -0.0, 1e-45, -1e-45, 6e-41],
}


@pytest.mark.parametrize("name", WANTED)
def test_what_is_special(name: str):
    got, want = value(name, SPECIAL), np.array(WANTED[name], np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    zero = want == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


RISING: dict[str, tuple[float, ...]] = {
    "elu": (0.75,),
    "exp": (),
    "hard_sigmoid": (0.2, 0.5),
    "log": (),
    "selu": (1.67326, 1.0507),
    "sigmoid": (),
    "sign": (),
    "sqrt": (),
    "tanh": (),
    "round": (),
    "floor": (),
    "ceil": (),
}
"""Functions that never fall where they are no NaN; the others that are steady are so by one operation."""
FALLING = {"abs", "neg", "reciprocal"}
MEETINGS = (
    0.0,
    0.625,
    -0.625,
    88.7,
    -103.97,
    8.0,
    -8.0,
    0.3466,
    -0.3466,
    1.04,
    -1.04,
    0.7071,
    1.4143,
)


@settings(deadline=None, max_examples=40, database=None)
@given(st.sampled_from(sorted(RISING)), st.sampled_from(MEETINGS), st.integers(-(2**22), 2**22))
def test_rising_functions_rise(name: str, near: float, offset: int):
    """Every float is tried by `every_float.py`; here are some runs, where pieces meet among them."""
    bits = int(np.float32(abs(near)).view(np.int32))
    first = min(max((bits if near >= 0 else ~bits) + offset, ~LAST), LAST - 2000)
    if name in ("log", "sqrt"):
        first = abs(first)
    assert falls(name, first, first + 2000, *RISING[name]) == 0


def test_what_is_steady():
    ends = {
        where: np.array(where, np.float32).reshape(2, 1) for where in ((1, 2), (-2, -1), (-1, 2))
    }

    def steady(name: str, *parameters: float) -> list[bool]:
        return [bool(np.all(FUNCTIONS[name].steady(x, *parameters))) for x in ends.values()]

    for name, one in FUNCTIONS.items():
        given = RISING.get(name, (1.0,) * len(one.parameters))
        assert (name in RISING or name in FALLING) == any(steady(name, *given)), name
    assert steady("sqrt") == steady("log") == [True, False, False]
    assert steady("abs") == steady("reciprocal") == [True, True, False]
    assert steady("neg") == steady("tanh") == steady("elu", 0.0) == [True, True, True]
    assert steady("elu", -1.0) == steady("selu", -1.0, 1.0) == [False, False, False]


def test_floats_are_counted_in_order():
    near = np.array([-1e-45, -0.0, 0.0, 1e-45], np.float32)
    assert floats(-2, 2).tobytes() == near.tobytes()
    assert floats(~LAST, ~LAST + 1) == -INF and floats(LAST, LAST + 1) == INF


def test_what_falls_is_found():
    assert falls("neg", 100, 110) == 10 and falls("log", -10, -1) == 9
