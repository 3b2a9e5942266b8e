"""Rates are rates, prepared when asked for. How fast the machine is, no test asks."""

import math

import pytest
from tiers import TIERS

from autotune.bandwidth import MEMORY, buffer_bytes, memory_levels
from autotune.rates import Rates
from lowering.backend.host import host_target
from lowering.backend.machine import BackendError
from lowering.backend.memory_probe import STEP
from microkernels.target import TARGETS


@pytest.mark.parametrize("name", TIERS)
def test_every_tier_has_every_rate(name: str):
    rates = Rates(TARGETS[name])
    assert {"binary", "i8", "i16", "f32", "L1 read", "memory write"} <= set(rates.names)
    for one in ("binary", "i8", "i16", "f32", "L1 read", "L1 write", "L2 read"):
        assert math.isfinite(rates.sample(one)) and rates.sample(one) > 0


def test_a_median_takes_the_samples_that_it_lacks(monkeypatch: pytest.MonkeyPatch):
    rates, values = Rates(host_target()), iter([5.0, 1.0, 4.0, 2.0, 3.0, 100.0])
    monkeypatch.setattr("autotune.rates.product_sampler", lambda target, kind: values.__next__)
    assert rates.sample("i8") == 5.0
    assert rates.median("i8", at_least=5) == 3.0
    assert rates.median("i8", at_least=2) == 3.0
    assert next(values) == 100.0


def test_buffers_fit_their_level_or_pass_all():
    for level, size in memory_levels().items():
        assert 0 < buffer_bytes(level) <= size and buffer_bytes(level) % STEP == 0
    assert buffer_bytes(MEMORY) > 2 * max(memory_levels().values())
    assert buffer_bytes(MEMORY) % STEP == 0


def test_a_target_that_cannot_run_has_no_rates(monkeypatch: pytest.MonkeyPatch):
    from lowering.backend import host

    monkeypatch.setattr(host, "host_features", lambda: frozenset(TARGETS["x86-64"].features))
    with pytest.raises(BackendError, match="cannot run the code"):
        Rates(TARGETS["x86-64-v3"])
