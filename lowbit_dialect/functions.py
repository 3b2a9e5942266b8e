"""The functions of `lowbit.apply`, each a fixed sequence of f32 operations.

No library is called and nothing is fused or reordered, so that NumPy and the code of every target give the
same bits. Errors are in ulps against f64, as the tests sample them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import TypeVar

import numpy as np

from lowbit_dialect.lanes import Lanes
from lowbit_dialect.layout import Array

L = TypeVar("L", bound=Lanes)

SIGN = -(2**31)
SIZE = 2**31 - 1
"""Bits of f32 without the sign; as integers they are ordered as the sizes of the numbers."""
INFINITY, SMALLEST_NORMAL, SQRT_HALF = 0x7F800000, 0x00800000, 0x3F3504F3
ROUNDER = 1.5 * 2**23
"""Added to a number below 2^22, it leaves its integer in the lowest bits."""
WHOLE = 2.0**23
"""Every f32 from here on is an integer."""
LOG2_E = 1.44269504
SQRT_HALF_REAL, SQRT_2_OVER_PI = 0.70710678, 0.79788456
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2; the high part has 9 bits, so that products with exponents are exact."""
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
ERF_NEAR = (
    -5.96761703e-4,
    4.99119423e-3,
    -2.67681349e-2,
    1.12819925e-1,
    -3.76125336e-1,
    1.28379166e-1,
)
ERF_FAR = (
    -1.72853470e-5,
    3.83197126e-4,
    -3.88396438e-3,
    2.42546219e-2,
    -1.06777877e-1,
    -6.34846687e-1,
    -1.28717512e-1,
)
LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)


def polynomial(x: L, coefficients: tuple[float, ...]) -> L:
    """Horner's rule, the highest power first."""
    total = x.constant(coefficients[0])
    for one in coefficients[1:]:
        total = total * x + one
    return total


def absolute(x: L) -> L:
    """`|x|`."""
    return (x.bits() & SIZE).real()


def negative(x: L) -> L:
    """`-x`, by its sign alone."""
    return (x.bits() ^ SIGN).real()


def signed(size: L, x: L) -> L:
    """A positive number with the sign of `x`."""
    return (size.bits() | (x.bits() & SIGN)).real()


def larger(x: L, limit: float) -> L:
    """Where `|x|` exceeds a positive number; a NaN does."""
    return (x.bits() & SIZE).above(x.constant(limit).bits())


def below_zero(x: L) -> L:
    """Where the sign is set."""
    return x.bits() >> 31


def or_nan(x: L, y: L) -> L:
    """`y`, but where `x` is NaN, NaN."""
    return (x.bits() & SIZE).above(INFINITY).where(x, y)


def sign(x: L) -> L:
    """-1, 1, or `x` where it is a zero or NaN."""
    some = (x.bits() & SIZE).above(0)
    return or_nan(x, some.where(signed(x.constant(1.0), x), x))


def split_power(x: L, low: float, high: float) -> tuple[L, L]:
    """`n` and `t` for which `e^x = 2^n (1 + t)`, `|t| < 0.42`, for `x` clamped to `[low, high]`."""
    bound = below_zero(x).where(x.constant(low), x.constant(high))
    far = (x.bits() & SIZE).above(bound.bits() & SIZE)
    x = far.where(bound, x)
    shifted = x * LOG2_E + ROUNDER
    n = shifted - ROUNDER
    rest = x - n * LN2_HIGH - n * LN2_LOW
    t = polynomial(rest, EXP) * (rest * rest) + rest
    return shifted.bits() - x.constant(ROUNDER).bits(), t


def power_of_two(n: L) -> L:
    """2^n as f32, for n in -126..127."""
    return ((n + 127) << 23).real()


def exponential(x: L) -> L:
    """`e^x` within 1 ulp, denormals included."""
    n, t = split_power(x, -104.0, 89.0)
    # In two steps, since 2^n may be no f32 though the product is one.
    half = n >> 1
    return or_nan(x, (t + 1.0) * power_of_two(half) * power_of_two(n - half))


def exponential_less_one(x: L) -> L:
    """`e^x - 1` within 2 ulps for x up to 88."""
    n, t = split_power(x, -18.0, 88.0)
    power = power_of_two(n)
    return or_nan(x, power * t + (power - 1.0))


def sigmoid(x: L) -> L:
    """`1 / (1 + e^-x)` within 3 ulps; 0 below -88.8, where f32 has denormals only."""
    return x.constant(1.0) / (exponential(negative(x)) + 1.0)


def tanh(x: L) -> L:
    """Hyperbolic tangent within 2 ulps."""
    size, square = absolute(x), x * x
    near = polynomial(square, TANH) * square * size + size
    far = x.constant(1.0) - x.constant(2.0) / (exponential(size + size) + 1.0)
    return signed(larger(x, 0.625).where(far, near), x)


def erf(x: L) -> L:
    """The error function within 2 ulps; polynomials by N. Juffa (https://stackoverflow.com/a/35148199)."""
    size, square = absolute(x), x * x
    near = polynomial(square, ERF_NEAR) * size + size
    far = x.constant(1.0) - exponential(polynomial(size, ERF_FAR) * size - size)
    return signed(larger(x, 0.927734375).where(far, near), x)


def logarithm(x: L) -> L:
    """Natural logarithm within 1 ulp, denormals included."""
    given = x.bits()
    small = given.constant(SMALLEST_NORMAL).above(given)
    bits = small.where(x * 2.0**23, x).bits()
    exponent = (bits - SQRT_HALF) >> 23
    part = (bits - (exponent << 23)).real() - 1.0
    n = (x.constant(ROUNDER).bits() + exponent - (small & 23)).real() - ROUNDER
    square = part * part
    low = polynomial(part, LOG) * square * part + n * LN2_LOW - square * 0.5
    value = given.above(INFINITY - 1).where(x, part + low + n * LN2_HIGH)
    value = below_zero(x).where(x.constant(nan), value)
    return or_nan(x, (given & SIZE).above(0).where(value, x.constant(-inf)))


def softplus(x: L) -> L:
    """`log(1 + e^x)` within 3 ulps."""
    power = exponential((x.bits() | SIGN).real())
    total = power + 1.0
    # What the sum loses comes back by the slope of the logarithm there.
    rest = logarithm(total) + (power - (total - 1.0)) / total
    return below_zero(x).where(rest, x + rest)


def reciprocal(x: L) -> L:
    """`1 / x`."""
    return x.constant(1.0) / x


def root(x: L) -> L:
    """The square root, rightly rounded."""
    return x.sqrt()


def nearest(x: L) -> L:
    """The nearest integer, of two the even one."""
    size = absolute(x)
    return larger(x, WHOLE).where(x, signed(size + WHOLE - WHOLE, x))


def floor(x: L) -> L:
    """The greatest integer that is not above."""
    whole = nearest(x)
    return below_zero(x - whole).where(whole - 1.0, whole)


def ceiling(x: L) -> L:
    """The smallest integer that is not below."""
    return negative(floor(negative(x)))


def prelu(x: L, slope: L) -> L:
    """`x`, below 0 `x slope`."""
    return below_zero(x).where(x * slope, x)


def elu(x: L, alpha: float) -> L:
    """`x`, below 0 `alpha (e^x - 1)`."""
    return below_zero(x).where(exponential_less_one(x) * alpha, x)


def selu(x: L, alpha: float, beta: float) -> L:
    """`beta elu(x)`."""
    return elu(x, alpha) * beta


def hard_sigmoid(x: L, alpha: float, beta: float) -> L:
    """`alpha x + beta`, clamped to 0..1."""
    line = x * alpha + beta
    low = larger(line, 1.0).where(signed(x.constant(1.0), line), line)
    return or_nan(line, below_zero(low).where(x.constant(0.0), low))


def hard_swish(x: L) -> L:
    """`x hard_sigmoid(x)`."""
    return x * hard_sigmoid(x, 1 / 6, 0.5)


def swish(x: L, alpha: float) -> L:
    """`x sigmoid(alpha x)`."""
    return x * sigmoid(x * alpha)


def mish(x: L) -> L:
    """`x tanh(softplus(x))`."""
    return x * tanh(softplus(x))


def gelu(x: L) -> L:
    """`x / 2 (1 + erf(x / sqrt 2))`."""
    return x * 0.5 * (erf(x * SQRT_HALF_REAL) + 1.0)


def gelu_tanh(x: L) -> L:
    """`x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`."""
    inner = (x * x * x * 0.044715 + x) * SQRT_2_OVER_PI
    return x * 0.5 * (tanh(inner) + 1.0)


def everywhere(ends: Array, *parameters: float) -> bool:
    """Never."""
    return True


def nowhere(ends: Array, *parameters: float) -> bool:
    """Somewhere, for all that is known."""
    return False


def above_zero(ends: Array) -> Array:
    """Below 0, where it is NaN."""
    return np.all(ends >= 0, axis=0)


def on_one_side(ends: Array) -> Array:
    """At 0."""
    return np.all(ends > 0, axis=0) | np.all(ends < 0, axis=0)


def with_rising_exponential(ends: Array, alpha: float, *others: float) -> bool:
    """At 0, where a negative factor makes the exponential fall."""
    return alpha >= 0


@dataclass(frozen=True)
class Function:
    """A formula, the names of its parameters, and where it turns round."""

    formula: Callable[..., Lanes]
    parameters: tuple[str, ...] = ()
    steady: Callable[..., Array | bool] = nowhere
    """Whether it only rises or only falls, as computed, between two ends given as an array and with those
    parameters. Shown by trying every float (`tests/support/every_float.py`) or by the operations, each of
    which keeps or reverses order, rounding included."""


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(absolute, steady=on_one_side),
    "ceil": Function(ceiling, steady=everywhere),
    "elu": Function(elu, ("alpha",), with_rising_exponential),
    "erf": Function(erf),
    "exp": Function(exponential, steady=everywhere),
    "floor": Function(floor, steady=everywhere),
    "gelu": Function(gelu),
    "gelu_tanh": Function(gelu_tanh),
    "hard_sigmoid": Function(hard_sigmoid, ("alpha", "beta"), everywhere),
    "hard_swish": Function(hard_swish),
    "log": Function(logarithm, steady=above_zero),
    "mish": Function(mish),
    "neg": Function(negative, steady=everywhere),
    "reciprocal": Function(reciprocal, steady=on_one_side),
    "round": Function(nearest, steady=everywhere),
    "selu": Function(selu, ("alpha", "beta"), with_rising_exponential),
    "sigmoid": Function(sigmoid, steady=everywhere),
    "sign": Function(sign, steady=everywhere),
    "softplus": Function(softplus),
    "sqrt": Function(root, steady=above_zero),
    "swish": Function(swish, ("alpha",)),
    "tanh": Function(tanh, steady=everywhere),
}
