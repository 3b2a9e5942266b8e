"""A tuning run that was never made: its events, with every kind of outcome."""

from __future__ import annotations

import lowbit
from autotune.events import Best, Event, Finished, Layer, Started, Tried
from autotune.outcome import Failed, Measured, Outcome
from lowbit.bench.limits import Work
from lowbit.tuning.course import Course
from lowbit.tuning.tuned import Tuned
from lowbit_dialect.schedule import Schedule

LAYERS = (
    Layer("A&1", "conv2d 1x4x4x8 uint2 by 3x3x8x8 odd1", count=2, limit=4e-6),
    Layer("B2", "dense 4x64 uint1 by 64x8 odd1", limit=1e-6),
)
WORKS = {
    "A&1": Work({"binary": 2_000_000, "i8": 1_000_000}, 5_000, 10_000, "L1"),
    "B2": Work({"binary": 300_000}, 5_000, 1_000, "L1"),
}
STARTED = Started(LAYERS, "evolutionary", trials=8, time_budget=60.0, workers=2)


def measured(seconds: float) -> Measured:
    return Measured(seconds, seconds / 100, 1.0)


_TRIED: tuple[tuple[str, str, Outcome, float | None], ...] = (
    ("A&1", "default", measured(10e-6), 9e-6),
    ("B2", "default", measured(2e-6), 2.2e-6),
    ("A&1", "model", measured(8e-6), 7e-6),
    ("A&1", "evolutionary", Failed("timeout", "no answer in <10> s"), 7.5e-6),
    ("B2", "evolutionary", measured(2.5e-6), None),
    ("A&1", "evolutionary", measured(5e-6), 7.5e-6),
)


def tried() -> list[Tried]:
    found: list[Tried] = []
    best: dict[str, float] = {}
    for index, (layer, strategy, outcome, predicted) in enumerate(_TRIED):
        if isinstance(outcome, Measured):
            best[layer] = min(best.get(layer, 1.0), outcome.seconds)
        found.append(
            Tried(
                layer,
                Schedule(pixels=index + 1),
                outcome,
                index + 1,
                0.5 * (index + 1),
                best.get(layer),
                predicted,
                strategy,
            )
        )
    return found


FINISHED = Finished(
    (
        Best("A&1", Schedule(pixels=6), 5.1e-6, 10.2e-6),
        Best("B2", Schedule(pixels=2), 2e-6, 2e-6),
    ),
    "trials",
    15e-6,
    25e-6,
)


def events() -> list[Event]:
    return [STARTED, *tried(), FINISHED]


def tuned(heard: list[Event]) -> Tuned:
    """The result of a run of which so much was heard."""
    course = Course()
    for one in heard:
        course(one)
    return Tuned.of(lowbit.dense((1, 8), (8, 4), "uint1", "odd1"), course, WORKS)
