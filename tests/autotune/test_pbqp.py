"""Exact solutions: what brute force and, of larger problems, HiGHS find costs the same."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from problems import FORBIDDEN, problem
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from autotune.pbqp import Problem, solve


@st.composite
def small(draw: DrawFn) -> Problem:
    nodes, edges = draw(st.integers(1, 6)), draw(st.sampled_from((0.2, 0.5, 1.0)))
    seed, forbidden = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(FORBIDDEN))
    return problem(seed, nodes, 4, edges, forbidden)


def least(one: Problem) -> float:
    """The least cost of all choices."""
    return min(one.cost(choice) for choice in product(*(range(len(c)) for c in one.nodes)))


@settings(max_examples=200)
@given(small())
def test_brute_force(one: Problem):
    found, best = solve(one), least(one)
    if found is None:
        assert best == np.inf
    else:
        assert (found.cost, found.bound) == (best, best)
        assert one.cost(found.choice) == best


def by_highs(one: Problem) -> float:
    """The least cost by a linear program in whole numbers: a variable a choice, and one a pair of an edge."""
    starts = np.cumsum([0, *(len(costs) for costs in one.nodes)])
    costs, rows, equal = [float(c) for node in one.nodes for c in node], [], []
    for node, choices in enumerate(one.nodes):
        rows.append({int(starts[node]) + at: 1.0 for at in range(len(choices))})
        equal.append(1.0)
    for (u, v), matrix in one.edges.items():
        first = len(costs)
        costs += map(float, matrix.ravel())
        places = first + np.arange(matrix.size).reshape(matrix.shape)
        for end, lines in ((u, places), (v, places.T)):
            for at, line in enumerate(lines):
                rows.append({**{int(p): 1.0 for p in line}, int(starts[end]) + at: -1.0})
                equal.append(0.0)
    entries = [
        (row, column, value) for row, line in enumerate(rows) for column, value in line.items()
    ]
    at, columns, values = zip(*entries)
    matrix = csr_array((values, (at, columns)), shape=(len(rows), len(costs)))
    ends = np.where(np.isinf(costs), 0.0, 1.0)
    found = milp(
        np.where(np.isinf(costs), 0.0, costs),
        constraints=LinearConstraint(matrix, equal, equal),  # pyright: ignore
        bounds=Bounds(0, ends),  # pyright: ignore
        integrality=np.ones(len(costs)),
    )
    return np.inf if found.x is None else float(found.fun)


@pytest.mark.parametrize("seed", range(50))
def test_highs(seed: int):
    nodes = 12 + seed % 9
    one = problem(seed, nodes, 5, 3 / nodes, FORBIDDEN[seed % 2])
    found, best = solve(one), by_highs(one)
    if found is None:
        assert best == np.inf
    else:
        assert found.cost == found.bound == pytest.approx(best)


def test_what_reductions_leave_is_branched_over():
    one = problem(5, 7, 4, 1.0, 0.0)
    found = solve(one)
    assert found is not None and found.branches > 0
    assert found.cost == found.bound == least(one)


def test_a_ring_is_reduced():
    ring = {(u, u + 1): np.eye(2) for u in range(8)} | {(0, 8): np.eye(2)}
    found = solve(Problem([np.zeros(2)] * 9, ring))
    assert found is not None
    assert (found.cost, found.branches) == (1, 0)  # of nine in a ring two neighbours are alike


def test_a_search_that_is_given_up_says_so():
    one = problem(5, 11, 4, 1.0, 0.0)
    found, best = solve(one, most=3), solve(one)
    assert found is not None and best is not None
    assert found.bound < best.cost < found.cost


def test_nothing_that_is_forbidden_is_chosen():
    never = np.full((2, 2), np.inf)
    assert solve(Problem([np.zeros(2), np.zeros(2)], {(0, 1): never})) is None
    assert solve(Problem([np.full(2, np.inf)], {})) is None
    empty = solve(Problem([], {}))
    assert empty is not None and empty.choice == () and empty.cost == 0
