"""Tuning, which is not available yet."""

from __future__ import annotations

from typing import NoReturn

from lowbit.program import Program


def tune(
    program: Program, target: str = "host", trials: int = 64, strategy: str = "evolutionary"
) -> NoReturn:
    """Search for schedules; raises ValueError, as this is not available yet."""
    raise ValueError(
        "lowbit.tune is not available yet: compile with schedule='default' or a Schedule"
    )
