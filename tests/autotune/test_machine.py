"""Rates are rates, facts are JSON, pinning is undone. How fast the machine is, no test asks."""

import json
import math
import os

import pytest
from tiers import TIERS

from autotune import machine
from lowering.backend.host import host_target
from lowering.backend.machine import BackendError
from microkernels.target import TARGETS


@pytest.mark.parametrize("name", TIERS)
def test_every_tier_of_this_machine_has_a_rate(name: str):
    rate = machine.measure_popcount_rate(TARGETS[name], repetitions=3)
    assert math.isfinite(rate) and rate > 0


def test_samples_can_be_taken_one_by_one():
    sample = machine.popcount_sampler(host_target())
    assert all(sample() > 0 for _ in range(3))


def test_an_interrupted_call_is_timed_again(monkeypatch: pytest.MonkeyPatch):
    switches, calls = iter([0, 1, 1, 2, 2, 2]), list[int]()
    monkeypatch.setattr(machine, "_switches", lambda: next(switches))
    assert machine.time_alone(lambda: calls.append(1)) > 0
    assert len(calls) == 3
    switches = iter(range(100))
    machine.time_alone(lambda: calls.append(1), attempts=4)
    assert len(calls) == 7


def test_a_target_that_cannot_run_has_no_rate(monkeypatch: pytest.MonkeyPatch):
    from lowering.backend import host

    monkeypatch.setattr(host, "host_features", lambda: frozenset(TARGETS["x86-64"].features))
    with pytest.raises(BackendError, match="cannot run the code"):
        machine.measure_popcount_rate(TARGETS["x86-64-v3"])


def test_facts_are_json_and_name_every_version():
    facts = machine.machine_facts()
    assert json.loads(json.dumps(facts)) == facts
    for name in ("cpu", "target", "cores", "llvm", "xdsl", "llvmlite", "numpy"):
        assert facts[name]
    assert facts["llvm"].count(".") == 2


def test_pinning_is_undone():
    before = os.sched_getaffinity(0)
    with machine.pin_core() as core:
        assert os.sched_getaffinity(0) == {core}
        with machine.pin_core(core):
            assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before
    with pytest.raises(RuntimeError), machine.pin_core(min(before)):
        raise RuntimeError
    assert os.sched_getaffinity(0) == before


def test_a_core_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="core 100000 is not among"), machine.pin_core(100_000):
        pass


def test_without_affinity_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    with machine.pin_core() as core:
        assert core is None
