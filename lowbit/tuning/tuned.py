"""What tuning found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from autotune.events import Best, Layer
from lowbit.bench.limits import Work
from lowbit.program import Program
from lowbit.shown import counted, html_table
from lowbit.tuning.course import Course
from lowbit.tuning.words import duration
from lowbit_dialect.schedule import Schedule

HEAD = ("layer", "us", "default us", "limit us", "of limit", "tried", "schedule")


@dataclass(frozen=True)
class TunedLayer:
    """A layer and the fastest schedule that was found for it."""

    layer: str
    op: str
    count: int
    """How often a call of the program runs it."""
    schedule: Schedule
    time_us: float
    default_us: float
    """Of the schedule that it has without tuning, in the same run."""
    limit_us: float
    """Which nothing on this machine beats; 0 where that is not known."""
    trials: int
    """Candidates that were tried."""

    @property
    def share_of_limit(self) -> float | None:
        """Limit over time; None where there is no limit."""
        return self.limit_us / self.time_us if self.limit_us else None

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row below `HEAD`."""
        share = self.share_of_limit
        return (
            self.layer,
            f"{self.time_us:.2f}",
            f"{self.default_us:.2f}",
            "-" if share is None else f"{self.limit_us:.2f}",
            "-" if share is None else f"{share:.0%}",
            str(self.trials),
            str(self.schedule),
        )


@dataclass(frozen=True)
class Tuned:
    """A program with the schedules that were found, and what is known of each layer."""

    program: Program
    """Fused, each tuned layer with its schedule: compile it as any other."""
    layers: tuple[TunedLayer, ...]
    untuned: tuple[str, ...]
    """Layers of which no candidate could be measured; they keep the default."""
    why: str
    """What ended the run: `trials`, `time`, `space` or `interrupted`."""
    seconds: float
    trials: int
    failed: dict[str, int]
    """How many candidates failed, by kind."""
    program_us: float | None
    """Of a call of the whole program; None if it was not timed."""
    program_default_us: float | None
    """The same without tuning."""
    course: Course = field(repr=False, compare=False)
    """Every candidate, for reports."""
    works: Mapping[str, Work] = field(repr=False, compare=False)
    """What each layer cannot do without."""

    @staticmethod
    def of(program: Program, course: Course, works: Mapping[str, Work]) -> Tuned:
        """What the course of a run comes to; `program` has been given its schedules."""
        found = [one for one in course.layers if one.name in course.best]
        end = course.finished
        return Tuned(
            program=program,
            layers=tuple(_row(one, course.best[one.name], course) for one in found),
            untuned=tuple(one.name for one in course.layers if one.name not in course.best),
            why=course.why,
            seconds=round(course.seconds, 3),
            trials=len(course.tried),
            failed=dict(course.failures),
            program_us=end and end.seconds and round(end.seconds * 1e6, 3),
            program_default_us=end and end.default and round(end.default * 1e6, 3),
            course=course,
            works=works,
        )

    @property
    def time_us(self) -> float:
        """Of all tuned layers, each as often as a call runs it."""
        return sum(one.time_us * one.count for one in self.layers)

    @property
    def default_us(self) -> float:
        """The same without tuning."""
        return sum(one.default_us * one.count for one in self.layers)

    @property
    def limit_us(self) -> float:
        """The same of the limits; 0 where one is not known."""
        known = all(one.limit_us for one in self.layers)
        return sum(one.limit_us * one.count for one in self.layers) if known else 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything but the program and the single candidates."""
        layers = [asdict(one) | {"schedule": str(one.schedule)} for one in self.layers]
        whole = (
            "untuned",
            "why",
            "seconds",
            "trials",
            "failed",
            "program_us",
            "program_default_us",
        )
        return {"layers": layers} | {name: getattr(self, name) for name in whole}

    def __str__(self) -> str:
        rows = [HEAD, *(one.cells for one in self.layers)] if self.layers else []
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            "  ".join(
                cell.rjust(width) if 0 < index < len(HEAD) - 1 else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """The run in a sentence or two."""
        again = ", interrupted before the best were timed again"
        ended = {"interrupted": again, "space": ", the whole space"}.get(self.why, "")
        failed = f", {sum(self.failed.values())} of them failed" if self.failed else ""
        found = ""
        if self.layers:
            now, before = self.time_us / 1e6, self.default_us / 1e6
            times = f", {before / now:.2f} times as fast as the default"
            share = f", {self.limit_us / self.time_us:.0%} of the limit" if self.limit_us else ""
            found = f": {duration(now)}{times}{share}"
        text = (
            f"{counted(len(self.layers), 'layer')} tuned in {self.seconds:.0f} s{ended}, "
            f"{counted(self.trials, 'candidate')}{failed}{found}"
        )
        if self.program_us and self.program_default_us:
            now, before = self.program_us / 1e6, self.program_default_us / 1e6
            text += f"; the program takes {duration(now)}, by default {duration(before)}"
        if self.untuned:
            text += f"; nothing could be measured of {', '.join(self.untuned)}"
        return text

    def __repr__(self) -> str:
        return f"<Tuned {self.program.name}: {self.summary()}>"

    def _repr_html_(self) -> str:
        whole = (self.summary(), *[""] * (len(HEAD) - 1))
        return html_table(HEAD, [*(one.cells for one in self.layers), whole])


def _row(layer: Layer, best: Best, course: Course) -> TunedLayer:
    times = best.seconds, best.default, layer.limit
    time_us, default_us, limit_us = (round(one * 1e6, 3) for one in times)
    return TunedLayer(
        layer.name,
        layer.op,
        layer.count,
        best.schedule,
        time_us,
        default_us,
        limit_us,
        len(course.of(layer.name)),
    )
