"""Tensors of fractions beside what f32 may make of them, and how numbers are rounded to codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
EPS = 2.0**-23
HALF = Fraction(1, 2)
fraction = np.frompyfunc(Fraction, 1, 1)
OUTSIDE = -1
"""The place of an element that no operand holds."""


def floats(values: Any) -> Array:
    """Fractions, or one, as f64."""
    return np.asarray(values, float)


@dataclass(frozen=True)
class Exact:
    """A tensor of fractions."""

    values: Array
    slack: Array
    """How far f32 may be from each."""
    tied: Array | None = None
    """Of a quantiser: where f32 may take the other side of a boundary."""

    @staticmethod
    def of(values: Array, slack: Array | float = 0.0, tied: Array | None = None) -> Exact:
        values = np.asarray(values)
        if values.dtype != object:
            values = np.asarray(fraction(values.astype(float)), object)
        return Exact(values, np.broadcast_to(np.asarray(slack, float), values.shape), tied)

    @property
    def size(self) -> Array:
        return floats(np.abs(self.values))

    def ties_at(self, tied: Array | None) -> Exact:
        return Exact(self.values, self.slack, tied)


def rounded(values: Array, slack: Array | float, steps: int = 1) -> Exact:
    """What f32 arithmetic gives after so many roundings of numbers that are as large as the result."""
    values = np.asarray(values, object)
    return Exact.of(values, np.asarray(slack) + steps * EPS * floats(np.abs(values)))


# Rounding to codes


def half_even(v: Fraction) -> int:
    return round(v)


def _away(v: Fraction) -> int:
    return floor(v) if v < 0 else ceil(v)


def _half_away(v: Fraction) -> int:
    return floor(abs(v) + HALF) * (1 if v >= 0 else -1)


def _half_down(v: Fraction) -> int:
    return ceil(abs(v) - HALF) * (1 if v >= 0 else -1)


ROUNDINGS: dict[str, tuple[Callable[[Fraction], int], Fraction]] = {
    "ROUND": (half_even, HALF),
    "HALF_EVEN": (half_even, HALF),
    "CEIL": (ceil, Fraction(0)),
    "FLOOR": (floor, Fraction(0)),
    "UP": (_away, Fraction(0)),
    "DOWN": (int, Fraction(0)),
    "HALF_UP": (_half_away, HALF),
    "HALF_DOWN": (_half_down, HALF),
}
"""How each mode rounds, and where between two integers it changes its mind."""


def near(values: Array, boundary: Fraction, slack: Array) -> Array:
    """Where a value lies within its slack of a whole number plus `boundary`."""
    gap = np.abs([float(v - boundary - round(v - boundary)) for v in values.ravel()])
    return gap.reshape(values.shape) <= slack


def spans(
    size: int, kernel: int, axis: int, attributes: Mapping[str, Any]
) -> tuple[int, int, int, int, int]:
    """Stride, dilation, padding before and after, and positions of one axis of a window."""
    rank = len(attributes.get("strides", ())) or len(attributes.get("pads", ())) // 2 or axis + 1
    stride = list(attributes.get("strides", [1] * rank))[axis]
    dilation = list(attributes.get("dilations", [1] * (axis + 1)))[axis]
    reach = dilation * (kernel - 1) + 1
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if auto.startswith("SAME"):
        total = max(0, (-(-size // stride) - 1) * stride + reach - size)
        before = total // 2 if auto == "SAME_UPPER" else -(-total // 2)
        after = total - before
    else:
        pads = list(attributes.get("pads", [0] * (2 * rank)))
        before, after = pads[axis], pads[axis + len(pads) // 2]
    steps = size + before + after - reach
    if not attributes.get("ceil_mode", 0):
        return stride, dilation, before, after, steps // stride + 1
    count = -(-steps // stride) + 1
    return stride, dilation, before, after, count - ((count - 1) * stride >= size + before)


def windows(sizes: Any, kernel: Any, attributes: Mapping[str, Any]) -> Array:
    """`[positions..., taps...]`: the flat place of each tap in the image, or `OUTSIDE`."""
    rank = len(sizes)
    axes: list[Array] = []
    for axis, (size, taps) in enumerate(zip(sizes, kernel)):
        stride, dilation, before, _, count = spans(size, taps, axis, attributes)
        at = np.arange(count)[:, None] * stride - before + np.arange(taps)[None] * dilation
        axes.append(np.where((at >= 0) & (at < size), at, -(10**9)))
    flat: Array = np.zeros([1] * (2 * rank), int)
    for axis, (size, at) in enumerate(zip(sizes, axes)):
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = at.shape
        flat = flat * size + at.reshape(shape)
        flat = np.where((flat < 0) | (at.reshape(shape) < 0), -(10**12), flat)
    return np.where(flat < 0, OUTSIDE, flat)


def inside_pads(sizes: Any, kernel: Any, attributes: Mapping[str, Any]) -> Array:
    """How many taps of each position lie on the image or its padding."""
    count: Array = np.ones([1] * len(sizes), int)
    for axis, (size, taps) in enumerate(zip(sizes, kernel)):
        stride, dilation, before, after, positions = spans(size, taps, axis, attributes)
        at = np.arange(positions)[:, None] * stride - before + np.arange(taps)[None] * dilation
        shape = [-1 if i == axis else 1 for i in range(len(sizes))]
        count = count * (at < size + after).sum(axis=1).reshape(shape)
    return count
