"""Random graphs against onnxruntime and qonnx: equal, or each other decision a tie of f32 arithmetic.

    python tests/lowbit_dialect/importers/test_onnx_random.py 20000 [FIRST]

runs as many of them and counts; one in twenty is compiled, too.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":
    HERE = Path(__file__).parent
    sys.path[:0] = [str(one) for one in (HERE, HERE.parents[1] / "support", HERE.parents[2])]

import numpy as np
import pytest
from onnx_exact import argue, quantised, with_outputs
from onnx_graphs import Graph, graphs
from onnx_oracle import expected, imported
from sampling import EXAMPLES, sample
from xdsl.dialects.builtin import ModuleOp

import lowbit
from lowbit.pipeline import lower
from lowbit_dialect import reference
from lowbit_dialect.layout import Array

NEAR = 1e-6
"""What f32 sums in another order may differ by before the graph is argued about; relative, and absolute."""


Run = Callable[[ModuleOp, Array], Sequence[Array]]
"""What a program gives."""


class Runs:
    """Graphs that were tried, and how they ended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def run(self, graph: Graph, *, compiled: bool = False) -> None:
        """Import, run, compare; raises AssertionError for a difference that is no tie."""
        self.counts["graphs"] += 1
        module = imported(graph.proto)
        fused = lower(module, until="graph")
        for x in graph.inputs:
            (got,) = reference.run(module, x)
            (again,) = reference.run(fused, x)
            assert got.tobytes() == again.tobytes(), "other bits after the graph stage"
            self.compare(graph, x, got, reference.run)
            if compiled:
                self.counts["calls of kernels"] += 1
                (result,) = kernels_of(module, x)
                if result.tobytes() != got.tobytes():  # sums of f32 in another order
                    self.compare(graph, x, result, kernels_of)

    def compare(self, graph: Graph, x: Array, got: Array, run: Run) -> None:
        """Compare `got` with what an oracle says; `run` makes the same of more outputs."""
        want = expected(graph.proto, x)
        assert got.shape == want.shape
        if graph.exact:
            np.testing.assert_array_equal(got, want)
        elif not np.allclose(got, want, NEAR, NEAR, equal_nan=True):
            names = quantised(graph.proto)
            *decided, last = run(imported(with_outputs(graph.proto, names)), x)
            self.counts["argued about"] += 1
            self.counts["ties"] += argue(graph.proto, x, dict(zip(names, decided)), last)


def kernels_of(module: ModuleOp, *arrays: Array) -> tuple[Array, ...]:
    """What the compiled program gives."""
    result = lowbit.compile(lowbit.Program(module))(*arrays)
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("part", range(10))
def test_random_graphs(part: int) -> None:
    runs = Runs()
    for number in range(3):
        sample(runs.run, 3 * part + number, graphs())


@pytest.mark.parametrize("part", range(2))
def test_compiled(part: int) -> None:
    runs = Runs()
    sample(lambda graph: runs.run(graph, compiled=True), 1000 + part, graphs())


def main(count: int, first: int = 0) -> int:
    """Run `count` graphs; the number of those that differ."""
    runs = Runs()
    for number in range(first, first + count // EXAMPLES):

        def run(graph: Graph, number: int = number) -> None:
            try:
                runs.run(graph, compiled=number % 20 == 0)
            except Exception as error:
                runs.counts["differ"] += 1
                print(f"--- {number}: {type(error).__name__}: {error}\n{graph}", flush=True)

        sample(run, number, graphs())
    print(dict(runs.counts))
    return runs.counts["differ"]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.exit(main(*map(int, sys.argv[1:])) > 0)
