"""What a model gets wrong in a known way is learnt from records; from few or bad ones nothing is."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log2
from random import Random

import pytest
from record_draws import a_record
from strategies import LinearCase, program_for

from autotune.correction import Correction, learnt, samples_of
from autotune.keys import key_of
from autotune.model import Model, Prediction
from autotune.outcome import Failed, Measured
from autotune.processors import table_of
from autotune.ranking import ranked
from autotune.record import Record
from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import TARGETS

TARGET = TARGETS["x86-64-v3"]
TABLE = table_of(TARGET)
Machine = Callable[[Schedule, Prediction], float]
"""What a made-up machine takes."""


class Layer:
    """A layer with its space and model."""

    def __init__(self, channels: int):
        case = LinearCase(
            "conv2d", "uint2", "odd1", 1, 8, 8, channels, 64, (3, 3), (1, 1), (1, 1, 1, 1)
        )
        self.op = next(op for op in program_for(case).walk() if isinstance(op, LinearOp))
        self.space = Space(self.op, TARGET)
        self.model = Model(self.space.demand.work, TARGET, TABLE)

    def records(self, machine: Machine, count: int, seed: int = 0) -> list[Record]:
        """Of schedules drawn at random."""
        found: list[Record] = []
        for number in range(count):
            one = self.space.sample(Random(1000 * seed + number))
            seconds = machine(one, self.model.predict(one))
            outcome = Measured(seconds, 0.0, seconds)
            found.append(a_record(key=key_of(self.op), schedule=str(one), outcome=outcome))
        return found

    def teach(self, records: list[Record]) -> Correction | None:
        return learnt(samples_of(key_of(self.op), self.space, self.model, records))

    def order(self, correction: Correction | None, seed: int) -> list[int]:
        """Places by what is predicted of schedules that lie in the order of what they take."""
        drawn = (self.space.sample(Random(1000 * seed + number)) for number in range(60))
        told = [(one, self.model.predict(one)) for one in dict.fromkeys(drawn)]
        told.sort(key=lambda one: wrong(*one))
        times = [(correction(*one) if correction else one[1]).seconds for one in told]
        return sorted(range(len(told)), key=times.__getitem__)


def wrong(schedule: Schedule, prediction: Prediction) -> float:
    """Look-ups take thrice, and each doubling of the pixels of a block 1.2 times what the model says."""
    assert schedule.microkernel and schedule.pixels
    factor = 3.0 if schedule.microkernel.startswith("lookup") else 1.0
    return prediction.seconds * factor * exp(0.18 * log2(schedule.pixels))


def shuffled(order: list[int]) -> float:
    """How far places are off on average, as a part of how many there are."""
    return sum(abs(at - place) for at, place in enumerate(order)) / len(order) ** 2


@pytest.fixture(scope="module")
def layer() -> Layer:
    return Layer(64)


def test_a_known_error_is_learnt_and_the_order_becomes_right(layer: Layer):
    correction = layer.teach(layer.records(wrong, 80))
    assert correction is not None
    before, after = shuffled(layer.order(None, 7)), shuffled(layer.order(correction, 7))
    assert before > 0.1 and after < 0.02
    plain = [one for one, _ in ranked(layer.space, TABLE, 8)]
    assert plain[0].microkernel and plain[0].microkernel.startswith("lookup")
    best = ranked(layer.space, TABLE, 8, correction=correction)
    times = [wrong(one, layer.model.predict(one)) for one, _ in best]
    assert times[0] < 1.05 * min(times) and min(times) < wrong(
        plain[0], layer.model.predict(plain[0])
    )


def test_layers_teach_together_and_what_all_of_one_share_is_no_lesson(layer: Layer):
    other = Layer(128)
    records = layer.records(wrong, 40) + other.records(lambda *one: 50 * wrong(*one), 40)
    samples = [
        sample
        for one in (layer, other)
        for sample in samples_of(key_of(one.op), one.space, one.model, records)
    ]
    assert len(samples) == 80
    correction = learnt(samples)
    assert correction is not None and shuffled(layer.order(correction, 7)) < 0.03
    assert learnt(reversed(samples[:40])) is not None


def test_the_same_records_teach_the_same(layer: Layer):
    records = layer.records(wrong, 50)
    first, second = layer.teach(records), layer.teach(records)
    assert first is not None and first == second


@pytest.mark.parametrize("seed", range(5))
def test_few_records_and_those_without_a_rule_teach_nothing(layer: Layer, seed: int):
    assert layer.teach(layer.records(wrong, 31, seed)) is None
    random = Random(seed)
    noise = layer.records(lambda _, told: told.seconds * random.uniform(0.5, 2), 60, seed)
    assert layer.teach(noise) is None
    right = layer.records(lambda _, told: told.seconds, 60, seed)
    assert layer.teach(right) is None


def test_bad_records_are_left_out(layer: Layer):
    good = layer.records(wrong, 50)
    plain = good[0]
    bad = [
        a_record(key=plain.key, schedule=plain.schedule, outcome=Failed("wrong", "")),
        a_record(key=plain.key, schedule="pixels = several", outcome=plain.outcome),
        a_record(key=plain.key, schedule="microkernel = none_8x8", outcome=plain.outcome),
        a_record(key="1" * 32, schedule=plain.schedule, outcome=plain.outcome),
        a_record(key=plain.key, schedule=plain.schedule, outcome=Measured(1e3, 0.0, 1e3)),
        a_record(key=plain.key, schedule=plain.schedule, outcome=Measured(1e-12, 0.0, 1e-12)),
    ]
    assert layer.teach(good + bad) == layer.teach(good)
    assert layer.teach(bad * 20) is None
