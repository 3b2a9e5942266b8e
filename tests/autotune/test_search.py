"""Strategies on a made-up machine: what they propose, how often, and that they find something."""

from itertools import islice
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_space import LAYERS, Toy

from autotune.outcome import Failed, Measured
from autotune.search import Evolution, ExhaustiveSearch, RandomSearch, Strategy
from lowbit_dialect.schedule import Schedule

STRATEGIES = (RandomSearch, ExhaustiveSearch, Evolution)
SMALL = Toy(kernel=1, planes=1, words=1)
"""The whole of which is soon gone through."""


def searched(strategy: Strategy, toy: Toy, batches: list[int], order: int = 0) -> list[Schedule]:
    """All that a strategy proposes; the outcomes of a batch come in an order of their own."""
    proposed: list[Schedule] = []
    for count in batches:
        found = strategy.propose(count)
        proposed += found
        for schedule in Random(order).sample(found, len(found)):
            strategy.observe(schedule, toy.outcome(schedule))
    return proposed


batch_sizes = st.lists(st.integers(0, 20), max_size=8)
toys = st.sampled_from((*LAYERS.values(), SMALL))
makers = st.sampled_from(STRATEGIES)


@given(makers, toys, batch_sizes, st.integers(0, 5))
def test_everything_proposed_is_new_legal_and_canonical(make, toy, batches, seed):
    start = [toy.sample(Random(seed)) for _ in range(3)]
    proposed = searched(make(toy, seed, start), toy, batches)
    left = sum(1 for _ in toy) if toy == SMALL else sum(batches)
    assert len(proposed) == len(set(proposed)) == min(sum(batches), left)
    for schedule in proposed:
        assert toy.refusal(schedule) is None
        assert toy.canonical(schedule) == schedule


@given(makers, toys, batch_sizes, st.integers(0, 5), st.integers(0, 5))
def test_a_seed_gives_the_same_proposals_in_whatever_order_outcomes_come(
    make, toy, batches, seed, order
):
    again = searched(make(toy, seed), toy, batches, order)
    assert again == searched(make(toy, seed), toy, batches)


@pytest.mark.parametrize("make", (RandomSearch, Evolution))
def test_another_seed_gives_others(make):
    first, second = (make(SMALL, seed).propose(8) for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("make", STRATEGIES)
def test_the_end_of_the_space_is_found(make):
    whole = set(SMALL)
    strategy = make(SMALL, 0)
    proposed = searched(strategy, SMALL, [200] * (len(whole) // 200 + 1))
    assert len(proposed) == len(whole)
    assert set(proposed) == whole
    assert strategy.propose(1) == []


@given(makers, st.integers(0, 5))
def test_what_a_log_knows_is_not_proposed(make, seed):
    known = list(islice(SMALL, 100))
    strategy = make(SMALL, seed)
    for schedule in known:
        strategy.observe(schedule, SMALL.outcome(schedule))
    assert not set(strategy.propose(200)) & set(known)


@given(makers, st.integers(0, 5))
def test_the_given_come_first_in_order_if_they_are_legal(make, seed):
    toy, random = LAYERS["C9"], Random(seed)
    start = list(dict.fromkeys(toy.sample(random) for _ in range(5)))
    illegal = Schedule(pixels=14, vectors=8)
    assert toy.refusal(illegal) is not None
    written = Schedule(
        "direct", "dot", pixels=2, vectors=2, unroll=1, taps="none", planes="inner", prefetch=1
    )
    given_ = [*start[:2], illegal, written, *start[2:], start[0]]
    expected = list(dict.fromkeys([*start[:2], toy.canonical(written), *start[2:]]))
    assert make(toy, seed, given_).propose(len(expected)) == expected


def test_what_failed_has_no_children():
    toy = LAYERS["C9"]
    strategy = Evolution(toy, drawn=0, fresh=0, mutation=0, tournament=1)
    random = Random(0)
    good = [toy.sample(random) for _ in range(2)]
    for schedule in good:
        strategy.observe(schedule, Measured(1.0, 0.0, 1.0))
    bad = toy.sample(random)
    strategy.observe(bad, Failed("crash", "it died"))
    fields = ("microkernel", "pixels", "vectors", "prefetch")
    for child in strategy.propose(4):
        for name in fields:
            assert getattr(child, name) in {getattr(parent, name) for parent in good}


def best_so_far(strategy: Strategy, toy: Toy, trials: int) -> list[float]:
    """After each trial the seconds of the fastest."""
    best, curve = float("inf"), list[float]()
    for _ in range(trials // 8):
        for schedule in strategy.propose(8):
            outcome = toy.outcome(schedule)
            strategy.observe(schedule, outcome)
            if isinstance(outcome, Measured):
                best = min(best, outcome.seconds)
            curve.append(best)
    return curve


def test_evolution_beats_random():
    def area(make: type[RandomSearch], toy: Toy) -> float:
        curves = [best_so_far(make(toy, seed), toy, 96) for seed in range(3)]
        return mean(mean(curve[8:]) for curve in curves)

    for toy in LAYERS.values():
        assert area(Evolution, toy) < area(RandomSearch, toy)


def test_evolution_from_good_schedules_begins_there():
    toy = LAYERS["C9"]
    drawn = sorted((toy.sample(Random(n)) for n in range(300)), key=toy.seconds)
    curve = best_so_far(Evolution(toy, start=drawn[:8]), toy, 64)
    assert curve[0] == toy.seconds(drawn[0])
    assert curve[-1] < curve[0]
