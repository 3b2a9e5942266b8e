"""The partitioned boolean quadratic problem: one choice for each node, so that all costs add up to the least.

    minimise  sum_u cost_u[x_u]  +  sum_uv cost_uv[x_u, x_v]

A node with at most two neighbours goes away without loss, its costs being moved to what is left (B. Scholz
and E. Eckstein, Register allocation for irregular architectures, LCTES/SCOPES 2002: R0, R1, R2 and the
normalisation of edges). What remains is branched over, the node with most neighbours first, and a branch
that by a lower bound cannot become the best is left. That primitives and layouts of a whole network are such
a problem is due to A. Anderson and D. Gregg, Optimal DNN primitive selection with partitioned boolean
quadratic programming, CGO 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
"""Of a node one for each choice, of an edge one for each pair; infinite where that is forbidden."""

SWEEPS = 8
"""Turns in which costs move between edges before a branch is bounded: more raise the bound by little."""
SAME = 1e-12
"""The part of all costs by which two sums differ that are the same but for rounding."""


@dataclass(frozen=True)
class Problem:
    """Costs of nodes by number, and of edges `(u, v)`, `u < v`, a row for each choice of `u`."""

    nodes: Sequence[Costs]
    edges: Mapping[tuple[int, int], Costs]

    def cost(self, choice: Sequence[int]) -> float:
        """What one choice for each node costs."""
        alone = sum(float(one[at]) for one, at in zip(self.nodes, choice, strict=True))
        return alone + sum(float(one[choice[u], choice[v]]) for (u, v), one in self.edges.items())


@dataclass(frozen=True)
class Solution:
    """The best choice for each node."""

    choice: tuple[int, ...]
    cost: float
    bound: float
    """No choice costs less: the cost itself, unless the search was given up."""
    branches: int
    """Choices of a node that were tried because no reduction decided it."""


def solve(problem: Problem, most: int = 100_000) -> Solution | None:
    """The choice of least cost; None if every one is forbidden.

    Gives up after `most` branches, once one is found: the bound is then below the cost.
    """
    search = _Search(most)
    search.explore(_Graph.of(problem))
    if search.found is None:
        return None
    choice = tuple(search.found[node] for node in range(len(problem.nodes)))
    cost = problem.cost(choice)
    return Solution(choice, cost, min(cost, search.left), search.branches)


Step = tuple[int, Costs, tuple[tuple[int, Costs], ...]]
"""A node that is gone, its costs and its edges: it is decided when its neighbours are."""


@dataclass
class _Graph:
    """What is left of a problem, and what it costs already."""

    nodes: dict[int, Costs]
    edges: dict[int, dict[int, Costs]]
    """Of each node the edges, a row for each of its own choices."""
    spent: float = 0.0
    steps: list[Step] = field(default_factory=list[Step])

    @classmethod
    def of(cls, problem: Problem) -> _Graph:
        nodes = {node: costs.astype(np.float64) for node, costs in enumerate(problem.nodes)}
        graph = cls(nodes, {node: {} for node in nodes})
        for (u, v), matrix in problem.edges.items():
            graph.join(u, v, matrix)
        return graph

    def copy(self) -> _Graph:
        """Another one, whose arrays are shared: none is written to in place."""
        edges = {node: dict(those) for node, those in self.edges.items()}
        return _Graph(dict(self.nodes), edges, self.spent, list(self.steps))

    def join(self, u: int, v: int, matrix: Costs) -> None:
        """Add costs to an edge."""
        matrix = self.edges[u][v] + matrix if v in self.edges[u] else matrix
        self.edges[u][v], self.edges[v][u] = matrix, matrix.T
        self.normalise(u, v)

    def cut(self, u: int, v: int) -> None:
        """Remove an edge."""
        del self.edges[u][v], self.edges[v][u]

    def normalise(self, u: int, v: int) -> None:
        """Move to two nodes what their edge costs whatever the other one chooses; cut it if that is all."""
        for one, other in ((u, v), (v, u)):
            matrix = self.edges[one][other]
            least = matrix.min(axis=1)
            self.nodes[one] = self.nodes[one] + least
            # A row that is forbidden throughout is forbidden at the node: what is left of it says nothing.
            matrix = np.where(np.isinf(least)[:, None], 0.0, matrix - _finite(least)[:, None])
            self.edges[one][other], self.edges[other][one] = matrix, matrix.T
        if not self.edges[u][v].any():
            self.cut(u, v)

    def reduce(self) -> None:
        """Take away nodes with at most two neighbours while there are any."""
        while (node := min(self.nodes, key=lambda n: len(self.edges[n]), default=None)) is not None:
            around = tuple(self.edges[node].items())
            if len(around) > 2:
                return
            costs = self.nodes[node]
            self.steps.append((node, costs, around))
            if not around:
                self.spent += float(costs.min())
            elif len(around) == 1:
                ((other, matrix),) = around
                self.nodes[other] = self.nodes[other] + (costs[:, None] + matrix).min(axis=0)
            self.remove(node)
            if len(around) == 2:
                (y, to_y), (z, to_z) = around
                ways = costs[:, None, None] + to_y[:, :, None] + to_z[:, None, :]
                self.join(y, z, ways.min(axis=0))

    def remove(self, node: int) -> None:
        """Take a node away with its edges."""
        for other in self.edges.pop(node):
            del self.edges[other][node]
        del self.nodes[node]

    def fixed(self, node: int, at: int) -> _Graph:
        """The graph once a node is decided."""
        graph = self.copy()
        graph.spent += float(self.nodes[node][at])
        for other, matrix in self.edges[node].items():
            graph.nodes[other] = graph.nodes[other] + matrix[at]
        only = np.where(np.arange(len(self.nodes[node])) == at, 0.0, inf)
        graph.steps.append((node, only, ()))
        graph.remove(node)
        return graph

    def decided(self) -> dict[int, int]:
        """The best choices of nodes that are gone, the last first; none is left."""
        known: dict[int, int] = {}
        for node, costs, edges in reversed(self.steps):
            known[node] = int(sum((m[:, known[other]] for other, m in edges), costs).argmin())
        return known

    def bound(self) -> float:
        """What is spent and what is left costs at least: costs of nodes and edges, each by its own least.

        Before, the cost of each node is spread over its edges and back (min-sum diffusion), which changes no
        choice's sum but brings the least of each nearer to what can be had together.
        """
        nodes, edges = dict(self.nodes), {u: dict(those) for u, those in self.edges.items()}
        for _ in range(SWEEPS):
            for u, costs in nodes.items():
                for v, matrix in edges[u].items():
                    least = matrix.min(axis=1)
                    costs = costs + least
                    edges[u][v] = np.where(
                        np.isinf(least)[:, None], inf, matrix - _finite(least)[:, None]
                    )
                if not edges[u]:
                    nodes[u] = costs
                    continue
                share = costs / len(edges[u])
                for v, matrix in edges[u].items():
                    edges[u][v] = matrix + share[:, None]
                    edges[v][u] = edges[u][v].T
                nodes[u] = np.zeros_like(costs)
        pairs = (matrix for u, those in edges.items() for v, matrix in those.items() if u < v)
        return self.spent + sum(float(one.min()) for one in (*nodes.values(), *pairs))


class _Search:
    """Depth first through the choices of nodes that no reduction takes away."""

    def __init__(self, most: int):
        self.most, self.branches = most, 0
        self.best, self.left = inf, inf
        self.found: dict[int, int] | None = None

    def explore(self, graph: _Graph) -> None:
        """Find what is better than the best within a graph."""
        graph.reduce()
        if not graph.nodes:
            if graph.spent < self.best:
                self.best, self.found = graph.spent, graph.decided()
            return
        bound = graph.bound()
        node = max(graph.nodes, key=lambda one: len(graph.edges[one]))
        for at in map(int, graph.nodes[node].argsort(kind="stable")):
            if bound >= self.best * (1 - SAME) or np.isinf(graph.nodes[node][at]):
                return
            if self.branches >= self.most and self.found is not None:
                self.left = min(self.left, bound)
                return
            self.branches += 1
            self.explore(graph.fixed(node, at))


def _finite(costs: Costs) -> Costs:
    return np.where(np.isinf(costs), 0.0, costs)
