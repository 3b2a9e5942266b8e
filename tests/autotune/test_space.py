"""The space of schedules: what is drawn is legal, canonical and a program of its own, of the same bits."""

from dataclasses import replace
from hashlib import sha256
from random import Random

import numpy as np
import pytest

import lowbit
from autotune.space import FIELDS, Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.target import TARGETS

PAIRS = [("uint1", "uint1"), ("uint2", "odd1"), ("uint2", "uint2")]
SMALL = lowbit.conv2d((1, 6, 7, 40), (3, 3, 40, 24), "uint2", "odd1", padding=1)


def space_of(program: lowbit.Program, target: str) -> Space:
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    return Space(op, resolve_target(target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("activation", "weight"), PAIRS)
def test_what_is_drawn_is_legal_and_canonical(target: str, activation: str, weight: str):
    program = lowbit.conv2d((1, 14, 14, 64), (3, 3, 64, 64), activation, weight, padding=1)
    space, random = space_of(program, target), Random(1)
    first = space.sample(random)
    for _ in range(40):
        second = space.sample(random)
        near = space.mutate(first, random)
        assert near != first
        for one in (second, near, space.cross(first, second, random)):
            assert space.refusal(one) is None
            assert space.canonical(one) == one
            assert not one.open()
        first = near


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4-vpopcntdq"])
def test_thousands_of_schedules(target: str):
    program = lowbit.conv2d((1, 14, 14, 256), (3, 3, 256, 256), "uint1", "uint1", padding=1)
    space, found = space_of(program, target), set[Schedule]()
    for schedule in space:
        assert schedule not in found
        found.add(schedule)
        if len(found) > 5000:
            break
    assert len(found) > 5000


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_canonical_schedules_are_programs_of_their_own(target: str):
    space, random, seen = space_of(SMALL, target), Random(7), dict[str, Schedule]()
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 4, (1, 6, 7, 40)), rng.integers(0, 2, (3, 3, 40, 24)) * 2 - 1
    right = lowbit.reference(SMALL, x, w)
    for _ in range(6):
        schedule = space.sample(random)
        kernel = lowbit.compile(SMALL, target, schedule=schedule)
        ((_, ran),) = kernel.schedules
        assert ran == schedule
        assert np.array_equal(kernel(x, w), right)
        program = sha256(kernel.ir("kernels").encode()).hexdigest()
        assert seen.setdefault(program, schedule) == schedule


def test_fields_are_those_of_a_schedule():
    assert sorted(FIELDS) == sorted(Schedule().open())


def test_fields_without_effect_have_one_value():
    """A single tap has no borders to peel, no columns to unroll; a dense layer has one row."""
    space, random = (
        space_of(lowbit.dense((3, 64), (64, 16), "uint1", "odd1"), "x86-64-v3"),
        Random(3),
    )
    for _ in range(20):
        one = space.sample(random)
        assert (one.algorithm, one.taps, one.borders) == ("direct", "none", "peeled")
        assert (one.planes, one.tables, one.parallel) == ("outer", "whole", "none")


def test_a_strip_stays_where_another_tile_has_one_step():
    """Its tables are made in the loop over tiles of rows, so that this is not simplified away."""
    space, random = space_of(SMALL, "x86-64-v3"), Random(0)
    loops = "[rows by 2, channels by 1, rows, channels, pixels]"
    pinned = f"microkernel = lookup_4x32, loops = {loops}, tables = strips"
    drawn = replace(space.sample(random), algorithm="direct", planes="outer", unroll=1)
    found = space.canonical(Schedule.parse(pinned).completed(drawn))
    assert space.refusal(found) is None
    assert (found.tables, found.loops and str(found.loops[0])) == ("strips", "rows by 2")
