"""How soon strategies find what is fast, on tables of measurements: measured once, searched many times.

    python tests/support/search_study.py table.json [--trials 200] [--seeds 10]
    python tests/support/search_study.py            # on the made-up machine of `toy_space.py`

A table is `{layer: {"times": {schedule: seconds, or null where it failed}, "model": [schedule, ...]}}`, the
model's first choices in order. The area is the mean over trials of the best of all over the best so far.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from random import Random
from statistics import mean, median, stdev

from toy_space import LAYERS

from autotune.outcome import Failed, Measured, Outcome
from autotune.search import Evolution, RandomSearch, Strategy
from lowbit_dialect.schedule import Schedule

TURN = 8
"""Candidates that are proposed at a time, and first choices of the model that are measured."""
NAMES = [f.name for f in fields(Schedule)]


@dataclass
class Table:
    """A space of what was measured: a neighbour differs in one field."""

    times: Mapping[Schedule, float | None]
    model: Sequence[Schedule] = ()
    _alike: dict[tuple[str, Schedule], list[Schedule]] = field(init=False)
    """The schedules that are one but for a field, which is left open."""

    def __post_init__(self) -> None:
        self._all = list(self.times)
        self._alike = defaultdict(list)
        for schedule in self._all:
            for name in NAMES:
                self._alike[name, opened(schedule, name)].append(schedule)

    def refusal(self, schedule: Schedule) -> str | None:
        return None if schedule in self.times else "it is not in the table"

    def canonical(self, schedule: Schedule) -> Schedule:
        return schedule

    def sample(self, random: Random) -> Schedule:
        return random.choice(self._all)

    def mutate(self, schedule: Schedule, random: Random) -> Schedule:
        for name in random.sample(NAMES, len(NAMES)):
            near = self._alike[name, opened(schedule, name)]
            if len(near) > 1:
                return random.choice([one for one in near if one != schedule])
        return self.sample(random)

    def cross(self, first: Schedule, second: Schedule, random: Random) -> Schedule:
        for _ in range(20):
            taken = {n: getattr(second, n) for n in NAMES if random.random() < 0.5}
            if (child := replace(first, **taken)) in self.times:
                return child
        return self.mutate(first, random)

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self._all)

    def outcome(self, schedule: Schedule) -> Outcome:
        seconds = self.times[schedule]
        return Failed("crash", "it failed") if seconds is None else Measured(seconds, 0.0, seconds)

    @property
    def best(self) -> float:
        return min(seconds for seconds in self.times.values() if seconds is not None)


def opened(schedule: Schedule, name: str) -> Schedule:
    """A schedule with a field at its default, which is open."""
    return replace(schedule, **{name: getattr(Schedule(), name)})


def read(path: Path) -> dict[str, Table]:
    """Tables by layer."""
    return {
        layer: Table(
            {Schedule.parse(text): seconds for text, seconds in told["times"].items()},
            [Schedule.parse(text) for text in told.get("model", ())],
        )
        for layer, told in json.loads(path.read_text()).items()
    }


def toy_tables() -> dict[str, Table]:
    """The whole space of each made-up layer."""

    def seconds(outcome: Outcome) -> float | None:
        return outcome.seconds if isinstance(outcome, Measured) else None

    return {n: Table({s: seconds(toy.outcome(s)) for s in toy}) for n, toy in LAYERS.items()}


def shares(table: Table, strategy: Strategy, trials: int) -> list[float]:
    """After each trial the best of all over the best so far; 0 until one is measured."""
    fastest, found = float("inf"), list[float]()
    while len(found) < trials and (proposed := strategy.propose(min(TURN, trials - len(found)))):
        for schedule in proposed:
            strategy.observe(schedule, outcome := table.outcome(schedule))
            if isinstance(outcome, Measured):
                fastest = min(fastest, outcome.seconds)
            found.append(table.best / fastest)
    return found


def trials_to(table: Table, share: float, seed: int) -> int:
    """Candidates that evolution tries until it reaches a share of the best; all of them if it must."""
    reached = shares(table, Evolution(table, seed), len(table.times))
    return next((n for n, one in enumerate(reached, 1) if one >= share), len(reached))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    tables = read(asked.table) if asked.table else toy_tables()
    ahead: list[list[float]] = []
    for layer, table in tables.items():
        areas = {
            kind: [mean(shares(table, kind(table, n), asked.trials)) for n in range(asked.seeds)]
            for kind in (RandomSearch, Evolution)
        }
        told = [f"{mean(one):.4f} +- {stdev(one):.4f}" for one in areas.values()]
        print(f"{layer:>12}: {len(table.times)} schedules, random {told[0]}, evolution {told[1]}")
        ahead.append([e - r for r, e in zip(*areas.values())])
        if top := [s for one in table.model[:TURN] if (s := table.times.get(one)) is not None]:
            share = table.best / min(top)
            needed = median(trials_to(table, share, seed) for seed in range(asked.seeds))
            print(f"{'':>12}  model's first {TURN}: {share:.3f}; evolution needs {needed} trials")
    each = [mean(seed) for seed in zip(*ahead)]
    print(f"evolution is ahead of random by {mean(each):.4f} +- {stdev(each):.4f} over the seeds")


if __name__ == "__main__":
    main()
