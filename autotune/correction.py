"""What the model gets wrong on this machine, learnt from records: optional, and off by default.

    log(measured / predicted)  =  weights . features

is fitted by ridge regression within each layer, so that only the order of a layer's schedules is learnt: a
factor that all of them share changes none. It re-orders the choices of the model that are measured first,
and has no say in what nobody measures (`source=default`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, log2

import numpy as np
from numpy.typing import NDArray

from autotune.model import Model, Prediction
from autotune.outcome import Measured
from autotune.record import Record
from autotune.space import Space
from lowbit_dialect.schedule import Schedule

LEAST = 32
"""Samples without which nothing is learnt."""
STRAY = 8.0
"""How many times off a sample is that says nothing of the model: something else was measured."""
WORTH = 0.8
"""The part of the squared error that is left, on samples left out one at a time, if learning was worth it.

By 0.9 up to 8 in 100 sets of random errors seem to have a rule, by 0.8 none of 180 did."""
PENALTIES = (1.0, 10.0, 100.0)
"""Ridge penalties on features of deviation 1, of which the best on samples left out is taken."""
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A schedule of a layer that was predicted and measured."""

    layer: str
    schedule: Schedule
    prediction: Prediction
    seconds: float

    @property
    def error(self) -> float:
        """The logarithm of how many times longer it took than was predicted."""
        return log(self.seconds / self.prediction.seconds)


@dataclass(frozen=True)
class Correction:
    """Corrects predictions."""

    weights: Mapping[str, float]
    """Of each feature; of others nothing is known."""

    def __call__(self, schedule: Schedule, prediction: Prediction) -> Prediction:
        """What a schedule is likely to take, but for a factor that all of its layer share."""
        known = features(schedule, prediction).items()
        error = sum(self.weights.get(name, 0.0) * value for name, value in known)
        return replace(prediction, seconds=prediction.seconds * exp(error))


def features(schedule: Schedule, prediction: Prediction) -> dict[str, float]:
    """What may tell how far off a prediction is: its parts, what binds, kernel and block; 0 if not named."""
    assert schedule.microkernel and schedule.pixels and schedule.vectors and schedule.unroll
    whole = sum(prediction.parts.values())
    return {f"share of {name}": part / whole for name, part in prediction.parts.items()} | {
        f"bound by {prediction.binds}": 1.0,
        f"algorithm {schedule.algorithm}": 1.0,
        f"kernel {schedule.microkernel}": 1.0,
        "pixels": log2(schedule.pixels),
        "vectors": log2(schedule.vectors),
        "unroll": log2(schedule.unroll),
    }


def samples_of(layer: str, space: Space, model: Model, records: Iterable[Record]) -> list[Sample]:
    """What records have of a layer, by its key; schedules that are none of it are left out."""
    found: list[Sample] = []
    for record in records:
        if record.key != layer or not isinstance(record.outcome, Measured):
            continue
        try:
            schedule = Schedule.parse(record.schedule)
        except ValueError:  # another version knew it
            continue
        if space.refusal(schedule) is None:
            one = space.canonical(schedule)
            found.append(Sample(layer, one, model.predict(one), record.outcome.seconds))
    return found


def learnt(samples: Iterable[Sample]) -> Correction | None:
    """What samples teach; None where they are few, or do not foretell each other."""
    good = [one for one in samples if isfinite(one.seconds) and one.seconds > 0]
    layers: dict[str, list[Sample]] = defaultdict(list)
    for one in good:
        layers[one.layer].append(one)
    kept = [group for layer in layers.values() if len(group := _without_strays(layer)) > 1]
    if sum(map(len, kept)) < LEAST:
        return None
    known = [[features(one.schedule, one.prediction) for one in group] for group in kept]
    names = sorted({name for group in known for one in group for name in one})
    table = [np.array([[one.get(n, 0.0) for n in names] for one in group]) for group in known]
    x = np.concatenate([rows - rows.mean(0) for rows in table])
    errors = [np.array([one.error for one in group]) for group in kept]
    y = np.concatenate([one - one.mean() for one in errors])
    shared = np.concatenate([np.full(len(group), 1 / len(group)) for group in kept])
    scale = x.std(0)
    scale[scale < 1e-9] = np.inf  # what never differs within a layer teaches nothing
    left, weights = min(
        (_ridge(x / scale, y, penalty, shared) for penalty in PENALTIES), key=lambda one: one[0]
    )
    if not left < WORTH * float(np.square(y / (1 - shared)).sum()):
        return None
    return Correction(dict(zip(names, map(float, weights / scale))))


def _without_strays(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of a layer whose errors are near those of the others."""
    middle = float(np.median([one.error for one in samples]))
    return [one for one in samples if abs(one.error - middle) < log(STRAY)]


def _ridge(x: Matrix, y: Matrix, penalty: float, shared: Matrix) -> tuple[float, Matrix]:
    """The squared error of samples that are left out one at a time, and the weights by all.

    `shared` is what each sample counts for in the mean of its layer, which is taken off x and y.
    """
    solved = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
    weights = solved @ y
    leverage = np.minimum(0.99, np.einsum("ij,ji->i", x, solved) + shared)
    return float(np.square((y - x @ weights) / (1 - leverage)).sum()), weights
