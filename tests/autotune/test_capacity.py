"""Choices within a limit of space: the best that fits, or the smallest that there is."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from problems import problem

from autotune.capacity import Limited, Space
from autotune.pbqp import Problem


def taken(spaces: list[Space], choice: tuple[int, ...]) -> int:
    """The most that is taken at a time, and a gap that depends on the choice."""
    total = sum(one[at] for one, at in zip(spaces, choice))
    return int(np.max(total)) + sum(choice) % 3


@st.composite
def limited(draw: DrawFn) -> Limited:
    one = problem(draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 5)), 3, 0.5, 0.1)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spaces = [random.integers(0, 9, (len(costs), 3)) * 5 for costs in one.nodes]
    return Limited(one, spaces, lambda choice: taken(spaces, tuple(choice)))


@settings(max_examples=150)
@given(limited(), st.integers(0, 80))
def test_the_best_that_fits(one: Limited, limit: int):
    choices = product(*(range(len(costs)) for costs in one.problem.nodes))
    costs = {choice: one.problem.cost(choice) for choice in choices}
    sizes = {choice: one.needs(choice) for choice, cost in costs.items() if cost < np.inf}
    best = min((costs[choice] for choice, size in sizes.items() if size <= limit), default=None)
    searched = one.within(limit)
    found = searched.found
    if found is None:
        assert best is None and searched.bound == np.inf
    else:
        assert (found.cost, found.bound) == (best, best)
        assert one.needs(found.choice) <= limit
    if sizes:
        smallest, choice, proved = one.smallest()
        assert smallest == min(sizes.values()) == one.needs(choice.choice) and proved


def test_what_is_given_up_says_what_is_known():
    nodes = [np.arange(3.0) + 1] * 7
    spaces: list[Space] = [np.arange(3)[:, None]] * 7
    never = Limited(Problem(nodes, {}), spaces, lambda choice: 99)  # gaps that no branch can tell
    searched = never.within(50, most=20)
    assert searched.found is None and 7 <= searched.bound < np.inf
    smallest, _, proved = never.smallest(most=20)
    assert smallest == 99 and not proved
