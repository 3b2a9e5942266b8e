"""Proof that ops never turn round: their meaning, run on the two ends of what comes in.

    ends = Interval.of(low, high)              # of each channel, the least and the greatest value
    ends = evaluate_elementwise(op, ends)      # op after op; NotMonotone where it cannot be proved

The reference of an op computes on an `Interval` as on any array, at both ends. Between them lie all other
values as long as every NumPy operation on the way keeps or reverses their order, and gives no NaN: each is
known here to do so for the constants and ends at hand, or raises `NotMonotone`. f32 rounds to nearest, which
keeps order, and so does overflow to an infinity; integers that would wrap are refused.

An op joins by its reference alone where that is made of the operations below. A function of other parts
(comparisons, tables, `np.where`) is promised by `@monotone()` above it, or `@monotone(when=...)` if it
depends on its parameters; a promise is argued or tested exhaustively where it is made:

    @monotone(when=lambda x, slope: slope >= 0)
    def leaky_relu(x: Array, slope: Array) -> Array: ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self

import numpy as np
from typing_extensions import override

from lowbit_dialect.layout import Array

P = ParamSpec("P")

_ALWAYS = {np.add, np.subtract, np.fmax, np.fmin, np.maximum, np.minimum}
"""With a constant on either side; NaN, if it comes, comes at an end."""
_ALONE = {np.floor, np.ceil, np.trunc, np.rint, np.negative, np.positive}
_COMPARISONS = {np.greater, np.greater_equal, np.less, np.less_equal}
_INTEGER_ARITHMETIC = {np.add, np.subtract, np.multiply}


class NotMonotone(Exception):
    """An operation may turn round, or give NaN, between the ends."""


class Interval(np.ndarray[Any, np.dtype[Any]]):
    """What lies between the two ends of its first axis, in either order."""

    @classmethod
    def of(cls, low: Array, high: Array) -> Self:
        """The interval of each channel from one array of ends to the other."""
        return np.stack([low, high]).view(cls)

    @property
    def ends(self) -> Array:
        """Both ends, as a plain array."""
        return super().view(np.ndarray)

    def holds_zero(self) -> Array:
        """Where 0 lies between the ends."""
        return (self.ends.min(axis=0) <= 0) & (self.ends.max(axis=0) >= 0)

    @override
    def astype(self, dtype: Any, *_: Any, **__: Any) -> Any:
        """Convert, which keeps order for every value that the type holds."""
        if np.dtype(dtype).kind in "iu":
            held = np.iinfo(dtype)
            _expect((self.ends >= held.min) & (self.ends <= held.max))
        return _interval(self.ends.astype(dtype))

    @override
    def view(self, *_: Any, **__: Any) -> Any:
        """Other bits of the same words have another order."""
        raise NotMonotone

    @override
    def __repr__(self) -> str:
        return f"Interval({self.ends!r})"

    __str__ = __repr__

    @override
    def __getitem__(self, key: Any) -> Any:
        raise NotMonotone

    @override
    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        _expect(func is np.round and len(args) == 1)
        return np.rint(args[0])

    @override
    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **_: Any) -> Any:
        _expect(method == "__call__")
        plain = [one.ends if isinstance(one, Interval) else np.asarray(one) for one in inputs]
        _expect(_keeps_order(ufunc, inputs, plain))
        return _interval(_proved(ufunc, plain))


def monotone(
    when: Callable[..., Array | bool] | None = None,
) -> Callable[[Callable[Concatenate[Array, P], Array]], Callable[Concatenate[Array, P], Array]]:
    """Promise that a function never turns round in its first argument, nor gives NaN but at an end.

    It holds where `when`, of the same arguments, does for every channel.
    """

    def promise(
        function: Callable[Concatenate[Array, P], Array],
    ) -> Callable[Concatenate[Array, P], Array]:
        @wraps(function)
        def call(x: Array, *args: P.args, **kwargs: P.kwargs) -> Array:
            if not isinstance(x, Interval):
                return function(x, *args, **kwargs)
            _expect(when is None or when(x.ends, *args, **kwargs))
            result = function(x.ends, *args, **kwargs)
            _expect(~np.isnan(result))
            return _interval(result)

        return call

    return promise


def _interval(ends: Array) -> Interval:
    return ends.view(Interval)


def _expect(holds: Array | bool) -> None:
    if not np.all(holds):
        raise NotMonotone


def _keeps_order(ufunc: Any, inputs: tuple[Any, ...], plain: list[Array]) -> Array | bool:
    """Whether an operation never turns round between the ends of those inputs that are intervals."""
    if len(inputs) == 1:
        return ufunc in _ALONE
    x, y = inputs
    if isinstance(x, Interval) and isinstance(y, Interval):
        first, second = (np.sign(np.diff(ends.astype(np.float64), axis=0)) for ends in plain)
        return (ufunc is np.add) & (first * second >= 0)
    if ufunc in _ALWAYS or ufunc in _COMPARISONS:
        return True
    if ufunc is np.multiply:
        between, constant = (x, plain[1]) if isinstance(x, Interval) else (y, plain[0])
        return ~(np.isinf(constant) & between.holds_zero())
    if ufunc is np.true_divide and isinstance(x, Interval):
        return ~((plain[1] == 0) & x.holds_zero())
    # ~x descends.
    return ufunc is np.bitwise_xor and np.isin(plain[1], (0, -1))


def _proved(ufunc: Any, plain: list[Array]) -> Array:
    """The result at both ends, where no integer wraps and no NaN comes out."""
    result: Array = ufunc(*plain)
    if result.dtype.kind == "f":
        _expect(~np.isnan(result))
    elif ufunc in _INTEGER_ARITHMETIC:
        _expect(ufunc(*(one.astype(object) for one in plain)) == result)
    return result
