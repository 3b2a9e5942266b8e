"""What a tuner tells while it works: one `Started`, a `Tried` for each candidate, one `Finished`.

It is told on the tuner's own thread, in this order; whoever listens returns at once and raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotune.outcome import Outcome
from lowbit_dialect.schedule import Schedule


@dataclass(frozen=True)
class Layer:
    """What is tuned once, however often a program has it."""

    name: str
    op: str
    """For a person: `conv2d 1x56x56x64 uint2 by 3x3x64x64 odd1`."""
    count: int = 1
    """How often a call of the program runs it."""
    limit: float = 0.0
    """Seconds that nothing on this machine beats; 0 where that is not known."""


@dataclass(frozen=True)
class Started:
    """The work begins."""

    layers: tuple[Layer, ...]
    strategy: str
    trials: int | None
    """Candidates at most, of all layers together; None if only the time is limited."""
    time_budget: float | None
    """Seconds at most."""
    workers: int
    resumed: int = 0
    """Candidates that a log already held, which are not tried again."""
    machine: str = ""
    """The identity of what measures."""


@dataclass(frozen=True)
class Tried:
    """One candidate, measured or failed."""

    layer: str
    schedule: Schedule
    outcome: Outcome
    trial: int
    """Of the run, from 1."""
    seconds: float
    """Since the work began."""
    best: float | None
    """Seconds of the fastest candidate of the layer so far; None if each failed."""
    predicted: float | None
    """Seconds that the model gave it."""
    strategy: str
    """Who proposed it: `default`, `model`, `evolutionary`, `records`, ..."""


@dataclass(frozen=True)
class Best:
    """The winner of a layer, and what it is measured against."""

    layer: str
    schedule: Schedule
    seconds: float
    default: float
    """Seconds of the schedule that it replaces, in the same run."""


@dataclass(frozen=True)
class Finished:
    """The work ends; a layer of which nothing could be measured is not among the winners."""

    best: tuple[Best, ...]
    why: Literal["trials", "time", "space", "interrupted"]
    """What ended it: a limit, the whole space having been tried, or the user."""
    seconds: float | None = None
    """Of a call of the whole program with the winners; None if it was not timed."""
    default: float | None = None
    """The same with the schedules that they replace, in the same run."""


Event = Started | Tried | Finished
