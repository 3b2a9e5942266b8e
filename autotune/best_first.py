"""The least of many things whose values take time to find, by bounds that take less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Closed(Generic[T]):
    """What a bound is known of: opened, it is things with their values, or with bounds and closed again."""

    open: Callable[[], Iterable[tuple[float, T | Closed[T]]]]


def best_first(things: Iterable[tuple[float, T | Closed[T]]]) -> Iterator[tuple[float, T]]:
    """Things with their values, the least first and equal ones in order; what is closed is opened when its
    bound is the least that is left."""
    waiting: list[tuple[float, tuple[int, ...], T | Closed[T]]] = [
        (value, (place,), one) for place, (value, one) in enumerate(things)
    ]
    heapify(waiting)
    while waiting:
        value, places, one = heappop(waiting)
        if not isinstance(one, Closed):
            yield value, one
            continue
        for place, (value, inside) in enumerate(one.open()):  # pyright: ignore[reportUnknownArgumentType]
            heappush(waiting, (value, (*places, place), inside))
