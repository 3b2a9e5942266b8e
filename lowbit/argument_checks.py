"""What callers give, checked for its kind: whole numbers of Python or NumPy, values of a class."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from operator import index
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

T = TypeVar("T")


def instance(name: str, value: T, *kinds: type[Any]) -> T:
    """Return `value`; raises ValueError unless it is of one of `kinds`."""
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name} is {value!r:.60}: expected {expected}")
    return value


def integer(name: str, value: SupportsIndex) -> int:
    """`value` as an int; raises ValueError for a fraction, text or anything else."""
    try:
        return index(value)
    except TypeError:
        raise ValueError(f"{name} is a whole number, not {value!r}") from None


def integers(name: str, values: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """`values` as ints; raises ValueError unless they are a list of whole numbers."""
    try:
        return tuple(map(index, values))
    except TypeError:
        raise ValueError(f"{name} is a list of whole numbers, not {values!r}") from None


def repeated(
    name: str, value: SupportsIndex | Iterable[SupportsIndex], count: int
) -> tuple[int, ...]:
    """`count` times one number, or the `count` numbers given."""
    try:
        return (index(value),) * count  # pyright: ignore[reportArgumentType]
    except TypeError:
        numbers = integers(name, value)  # pyright: ignore[reportArgumentType]
    if len(numbers) != count:
        raise ValueError(f"{name} has {count} numbers, not {numbers}")
    return numbers


def real(name: str, value: SupportsFloat) -> float:
    """`value` as a float, or the int that it is; raises ValueError unless f32 can hold such a number."""
    try:
        struct.pack("<f", value)
        return value if isinstance(value, int) else float(value)
    except (struct.error, OverflowError):
        raise ValueError(f"{name} is a number that f32 can hold, not {value!r}") from None
