"""f32 and i32 numbers side by side, as `functions.py` computes with them: a NumPy array, or a vector in code.

Each operation rounds once, as IEEE 754 says, and is the same wherever it runs. There are no comparisons of
floats: those of their bits say the same, and every target has them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from lowbit_dialect.layout import Array


class Lanes(ABC):
    """What formulas may do with numbers; a Python number beside them stands for itself in every lane."""

    @abstractmethod
    def constant(self, value: float) -> Self:
        """A number in every lane, of the type of these."""

    @abstractmethod
    def binary(self, name: str, other: Self) -> Self:
        """`add`, `sub`, `mul`, `div` of one type; `and`, `or`, `xor`, `shl`, `ashr` of i32."""

    @abstractmethod
    def sqrt(self) -> Self:
        """The square root of f32."""

    @abstractmethod
    def bits(self) -> Self:
        """f32 as i32 of the same bits."""

    @abstractmethod
    def real(self) -> Self:
        """i32 as f32 of the same bits."""

    @abstractmethod
    def above(self, other: Self | int) -> Self:
        """All ones where these i32 are greater, else zero."""

    def _with(self, name: str, other: Self | float) -> Self:
        return self.binary(name, other if isinstance(other, Lanes) else self.constant(other))

    def __add__(self, other: Self | float) -> Self:
        return self._with("add", other)

    def __sub__(self, other: Self | float) -> Self:
        return self._with("sub", other)

    def __mul__(self, other: Self | float) -> Self:
        return self._with("mul", other)

    def __truediv__(self, other: Self | float) -> Self:
        return self._with("div", other)

    def __and__(self, other: Self | int) -> Self:
        return self._with("and", other)

    def __or__(self, other: Self | int) -> Self:
        return self._with("or", other)

    def __xor__(self, other: Self | int) -> Self:
        return self._with("xor", other)

    def __lshift__(self, other: Self | int) -> Self:
        return self._with("shl", other)

    def __rshift__(self, other: Self | int) -> Self:
        return self._with("ashr", other)

    def where(self, yes: Self, no: Self) -> Self:
        """f32 of `yes` where these i32 are all ones, of `no` where they are zero."""
        other = no.bits()
        return ((self & (yes.bits() ^ other)) ^ other).real()


class ArrayLanes(Lanes):
    """A NumPy array of f32 or i32."""

    def __init__(self, array: Array):
        self.array = array

    def constant(self, value: float) -> ArrayLanes:
        """A number, of the type of the array."""
        return ArrayLanes(np.asarray(value, self.array.dtype))

    def binary(self, name: str, other: Lanes) -> ArrayLanes:
        """One operation, rounded to the type of the array."""
        assert isinstance(other, ArrayLanes)
        return ArrayLanes(np.asarray(UFUNCS[name](self.array, other.array)))

    def sqrt(self) -> ArrayLanes:
        """The square root."""
        return ArrayLanes(np.asarray(np.sqrt(self.array)))

    def bits(self) -> ArrayLanes:
        """The bits as i32."""
        return ArrayLanes(self.array.view(np.int32))

    def real(self) -> ArrayLanes:
        """The bits as f32."""
        return ArrayLanes(self.array.view(np.float32))

    def above(self, other: Lanes | int) -> ArrayLanes:
        """-1 where greater, else 0."""
        limit = other.array if isinstance(other, ArrayLanes) else other
        return ArrayLanes(-np.asarray(self.array > limit, np.int32))


UFUNCS: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "ashr": np.right_shift,
}
