"""How right a program is on data: of compiled code, which equals the reference bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lowbit.compiling import compile
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import shaped


@dataclass(frozen=True)
class Measured:
    """What a program makes of data."""

    right: int
    """Of the largest score at the label."""
    loss: float
    """The mean cross entropy, in nats."""


@dataclass(frozen=True)
class Data:
    """Inputs of a program, one after the other, and the class of each."""

    inputs: Array
    labels: Array

    @staticmethod
    def of(program: Program, inputs: Any, labels: Any) -> Data:
        """Data in the shape of the one input of a program; raises ValueError for what does not fit."""
        given = inputs_of(program)
        if len(given) != 1:
            raise ValueError(f"precision takes a program of one input, not {len(given)}")
        shape = tuple(given[0].type.get_shape())
        x, y = np.asarray(inputs), np.asarray(labels)
        if y.ndim != 1 or len(x) != len(y) or not len(y) or not np.issubdtype(y.dtype, np.integer):
            raise ValueError(
                f"there are {len(x) if x.ndim else 0} inputs with labels of shape {y.shape} and {y.dtype}: "
                "each input has one whole number"
            )
        if shape[0] != 1 or x.size != len(x) * prod(shape):
            wanted = "x".join(map(str, shape[1:]))
            raise ValueError(
                f"inputs have shape {x.shape}, but the program takes one of {wanted} at a time"
            )
        scores = tuple(shaped(program.outputs[0]).get_shape())
        if len(scores) != 2 or scores[0] != 1:
            raise ValueError(f"the first result has shape {scores}: expected a row of scores")
        if y.min() < 0 or y.max() >= scores[1]:
            raise ValueError(f"labels are from 0 to {scores[1] - 1}, as the scores, not {y.max()}")
        return Data(np.ascontiguousarray(x.reshape(len(x), *shape)), y)

    def measure(self, program: Program) -> Measured:
        """Compile a program and run it on everything."""
        scores = np.concatenate([one[0] for one in self.run(program)]).astype(np.float64)
        scores -= scores.max(1, keepdims=True)
        at = scores[np.arange(len(scores)), self.labels]
        loss = float((np.log(np.exp(scores).sum(1)) - at).mean())
        return Measured(int((scores.argmax(1) == self.labels).sum()), loss)

    def run(self, program: Program, most: int | None = None) -> list[tuple[Array, ...]]:
        """The results for each input."""
        kernel = compile(program)
        results = [kernel(one) for one in self.inputs[:most]]
        return [one if isinstance(one, tuple) else (one,) for one in results]
