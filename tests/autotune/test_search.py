"""Strategies on a space that is made up: what they propose is legal, new, and the same for the same seed."""

from __future__ import annotations

from itertools import islice
from statistics import mean

import pytest
from toy_space import LAYERS, Toy

from autotune.outcome import Failed, Measured
from autotune.search import Evolution, ExhaustiveSearch, RandomSearch
from lowbit_dialect.schedule import Schedule

TOY = LAYERS["C9"]
STRATEGIES = (RandomSearch, Evolution, ExhaustiveSearch)
Kind = type[RandomSearch]


def course(kind: Kind, toy: Toy, seed: int, trials: int, batch: int = 8) -> list[Schedule]:
    search, tried = kind(toy, seed), list[Schedule]()
    while len(tried) < trials and (proposed := search.propose(min(batch, trials - len(tried)))):
        tried += proposed
        for schedule in proposed:
            search.observe(schedule, toy.outcome(schedule))
    return tried


@pytest.mark.parametrize("kind", STRATEGIES)
def test_proposals_are_legal_canonical_and_new(kind: Kind) -> None:
    tried = course(kind, TOY, 1, 200)
    assert len(set(tried)) == len(tried) == 200
    assert all(TOY.refusal(one) is None and TOY.canonical(one) == one for one in tried)
    assert course(kind, TOY, 1, 200) == tried


@pytest.mark.parametrize("kind", (RandomSearch, Evolution))
def test_another_seed_is_another_course(kind: Kind) -> None:
    assert course(kind, TOY, 1, 50) != course(kind, TOY, 2, 50)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_start_comes_first_and_what_was_heard_of_never(kind: Kind) -> None:
    known, started, *_ = list(islice(TOY, 100, 120))
    illegal = Schedule(algorithm="direct", microkernel="dot", pixels=14, vectors=8, unroll=1)
    search = kind(TOY, 0, [illegal, started])
    search.observe(known, Failed("crash", ""))
    proposed = search.propose(500)
    assert proposed[0] == started and known not in proposed and illegal not in proposed


def test_the_whole_space_is_gone_through() -> None:
    tried = course(ExhaustiveSearch, TOY, 0, 10**6, batch=10**6)
    assert tried == list(TOY)
    assert set(course(RandomSearch, TOY, 0, 10**6, batch=10**6)) == set(tried)


@pytest.mark.parametrize("layer", LAYERS)
def test_evolution_is_ahead_of_chance(layer: str) -> None:
    """By the mean, over a course and seeds, of the best so far."""
    toy = LAYERS[layer]

    def area(kind: Kind, seed: int) -> float:
        best, total = float("inf"), 0.0
        for schedule in course(kind, toy, seed, 120):
            if isinstance(outcome := toy.outcome(schedule), Measured):
                best = min(best, outcome.seconds)
            total += best if best < float("inf") else 0.0
        return total

    evolved, drawn = (mean(area(kind, seed) for seed in range(6)) for kind in STRATEGIES[1::-1])
    assert evolved < drawn
