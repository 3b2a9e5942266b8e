"""Where a search begins: the model's first choices, and what was fast for like layers."""

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

    Fields that do not fit this op are drawn anew; a schedule whose kernel does not is dropped.
    """
    found: dict[Schedule, None] = {}
    for record in like(records, op, count):
        with suppress(ValueError):  # no schedule that this version knows
            wanted = Schedule.parse(record.schedule)
            fitted = space.cross(wanted, wanted, Random(0))
            if (fitted.algorithm, fitted.microkernel) == (wanted.algorithm, wanted.microkernel):
                found[fitted] = None
    return list(found)
