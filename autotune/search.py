"""Which schedules of an op are tried next: strategies that propose, and hear what came of each.

    search = Evolution(space, seed=1)
    for schedule, outcome in measurer.measure(search.propose(16)):
        search.observe(schedule, outcome)

A strategy proposes nothing twice, neither what failed nor what it has heard of from a log. It draws from a
seed alone, and outcomes may come in any order: the same seed and outcomes give the same proposals.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from random import Random
from typing import Protocol

from autotune.outcome import Measured, Outcome
from lowbit_dialect.schedule import Schedule


class SearchSpace(Protocol):
    """What search needs of a space: all that it gives is complete, legal and canonical."""

    def refusal(self, schedule: Schedule) -> str | None:
        """Why a schedule is illegal; None if it is not."""
        ...

    def canonical(self, schedule: Schedule) -> Schedule:
        """The one that stands for all which mean the same."""
        ...

    def sample(self, random: Random) -> Schedule:
        """Any schedule."""
        ...

    def mutate(self, schedule: Schedule, random: Random) -> Schedule:
        """A neighbour."""
        ...

    def cross(self, first: Schedule, second: Schedule, random: Random) -> Schedule:
        """A child, each field from one parent."""
        ...

    def __iter__(self) -> Iterator[Schedule]:
        """All schedules, each once."""
        ...


class Strategy(Protocol):
    """Proposes schedules of one op."""

    def propose(self, count: int) -> list[Schedule]:
        """The next ones to try, none proposed or observed before; fewer only if the space has no more."""
        ...

    def observe(self, schedule: Schedule, outcome: Outcome) -> None:
        """Hear what came of a schedule, proposed or not."""
        ...


class RandomSearch:
    """Draw schedules at random, after those of `start` that are legal."""

    _DRAWS = 50
    """In a row that may give nothing new, before the next of the space is taken in its order."""

    def __init__(self, space: SearchSpace, seed: int = 0, start: Iterable[Schedule] = ()):
        self._space = space
        self._random = Random(seed)
        self._known: set[Schedule] = set()
        legal = [space.canonical(s) for s in start if space.refusal(s) is None]
        self._coming = self._new(legal)

    def propose(self, count: int) -> list[Schedule]:
        """The next ones to try, each new."""
        return list(islice(self._coming, count))

    def observe(self, schedule: Schedule, outcome: Outcome) -> None:
        """Hear of a schedule, which then is not new."""
        self._known.add(schedule)

    def _new(self, start: Iterable[Schedule]) -> Iterator[Schedule]:
        """The given, then whatever is drawn, or what the space has next if many draws give nothing new."""
        start, rest = iter(start), iter(self._space)
        while True:
            drawn = (self._draw() for _ in range(self._DRAWS))
            coming = (s for s in chain(start, drawn, rest) if s not in self._known)
            if (schedule := next(coming, None)) is None:
                return
            self._known.add(schedule)
            yield schedule

    def _draw(self) -> Schedule:
        return self._space.sample(self._random)


class ExhaustiveSearch(RandomSearch):
    """Go through the whole space in its order, after the schedules of `start`."""

    _DRAWS = 0


class Evolution(RandomSearch):
    """Cross and mutate the fastest so far, after the schedules of `start` and some drawn at random.

    Parents are the winners of tournaments among the fastest ever measured, so that none of these is lost;
    what failed has no children. The pressure is high because trials are few: on the roofline of 6
    layers in `tests/support/toy_space.py`, tournaments of half the population did best, be that 4, 8 or 16.
    The largest is the default, as it is the least misled by the luck of one measurement. (Chosen on those
    landscapes: `tests/support/search_study.py` takes tables of measurements.) Children of the best of 8 drawn
    stay with a slow kernel too often: with 16 the area over 64 trials is ahead of random draws by 0.039 +-
    0.026, with 8 by -0.003 +- 0.072 (12 and 8 seeds, six layers of uint2 by odd1, times by the model).
    As measured on Zen 3 by `tests/support/measured_study.py` it is 0.760 instead of 0.704, ahead by 0.056 +-
    0.031 (10 seeds); over 32 trials, half of them drawn, by 0.017 +- 0.029, over 160 by 0.069 +- 0.032.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        start: Sequence[Schedule] = (),
        *,
        population: int = 16,
        drawn: int = 16,
        tournament: int = 8,
        mutation: float = 0.5,
        fresh: float = 0.05,
    ):
        """`population` is how many can be parents, `drawn` how many are known before the first child, or
        half as many after a `start`.

        From then on a part of `fresh` is drawn too. Of the children, a part of `mutation` is a parent
        mutated, the others two parents crossed.
        """
        super().__init__(space, seed, start)
        self._size, self._drawn, self._tournament = (
            population,
            drawn // (2 if start else 1),
            tournament,
        )
        self._mutation, self._fresh = mutation, fresh
        self._parents: list[tuple[float, Schedule]] = []
        """The fastest, with their times relative to the reference, in order."""

    def observe(self, schedule: Schedule, outcome: Outcome) -> None:
        """Hear of a schedule, which may become a parent."""
        super().observe(schedule, outcome)
        if isinstance(outcome, Measured):
            insort(self._parents, (outcome.relative, schedule))
            del self._parents[self._size :]

    def _draw(self) -> Schedule:
        random = self._random
        if not self._parents or len(self._known) < self._drawn or random.random() < self._fresh:
            return super()._draw()
        if random.random() < self._mutation:
            return self._space.mutate(self._winner(), random)
        return self._space.cross(self._winner(), self._winner(), random)

    def _winner(self) -> Schedule:
        rivals = (self._random.randrange(len(self._parents)) for _ in range(self._tournament))
        return self._parents[min(rivals)][1]
