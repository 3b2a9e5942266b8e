"""The model: what it predicts is whole, what it ranks is legal, and reuse is what caches can hold."""

import math
import random

import numpy as np
import pytest

import lowbit
from autotune import plan
from autotune.block_loops import ORDERS
from autotune.model import Model, body_of
from autotune.plan import planned
from autotune.processors import table_of
from autotune.ranking import ranked
from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.target import TARGETS, Target
from tests.support.model_study import quality, spearman
from tests.support.tiers import TIERS


def space_of(tier: str, size: int = 14, channels: int = 64) -> Space:
    program = lowbit.conv2d(
        (1, size, size, channels), (3, 3, channels, channels), "uint2", "odd1", padding=1
    )
    op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
    return Space(op, Target.parse(tier))


@pytest.mark.parametrize("tier", TARGETS)
def test_choices_are_legal_distinct_and_in_order(tier: str) -> None:
    space = space_of(tier)
    found = ranked(space, table_of(space.target), 8)
    assert len({schedule for schedule, _ in found}) == 8
    assert all(space.refusal(schedule) is None for schedule, _ in found)
    assert all(space.canonical(schedule) == schedule for schedule, _ in found)
    times = [prediction.seconds for _, prediction in found]
    assert times == sorted(times)


def test_a_choice_keeps_what_is_pinned() -> None:
    space = space_of("x86-64-v3")
    pinned = Schedule(microkernel="popcount_bytes_32x8", planes="outer")
    found = ranked(space, table_of(space.target), 4, pinned)
    assert found
    for schedule, _ in found:
        assert (schedule.microkernel, schedule.planes) == ("popcount_bytes_32x8", "outer")


def test_every_drawn_schedule_has_a_time_and_its_parts() -> None:
    space, seeds = space_of("x86-64-v4-vpopcntdq"), random.Random(1)
    model = Model(space.demand.work, space.target, table_of(space.target))
    for _ in range(50):
        prediction = model.predict(space.sample(seeds))
        assert prediction.binds
        assert (
            0
            < max(prediction.parts.values())
            <= prediction.seconds
            <= sum(prediction.parts.values())
        )


def test_a_smaller_cache_makes_more_come_from_further_away() -> None:
    large, seeds = space_of("x86-64-v3,caches=32K/512K/16M", 28, 128), random.Random(2)
    small = space_of("x86-64-v3,caches=8K/64K/16M", 28, 128)
    models = [Model(s.demand.work, s.target, table_of(s.target)) for s in (large, small)]
    for _ in range(30):
        schedule = large.sample(seeds)
        first, second = (model.predict(schedule).reuses for model in models)
        assert first[0].bytes <= second[0].bytes
        assert first[0].level == "L1"


def test_bytes_do_not_depend_on_the_loops_asked_for_before() -> None:
    space, seeds = space_of("x86-64-v3", 28, 128), random.Random(3)
    model = Model(space.demand.work, space.target, table_of(space.target))
    for _ in range(20):
        schedule = space.sample(seeds)
        assert schedule.algorithm and schedule.microkernel and schedule.planes
        cost = model.cost(schedule.algorithm, schedule.microkernel)
        nest = model.nest(schedule)
        one = model.traffic(cost, nest, schedule.planes)
        for loops in (*ORDERS, nest.loops, *reversed(ORDERS)):
            fresh = Model(space.demand.work, space.target, model.machine)
            assert one.reuses(loops) == fresh.traffic(cost, nest, schedule.planes).reuses(loops)


def test_nothing_held_is_the_most_that_comes() -> None:
    space, seeds = space_of("x86-64-v3", 28, 128), random.Random(4)
    model = Model(space.demand.work, space.target, table_of(space.target))
    for _ in range(20):
        schedule = space.sample(seeds)
        assert schedule.algorithm and schedule.microkernel
        cost = model.cost(schedule.algorithm, schedule.microkernel)
        traffic = model.traffic(cost, model.nest(schedule), "outer")
        most = {one.level: one for one in traffic.unheld()}
        for loops in ORDERS:
            for one in traffic.reuses(loops):
                assert one.level not in most or one.bytes <= most[one.level].bytes * (1 + 1e-9)


@pytest.mark.parametrize("tier", TARGETS)
def test_tiles_take_no_less_than_what_they_take_at_least(tier: str) -> None:
    space, seeds = space_of(tier), random.Random(5)
    model = Model(space.demand.work, space.target, table_of(space.target))
    for _ in range(60):
        schedule = space.sample(seeds)
        assert schedule.algorithm and schedule.microkernel
        cost, nest = model.cost(schedule.algorithm, schedule.microkernel), model.nest(schedule)
        tiles = model.tiles(cost, nest, body_of(schedule)).cycles
        outputs = space.demand.work.pixels * -(-nest.channels // nest.lanes)
        least = outputs * cost.least(nest.vectors, schedule.pixels or 1)
        bounds = (
            outputs * cost.least(8, math.inf),
            least,
            model.least(cost, nest, body_of(schedule), least),
        )
        assert 0 < min(bounds) <= max(bounds) <= tiles * (1 + 1e-12)


def test_the_study_finds_that_the_model_agrees_with_itself() -> None:
    space = space_of("x86-64-v3")
    machine = table_of(space.target)
    model = Model(space.demand.work, space.target, machine)
    found = quality(
        space, machine, lambda some: [model.predict(one).seconds for one in some], samples=20
    )
    assert found.spearman > 0.999
    assert found.first == found.top
    assert spearman([1.0, 2.0, 3.0], [1.0, 4.0, 9.0]) == pytest.approx(1.0)


@pytest.mark.parametrize("tier", TIERS)
def test_a_planned_choice_computes_the_same(tier: str) -> None:
    program = lowbit.conv2d((1, 7, 7, 64), (3, 3, 64, 32), "uint2", "odd1", padding=1)
    op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
    schedule = planned(op, resolve_target(tier))
    seeds = np.random.default_rng(0)
    x = seeds.integers(0, 4, (1, 7, 7, 64)).astype(np.uint8)
    w = (2 * seeds.integers(0, 2, (3, 3, 64, 32)) - 1).astype(np.int8)
    got = lowbit.compile(program, tier, schedule)(x, w)
    assert np.array_equal(got, lowbit.reference(program, x, w))


@pytest.mark.parametrize("tier", TARGETS)
def test_windows_that_see_padding_alone_have_a_schedule(tier: str) -> None:
    program = lowbit.conv2d(
        (1, 1, 1, 64), (1, 2, 64, 16), "uint1", "uint1", padding=(0, 1, 0, 1), dilation=(1, 2)
    )
    op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
    assert planned(op, Target.parse(tier))


def test_a_machine_that_cannot_run_the_target_is_not_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "missing_on_host", lambda _: "this machine has no avx2")
    program = lowbit.dense((3, 64), (64, 16), "uint1", "odd1")
    with pytest.raises(ValueError, match="no avx2: use source=default"):
        lowbit.compile(program, schedule="model")
