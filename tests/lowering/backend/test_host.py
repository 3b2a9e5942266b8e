"""The host as a target, and the answer to whether it can run another's code."""

import pytest
from tiers import supported_tiers

from lowering.backend import host
from microkernels.target import TARGETS, Target


@pytest.fixture
def as_arm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "host_arch", lambda: "aarch64")
    host.host_target.cache_clear()
    yield
    host.host_target.cache_clear()


def test_the_host_is_a_target_that_it_can_run():
    target = host.host_target()
    assert Target.parse(str(target)) == target
    assert host.missing_on_host(target) == ""
    assert target.name == supported_tiers()[-1]
    assert min(target.caches[:2]) > 0


def test_the_host_may_be_overridden():
    assert host.resolve_target("host") == host.host_target()
    assert host.resolve_target("host,vector_bits=64").vector_bits == 64
    assert host.resolve_target(TARGETS["x86-64"]) is TARGETS["x86-64"]
    assert host.resolve_target("znver5") == Target.parse("znver5")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    level = frozenset(TARGETS["x86-64-v3"].features)
    monkeypatch.setattr(host, "host_features", lambda: level)
    reason = host.missing_on_host(Target.parse("x86-64-v3,+gfni"))
    assert reason == "target x86-64-v3,+gfni needs gfni, which this machine does not have"
    assert supported_tiers() == ("x86-64", "x86-64-v2", "x86-64-v3")


def test_hidden_features_of_the_processor_are_not_claimed(monkeypatch: pytest.MonkeyPatch):
    shown = frozenset({*TARGETS["x86-64-v3"].features, "gfni"})
    monkeypatch.setattr(host, "host_features", lambda: shown)
    monkeypatch.setattr(host._llvm, "get_host_cpu_name", lambda: "znver4")
    host.host_target.cache_clear()
    try:
        target = host.host_target()
    finally:
        host.host_target.cache_clear()
    assert (target.name, target.cpu) == ("x86-64-v3", "znver4")
    assert target.has("gfni") and not target.has("avx512f")


def test_a_processor_newer_than_the_table_gets_its_level(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host._llvm, "get_host_cpu_name", lambda: "znver99")
    host.host_target.cache_clear()
    try:
        target = host.host_target()
    finally:
        host.host_target.cache_clear()
    assert target.cpu == TARGETS[target.name].cpu


def test_another_architecture_is_refused_in_one_sentence(as_arm: None):
    with pytest.raises(ValueError, match="no target describes this aarch64 machine"):
        host.host_target()
    assert host.missing_on_host(TARGETS["x86-64"]) == (
        "target x86-64 is for x86_64, and this machine is aarch64"
    )
    assert supported_tiers() == ()


def test_caches_have_a_fallback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_sysfs_caches", lambda: {})
    monkeypatch.setattr(host.os, "sysconf_names", {})
    assert host._host_caches((1, 2, 3)) == (1, 2, 3)
