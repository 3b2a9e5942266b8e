"""What is measured is the layer. How fast it is, no test asks."""

import math

import numpy as np
import pytest

from lowbit.bench import benchmark
from lowbit.bench.benchmark import Question, geometric_means, measure
from lowbit.bench.suites import SUITES, ConvLayer, DenseLayer, Layer, program_of
from lowbit.bench.timing import ALLOCATIONS, Timer
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target

TIMER = Timer(host_target(), 0)


@pytest.mark.parametrize(
    "layer", [ConvLayer("c", 4, 4, 32, 32, 3, 1, 1), DenseLayer("d", 3, 64, 40)]
)
@pytest.mark.parametrize(
    ("activation", "weight", "output"),
    [("uint1", "odd1", None), ("i8", "i8", None), ("f32", "f32", None), ("uint2", "int2", "uint2")],
)
def test_a_layer_is_measured(layer: Layer, activation: str, weight: str, output: str | None):
    got = measure(layer, Question(activation, weight, output), TIMER)
    assert got.output == (output or ("f32" if activation == "f32" else "i32"))
    assert math.isfinite(got.over_limit) and got.over_limit > 0
    assert got.limited_by in got.work.rates and got.family in got.work.products
    assert len(got.runs_us) == ALLOCATIONS and min(got.runs_us) <= got.time_us <= max(got.runs_us)
    assert type(layer).parse(got.shape).shape == layer.shape
    assert str(Schedule.parse(got.schedule)) == got.schedule
    assert got.peers == () and got.fastest_peer("f32") is None


def test_thresholds_split_the_sums_of_each_channel():
    sums = np.random.default_rng(0).integers(-50, 50, (1, 10, 10, 4))
    sums += np.array([0, 0, 100, -100])
    table = benchmark._splitting(sums, "uint2")  # pyright: ignore[reportPrivateUsage]
    codes = (sums[..., None] >= table).sum(-1).reshape(-1, 4)
    assert table.shape == (4, 3) and (np.diff(table) >= 0).all()
    for channel in codes.T:
        assert np.bincount(channel, minlength=4) == pytest.approx(25, abs=6)


def test_a_packed_output_is_what_a_next_layer_reads():
    table = np.zeros((40, 1), np.int32)
    program = program_of(DenseLayer("", 3, 64, 40), "uint1", "uint1", ("w",), (table, "uint1"))
    assert "#lowbit.layout<[d0, planes, d1 by 32], i32>" in str(program.outputs[0].type)


def test_means_are_of_3x3_layers_and_of_all():
    asked, suite = Question("uint1", "uint1", check=False), SUITES["resnet18"]
    chosen = [layer for layer in suite if layer.name in ("C8", "C11", "C10")]
    results = [measure(layer, asked, TIMER) for layer in chosen]
    assert list(geometric_means(results)) == ["limit, 3x3 layers", "limit, all layers"]
    assert list(geometric_means(results[1:2])) == ["limit, all layers"]


def test_suites_name_their_layers_once():
    for suite in SUITES.values():
        assert len({layer.name for layer in suite}) == len(suite)
