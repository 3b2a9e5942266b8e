"""The best schedules of layers tried inside the program that they are of, where the fastest alone can lose.

There a layer shares caches with its neighbours, and its layout decides what must be converted between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autotune.candidate import Plan
from autotune.measuring import Subject
from autotune.outcome import Measured, Outcome
from lowbit_dialect.schedule import Schedule

SURE = 0.995
"""How much of its time a program must take at most, for a change to be no luck."""

Choice = Mapping[str, Schedule]
"""A schedule for each layer by name."""


@dataclass(frozen=True)
class Whole:
    """A program of several layers."""

    subject: Subject
    default: Plan
    places: Mapping[str, tuple[int, ...]]
    """Which of its ops each layer is."""

    def plan(self, choice: Choice) -> Plan:
        """The default with the schedules of some layers."""
        schedules = list(self.default.schedules)
        for layer, schedule in choice.items():
            for place in self.places[layer]:
                schedules[place] = schedule
        return Plan(tuple(schedules))


@dataclass(frozen=True)
class Settled:
    """What was chosen, and seconds of a call of the program by it, and by default."""

    choice: Choice
    seconds: float
    default: float


def settle(
    whole: Whole,
    choice: Choice,
    rivals: Mapping[str, Sequence[Schedule]],
    measure: Callable[[Sequence[Plan]], Mapping[Plan, Outcome]],
) -> Settled | None:
    """Change a choice, one layer after another, where the program is faster by one of its rivals.

    It begins with the default instead, if the program is faster by that. `measure` gives no outcome of what
    it has no time for; None if that is so of the default.
    """
    plan = whole.plan(choice)
    times = _times(measure(list(dict.fromkeys((whole.default, plan)))))
    if whole.default not in times:
        return None
    if plan not in times or times[plan].relative > times[whole.default].relative:
        choice, plan = {}, whole.default
    best, default = times[plan], times[whole.default].relative
    for layer, schedules in rivals.items():
        variants = {whole.plan({**choice, layer: one}): one for one in schedules}
        variants.pop(plan, None)
        times = _times(measure(list(variants)))
        fastest = min(times, key=lambda one: times[one].relative, default=plan)
        if fastest != plan and times[fastest].relative < SURE * best.relative:
            choice, plan, best = {**choice, layer: variants[fastest]}, fastest, times[fastest]
    return Settled(choice, best.seconds, best.seconds * default / best.relative)


def _times(outcomes: Mapping[Plan, Outcome]) -> dict[Plan, Measured]:
    return {plan: one for plan, one in outcomes.items() if isinstance(one, Measured)}
