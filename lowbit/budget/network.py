"""A network whose quantisers can have other bits: its programs, and what the model says that they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from lowbit.budget.layers import layers_of, predicted
from lowbit.budget.measured import Data
from lowbit.budget.quantisers import Bits, quantisers_of, with_bits
from lowbit.budget.scales import Rounded
from lowbit.program import Program
from lowbit_dialect.importers.onnx_graph import import_read
from lowbit_dialect.importers.onnx_model import Model
from lowbit_dialect.layout import Array
from microkernels.target import Target

SAMPLES = 200
"""Inputs from which the scales of activations are derived."""


class Network:
    """A model with the bits that are offered, and data for the scales of its activations."""

    def __init__(self, model: Model, data: Data, offered: Sequence[int], target: Target):
        self.model, self.offered = model, offered
        self.quantisers = {one.at: one for one in quantisers_of(model)}
        self.layers = layers_of(self.program({}))
        self.scales = self._scales(data)
        self.readers = self._readers()
        """Of each layer the quantisers of its activation and of its weights by their places, -1 for none."""
        self.seconds = self._seconds(target)
        """Of each layer the time by the bits of both, -1 for what stays."""

    @property
    def used(self) -> list[int]:
        """The quantisers that a layer reads."""
        return sorted({at for pair in self.readers for at in pair if at >= 0})

    def options(self, at: int) -> list[int]:
        """Bits that a quantiser may have, its own last; -1 for none."""
        if at < 0:
            return [-1]
        own = self.quantisers[at].bits
        return [*(one for one in self.offered if one < own), own]

    def program(self, bits: Bits) -> Program:
        """The model with some bits."""
        chosen = {
            at: (count, self.scales[at][count].scale)
            for at, count in bits.items()
            if count < self.quantisers[at].bits
        }
        return Program(import_read(with_bits(self.model, chosen)))

    def key(self, layer: int, bits: Bits) -> tuple[int, int]:
        """The bits of a layer's activation and weights."""
        a, w = (bits.get(at, self.options(at)[-1]) for at in self.readers[layer])
        return a, w

    def time(self, bits: Bits) -> float:
        """Predicted seconds of all layers."""
        return sum(one[self.key(index, bits)] for index, one in enumerate(self.seconds))

    def uniform(self, kept: Sequence[int] = ()) -> Iterator[tuple[int, int, dict[int, int]]]:
        """Bits of all weights and of all activations, and what quantisers have then; some are kept."""
        own = max((self.quantisers[at].bits for at in self.used), default=8)
        counts = sorted({*(one for one in self.offered if one < own), own})
        free = [at for at in self.used if at not in kept]
        for w, a in product(counts, counts):
            asked = {at: a if self.quantisers[at].weights is None else w for at in free}
            yield w, a, {at: self._at_least(at, count) for at, count in asked.items()}

    def _at_least(self, at: int, count: int) -> int:
        *fewer, own = self.options(at)
        return min((one for one in fewer if one >= count), default=own)

    def _scales(self, data: Data) -> dict[int, dict[int, Rounded]]:
        """Of each quantiser the scale at each of its bits."""
        reads = {one.reads for one in self.quantisers.values() if one.weights is None}
        watched = sorted(reads - set(self.model.inputs))
        values: dict[str, Array] = dict.fromkeys(self.model.inputs, data.inputs[:SAMPLES])
        if watched:
            exposed = Program(import_read(replace(self.model, outputs=tuple(watched))))
            seen = zip(*data.run(exposed, SAMPLES))
            values |= {name: np.concatenate(some) for name, some in zip(watched, seen)}
        return {
            at: {
                bits: one.rounded(bits, values[one.reads] if one.weights is None else one.weights)
                for bits in self.options(at)
            }
            for at, one in self.quantisers.items()
        }

    def _readers(self) -> list[tuple[int, int]]:
        """Found by what changes with a quantiser; of two activations of one layer the first is taken."""
        readers = [(-1, -1)] * len(self.layers)
        for at, one in self.quantisers.items():
            fewest = self.options(at)[0]
            changed = layers_of(self.program({at: fewest}))
            for index, (now, before) in enumerate(zip(changed, self.layers, strict=True)):
                activation, weights = readers[index]
                if one.weights is None and now.activation != before.activation and activation < 0:
                    readers[index] = at, weights
                elif one.weights is not None and now.weight != before.weight:
                    readers[index] = activation, at
        return readers

    def _seconds(self, target: Target) -> list[dict[tuple[int, int], float]]:
        times: list[dict[tuple[int, int], float]] = [{} for _ in self.layers]
        for _, _, bits in self.uniform():
            keys = [self.key(index, bits) for index in range(len(self.layers))]
            if all(key in one for key, one in zip(keys, times)):
                continue
            for one, key, seconds in zip(times, keys, predicted(self.program(bits), target)):
                one.setdefault(key, seconds)
        return times
