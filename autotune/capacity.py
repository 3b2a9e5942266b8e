"""A problem whose choices also take space, of which there is only so much at any time.

Choices that cannot be part of anything that fits are forbidden, alone and in pairs. Where the best of what
is left takes too much at a time, one of the nodes that are to blame has to take less: each is a branch, and
the cheapest branch is looked into first, so that the first solution that fits is the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autotune.pbqp import Costs, Problem, Solution, solve

Space = NDArray[np.int64]
"""What each choice of a node takes at each time."""
Allowed = tuple[NDArray[np.bool_], ...]
"""Of each node the choices that are left."""


@dataclass(frozen=True)
class Searched:
    """What a search came to."""

    found: Solution | None
    bound: float
    """Nothing that fits costs less: infinite if nothing fits, below the cost if the search was given up."""


@dataclass(frozen=True)
class Limited:
    """A problem and the space that its choices take."""

    problem: Problem
    spaces: Sequence[Space]
    """At least: what does not fit by these does not fit."""
    needs: Callable[[Sequence[int]], int]
    """What a choice of all nodes really takes."""

    def within(self, limit: int, most: int = 600) -> Searched:
        """The best choice that takes no more than a limit.

        After half of `most` branches the first that fits, with the bound that is known by then; given up
        after all of them.
        """
        whole = tuple(np.ones(len(one), np.bool_) for one in self.problem.nodes)
        waiting: list[tuple[float, int, Allowed, Solution]] = []
        bound, tried = 0.0, 0

        def push(allowed: Allowed) -> None:
            nonlocal tried
            tried += 1
            if (found := solve(self._restricted(allowed, limit))) is not None:
                # Of those that cost the same the last first: it has less space to save.
                key = found.bound if 2 * tried < most else -tried
                heappush(waiting, (key, -tried, allowed, found))

        push(whole)
        while waiting and tried < most:
            _, _, allowed, found = heappop(waiting)
            if 2 * tried < most:
                bound = found.bound
            branches = self._branches(found.choice, allowed, limit)
            if branches is None:
                bound = min(found.cost, bound)
                return Searched(replace(found, bound=bound, branches=tried), bound)
            for one in branches:
                push(one)
        return Searched(None, bound if waiting else np.inf)

    def smallest(self, most: int = 120) -> tuple[int, Solution, bool]:
        """The least that any choice takes, a choice that does, and whether that is proved: after so many
        branches a size is given up."""
        nodes = [np.where(np.isinf(one), one, 0.0) for one in self.problem.nodes]
        edges = {key: np.where(np.isinf(one), one, 0.0) for key, one in self.problem.edges.items()}
        free = replace(self, problem=Problem(nodes, edges))
        low = int(np.sum([one.min(axis=0) for one in self.spaces], axis=0).max())
        best = solve(free.problem)
        assert best is not None, "something is allowed"
        high, proved = self.needs(best.choice), True
        while low < high:
            middle = (low + high) // 2
            searched = free.within(middle, most)
            if searched.found is None:
                low, proved = middle + 1, proved and searched.bound == np.inf
            else:
                best, high = searched.found, self.needs(searched.found.choice)
        return high, replace(best, cost=self.problem.cost(best.choice)), proved

    def _restricted(self, allowed: Allowed, limit: int) -> Problem:
        """The problem without what is not allowed, and without what does not fit whatever the rest is."""
        least = [one[mask].min(axis=0) for one, mask in zip(self.spaces, allowed)]
        spare: Space = limit - np.sum(least, axis=0)
        more = [one - low for one, low in zip(self.spaces, least)]
        nodes = [
            np.where(mask & (extra <= spare).all(axis=1), costs, np.inf)
            for costs, mask, extra in zip(self.problem.nodes, allowed, more)
        ]
        edges = dict(self.problem.edges)
        for u, v in combinations(range(len(nodes)), 2):
            times = (more[u][allowed[u]].max(axis=0) + more[v][allowed[v]].max(axis=0)) > spare
            times &= (more[u] > 0).any(axis=0) & (more[v] > 0).any(axis=0)
            if times.any():
                both = more[u][:, None, times] + more[v][None, :, times]
                pairs: Costs = np.where((both <= spare[times]).all(axis=2), 0.0, np.inf)
                if pairs.any():
                    edges[u, v] = edges[u, v] + pairs if (u, v) in edges else pairs
        return Problem(nodes, edges)

    def _branches(
        self, choice: Sequence[int], allowed: Allowed, limit: int
    ) -> Iterator[Allowed] | None:
        """What is left where a choice does not fit, in parts that have nothing in common; None if it fits."""
        taken = [one[at] for one, at in zip(self.spaces, choice)]
        total: Space = np.sum(taken, axis=0)
        time = int(total.argmax())
        if total[time] > limit:
            less = [one[:, time] < own[time] for one, own in zip(self.spaces, taken)]
            return self._parts(less, allowed)
        if self.needs(choice) <= limit:
            return None
        other = [(one != own).any(axis=1) for one, own in zip(self.spaces, taken)]
        return self._parts(other, allowed)

    @staticmethod
    def _parts(changes: Sequence[NDArray[np.bool_]], allowed: Allowed) -> Iterator[Allowed]:
        """One part for each node that may change, those before it staying as they are."""
        left = list(allowed)
        for node, change in enumerate(changes):
            part = allowed[node] & change
            if part.any():
                yield (*left[:node], part, *allowed[node + 1 :])
                left[node] = allowed[node] & ~change
