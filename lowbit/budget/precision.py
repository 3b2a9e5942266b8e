"""Bits for each layer within a budget of accuracy: `lowbit precision`.

Each quantiser alone is lowered once, and the loss measured; at other bits it is taken to follow the squared
error of rounding. Losses add up, and so do the times of layers, by the analytic model: the best choices of
both are found by dynamic programming (`front.py`), and those next to the budget are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, log2
from pathlib import Path
from typing import Any

from lowbit.argument_checks import integers
from lowbit.budget.front import GRID, Point, Reader, both, choices
from lowbit.budget.measured import Data
from lowbit.budget.network import Network
from lowbit.budget.quantisers import Bits
from lowbit.budget.result import LayerBits, Precise, Tried
from lowbit.code_generation import resolve
from lowbit.program import Program
from lowbit_dialect.importers.onnx_file import read_model
from lowbit_dialect.importers.onnx_graph import import_read
from lowbit_dialect.importers.onnx_model import ImportFailed, ModelProto
from microkernels.target import Target

NATS = 40
"""Cross entropy that is of interest, in budgets: 0.2 nats for 0.5 % of accuracy."""
Losses = Mapping[tuple[int, int], float]
"""Of a quantiser by its place, at so many bits, in nats."""
Progress = Callable[[int, int], None]
"""Told how many programs were measured, and of about how many."""


def precision(
    model: str | Path | bytes | ModelProto,
    inputs: Any,
    labels: Any,
    budget: float = 0.005,
    *,
    bits: Sequence[int] = (2, 3, 4, 8),
    target: str | Target = "host",
    progress: Progress | None = None,
) -> Precise:
    """Find the fastest bits for the layers of a QONNX model that lose at most `budget` of its accuracy.

    `inputs` holds one input after the other, `labels` their classes; accuracy is measured on all of them.
    Weights are rounded anew, activations get the scale that loses least; nothing is trained. Times are what
    the analytic model says of `target`. Raises ValueError for what cannot be lowered so.
    """
    offered = sorted(set(integers("bits", bits)))
    if not offered or not 2 <= offered[0] <= offered[-1] <= 8:
        raise ValueError(f"bits are numbers from 2 to 8, not {offered}")
    if not 0 <= budget < 1:
        raise ValueError(f"budget is a share of all inputs from 0 to 1, not {budget}")
    try:
        read = read_model(model)
        data = Data.of(Program(import_read(read)), inputs, labels)
        network = Network(read, data, offered, resolve(target))
    except ImportFailed as error:
        named = str(model) if isinstance(model, str | Path) else "the model"
        raise ValueError(f"{named:.200}: {error}") from error
    return _Search(network, data, budget, progress).found()


class _Search:
    """One run, and what it measured."""

    def __init__(self, network: Network, data: Data, budget: float, progress: Progress | None):
        self.network, self.data, self.budget, self.progress = network, data, budget, progress
        self.count = 0
        self.given = self.measured("as given", {})

    def measured(self, name: str, bits: Bits) -> Tried:
        """Measure a choice, and tell that it was."""
        found = self.data.measure(self.network.program(bits))
        self.count += 1
        if self.progress is not None:
            expected = len(self.network.used) + int(log2(GRID)) + 4
            self.progress(self.count, max(self.count, expected))
        seconds = self.network.time(bits)
        return Tried(name, dict(bits), seconds, found.right, len(self.data.labels), found.loss)

    def found(self) -> Precise:
        """Search, measure what lies next to the budget, and take the fastest within it."""
        losses = self._losses()
        tried = tuple(self._next_to_budget(self._front(losses)))
        uniform = tuple(self._uniform())
        fitting = [one for one in tried if one.keeps(self.given, self.budget)]
        best = min((self.given, *fitting), key=lambda one: one.seconds)
        rows = [self._row(index, best.bits, losses) for index in range(len(self.network.layers))]
        program = self.network.program(best.bits)
        return Precise(program, self.budget, self.given, best, tried, uniform, tuple(rows))

    def _losses(self) -> Losses:
        """What each quantiser loses at each of its bits: measured at the fewest."""
        losses: dict[tuple[int, int], float] = {}
        for at in self.network.used:
            *fewer, own = self.network.options(at)
            losses[at, own] = 0.0
            if not fewer:
                continue
            least = self.measured(f"{self.network.quantisers[at].reads} alone", {at: fewer[0]})
            rise = max(0.0, least.loss - self.given.loss)
            errors = {bits: self.network.scales[at][bits].error for bits in fewer}
            for bits, error in errors.items():
                losses[at, bits] = rise * error / (errors[fewer[0]] or 1.0)
        return losses

    def _front(self, losses: Losses) -> list[Point]:
        """The best choices, from the least loss on."""
        step = NATS * max(self.budget, 0.001) / GRID
        steps = {key: min(GRID + 1, ceil(loss / step)) for key, loss in losses.items()}
        found = [Point(0, 0.0)]
        for activation in dict.fromkeys(a for a, _ in self.network.readers):
            readers = [
                Reader(w, self.network.seconds[index])
                for index, (a, w) in enumerate(self.network.readers)
                if a == activation
            ]
            options = self.network.options(activation)
            found = both(found, choices(activation, options, readers, steps))
        return found

    def _next_to_budget(self, front: Sequence[Point]) -> Iterator[Tried]:
        """Bisect the best choices by what is measured of them."""
        low, high = 0, len(front)
        while low < high:
            middle = (low + high) // 2
            yield (
                one := self.measured(
                    f"mixed, choice {middle + 1} of {len(front)}", dict(front[middle].bits)
                )
            )
            low, high = (middle + 1, high) if one.keeps(self.given, self.budget) else (low, middle)

    def _uniform(self) -> Iterator[Tried]:
        """Uniform bits from the fastest on to the first within the budget, with and without both ends."""
        ends = [at for index in (0, -1) for at in self.network.readers[index]]
        named: dict[tuple[tuple[int, int], ...], str] = {}
        for kept, words in (((), ""), (ends, ", first and last layer as given")):
            for w, a, bits in self.network.uniform(kept):
                named.setdefault(
                    tuple(bits.items()), f"{w}-bit weights, {a}-bit activations{words}"
                )
        choices = [
            (self.network.time(dict(bits)), dict(bits), name) for bits, name in named.items()
        ]
        for seconds, bits, name in sorted(choices, key=lambda one: one[0]):
            if seconds >= self.given.seconds:
                return
            yield (one := self.measured(name, bits))
            if one.keeps(self.given, self.budget):
                return

    def _row(self, index: int, bits: Bits, losses: Losses) -> LayerBits:
        network = self.network
        before, after = network.key(index, {}), network.key(index, bits)
        first, second = (
            losses.get((at, network.options(at)[0]), 0.0) for at in network.readers[index]
        )
        times = network.seconds[index][before], network.seconds[index][after]
        return LayerBits(network.layers[index].name, before, after, times, (first, second))
