"""Random problems of choices for nodes and pairs of them."""

import numpy as np

from autotune.pbqp import Costs, Problem

FORBIDDEN = (0.0, 0.1, 0.5)
"""Parts of the pairs of an edge that may not be chosen together."""


def problem(seed: int, nodes: int, most: int, edges: float, forbidden: float) -> Problem:
    """Whole costs, so that sums are exact; every so often a choice of a node is forbidden too."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, most + 1, nodes)
    costs: list[Costs] = [random.integers(0, 30, size).astype(float) for size in sizes]
    for one in costs:
        one[random.random(len(one)) < forbidden / 4] = np.inf
    pairs = [(u, v) for v in range(nodes) for u in range(v) if random.random() < edges]
    matrices = {
        (u, v): random.integers(0, 30, (sizes[u], sizes[v])).astype(float) for u, v in pairs
    }
    for matrix in matrices.values():
        matrix[random.random(matrix.shape) < forbidden] = np.inf
    return Problem(costs, matrices)
