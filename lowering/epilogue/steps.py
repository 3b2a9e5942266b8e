"""How the code at the end of a chain steps over the accumulators before it.

The chain is evaluated by its reference. Where it is monotone over the range of the accumulators, rounding
included, a bisection for each channel and step finds the accumulator at which the code changes, so that
ties come out as the source has them. Monotone is what is proved to be (`lowbit_dialect.monotone`) or, over
a small range, seen to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array
from lowbit_dialect.monotone import Interval, NotMonotone
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.reference import evaluate_elementwise

MOST_SEEN = 1 << 20
"""Accumulators of all channels together whose codes are looked at one by one."""

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Steps:
    """Of accumulators `bottom..top` of each channel, `x ^ flip` reaches step `k` from `first[k - 1]` on.

    `flip` is -1 where the code descends and 0 elsewhere; `bottom` and `top` are flipped as well. A step that
    all reach begins at `bottom`, one that none reaches behind `top`.
    """

    first: Array
    """`[steps, C]`"""
    flip: Array
    bottom: Array
    top: Array

    @property
    def gaps(self) -> tuple[Array, Array]:
        """The last accumulator below each step and the first on it, infinite where there is none."""
        below = np.where(self.first == self.bottom, -np.inf, self.first - 1.0)
        return below, np.where(self.first > self.top, np.inf, self.first)

    @property
    def thresholds(self) -> Array | None:
        """Rows of i32 that do not depend on the range where they need not, `[C, steps]`."""
        every, none = self.first == self.bottom, self.first > self.top
        if np.any(none & (self.top == INT32.max)):
            return None
        return np.where(every, INT32.min, np.where(none, INT32.max, self.first)).T

    @property
    def sides(self) -> Array:
        """Accumulators on both sides of every step, and both ends, not flipped: `[..., C]`."""
        near = np.concatenate([self.first - 1, self.first, [self.bottom, self.top]])
        return np.clip(near, self.bottom, self.top) ^ self.flip

    def counts(self, accumulators: Array) -> Array:
        """How many steps each accumulator reaches: later ones begin no earlier."""
        flipped = accumulators ^ self.flip
        counted = np.empty(flipped.shape, np.int64)
        for channel in range(flipped.shape[-1]):
            first: Array = self.first[:, channel]
            counted[..., channel] = np.searchsorted(first, flipped[..., channel], side="right")
        return counted


def steps_of(chain: Sequence[ElementwiseOp], bounds: tuple[Array, Array]) -> Steps | None:
    """The steps of a chain from i32 to codes whose tables are constants; None if it is not monotone.

    `bounds` are the smallest and largest accumulator of each channel.
    """
    code = chain[-1].output_element
    assert isinstance(code, CodeType)
    low, high = (np.clip(bound.astype(np.int64), INT32.min, INT32.max) for bound in bounds)

    def counts(accumulators: Array) -> Array:
        value: Array = accumulators.astype(np.int32)
        for op in chain:
            value = evaluate_elementwise(op, value)
        return (value.astype(np.int64) - code.minimum) // code.scale

    if not _proved_monotone(chain, low, high) and not _seen_monotone(counts, low, high):
        return None
    descending = counts(low) > counts(high)
    flip = np.where(descending, -1, 0)
    # ~x ascends where x descends; the bounds swap with it.
    bottom, top = np.where(descending, ~high, low), np.where(descending, ~low, high)
    return Steps(_first(lambda x: counts(x ^ flip), code.steps, bottom, top), flip, bottom, top)


def _proved_monotone(chain: Sequence[ElementwiseOp], low: Array, high: Array) -> bool:
    """Whether no op of a chain turns round between two accumulators of each channel."""
    ends: Array = Interval.of(low.astype(np.int32), high.astype(np.int32))
    try:
        for op in chain:
            ends = evaluate_elementwise(op, ends)
    except NotMonotone:
        return False
    return True


def _seen_monotone(counts: Callable[[Array], Array], low: Array, high: Array) -> bool:
    """Whether the codes of all accumulators of each channel, if they are few, never turn round."""
    reach = int((high - low).max()) + 1
    if reach * low.size > MOST_SEEN:
        return False
    change = np.diff(counts(np.minimum(low + np.arange(reach)[:, None], high)), axis=0)
    return bool(np.all((change >= 0).all(axis=0) | (change <= 0).all(axis=0)))


def _first(counts: Callable[[Array], Array], steps: int, bottom: Array, top: Array) -> Array:
    """For each step and channel the least accumulator in `bottom..top` whose count reaches it."""
    wanted = np.arange(1, steps + 1)[:, None]
    low, high = (np.repeat(end[None], steps, axis=0) for end in (bottom, top + 1))
    while np.any(low < high):
        # Where `low` is `high` already, the middle is both, and either way nothing changes.
        middle = (low + high) // 2
        reached = (counts(np.minimum(middle, top)) >= wanted) | (middle > top)
        high, low = np.where(reached, middle, high), np.where(reached, low, middle + 1)
        low = np.minimum(low, high)
    return low
