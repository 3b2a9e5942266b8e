"""A tuning run as it goes, in one line on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from lowbit.tuning.course import Course
from lowbit.tuning.words import clock, duration

FRESH = 4
"""Times a second that the line is drawn."""


def told(course: Course) -> str:
    """What there is to say of a run so far."""
    if course.started is None:
        return "getting ready"
    parts = [
        f"{len(course.tried)}{f'/{trials}' if (trials := course.started.trials) else ''} tried"
    ]
    if failed := course.failures.total():
        parts.append(f"{failed} failed")
    if rate := course.rate():
        parts.append(f"{rate:.1f} a second")
    if (total := course.total()) is not None:
        share = f", {course.limit / total:.0%} of the limit" if course.limit else ""
        parts.append(f"best {duration(total)}{share}")
    if (left := course.left()) is not None:
        parts.append(f"{clock(left)} left")
    return ", ".join(parts)


@contextmanager
def shown(course: Course) -> Generator[None]:
    """Keep a line on stderr, if that is a terminal, that says how far a run is."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    def line() -> Table:
        grid = Table.grid(padding=(0, 1))
        layer = course.tried[-1].layer if course.tried else ""
        grid.add_row("tuning", layer, ProgressBar(1.0, course.done(), width=24), told(course))
        return grid

    with Live(
        get_renderable=line,
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=FRESH,
        redirect_stdout=False,
    ):
        yield
