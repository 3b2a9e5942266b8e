"""Where a search begins: the model's first choices, and what was or is fast for like layers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from random import Random

from autotune.record import Record
from autotune.records import like
from autotune.search import SearchSpace
from lowbit_dialect.schedule import Schedule

FIRST = 8
"""Choices of the model that are measured before anything evolves from them."""
LIKE = 4
"""Like layers whose fastest schedules are tried."""


def recorded(
    space: SearchSpace, records: Iterable[Record], op: str, count: int = LIKE
) -> list[Schedule]:
    """The fastest schedules of the layers that are most like a `described` one, nearest first.

    Those that do not fit this op are dropped.
    """
    found: dict[Schedule, None] = {}
    for record in like(records, op, count):
        with suppress(ValueError):  # no schedule that this version knows
            if (one := fitted(space, Schedule.parse(record.schedule))) is not None:
                found[one] = None
    return list(found)


def fitted(space: SearchSpace, wanted: Schedule) -> Schedule | None:
    """A schedule made to fit: fields that do not are drawn anew; None where its kernel does not."""
    one = space.cross(wanted, wanted, Random(0))
    same = (one.algorithm, one.microkernel) == (wanted.algorithm, wanted.microkernel)
    return one if same else None
