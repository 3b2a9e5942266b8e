"""Choices of bits of which no other loses less in less time: exact, but for losses rounded to a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GRID = 4096
"""Steps of losses, up to the largest that is of interest: with as many choices a step is never crowded."""


@dataclass(frozen=True)
class Point:
    """Bits for some quantisers."""

    loss: int
    """Predicted, in steps of a grid, rounded up."""
    seconds: float
    bits: tuple[tuple[int, int], ...] = ()
    """Quantisers by their places, and the bits of each."""

    def __add__(self, other: Point) -> Point:
        return Point(
            self.loss + other.loss, self.seconds + other.seconds, (*self.bits, *other.bits)
        )


def front(points: Iterable[Point], most: int = GRID) -> list[Point]:
    """Those of which no other loses less in less time, from the least loss on."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda one: (one.loss, one.seconds)):
        if point.loss <= most and (not kept or point.seconds < kept[-1].seconds):
            kept.append(point)
    return kept


def both(some: Iterable[Point], others: Iterable[Point]) -> list[Point]:
    """All choices for both."""
    others = list(others)
    return front(one + other for one in some for other in others)


@dataclass(frozen=True)
class Reader:
    """A layer: what reads an activation."""

    weights: int
    """The place of the quantiser of its weights; -1 if they stay as they are."""
    seconds: Mapping[tuple[int, int], float]
    """By the bits of its activation and of its weights; -1 stands for those that stay."""


def choices(
    activation: int,
    bits: Iterable[int],
    readers: Iterable[Reader],
    losses: Mapping[tuple[int, int], int],
) -> list[Point]:
    """Bits for an activation and for the weights of its readers, by the losses of each quantiser at each."""
    found: list[Point] = []
    for count in bits:
        mine = ((activation, count),) if activation >= 0 else ()
        points = [Point(losses.get((activation, count), 0), 0.0, mine)]
        for reader in readers:
            offered = [
                Point(
                    losses.get((reader.weights, w), 0),
                    seconds,
                    ((reader.weights, w),) if w > 0 else (),
                )
                for (a, w), seconds in reader.seconds.items()
                if a == count
            ]
            points = both(points, offered)
        found += points
    return front(found)
