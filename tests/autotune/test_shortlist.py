"""What is measured first: legal, the cheapest first, and not all of a kind."""

from dataclasses import replace

import pytest

import lowbit
from autotune.processors import table_of
from autotune.ranking import ranked
from autotune.shortlist import batch, shortlist
from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target
from tests.support.tiers import TIERS


@pytest.mark.parametrize("tier", TIERS)
def test_choices_are_legal_distinct_and_the_cheapest_is_first(tier: str) -> None:
    program = lowbit.conv2d((1, 14, 14, 64), (3, 3, 64, 64), "uint2", "odd1", padding=1)
    op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
    space = Space(op, Target.parse(tier))
    machine = table_of(space.target)
    found = [schedule for schedule, _ in shortlist(space, machine, 8)]
    assert found[0] == ranked(space, machine, 1)[0][0]
    assert len(set(found)) == 8
    for schedule in found:
        assert space.refusal(schedule) is None and space.canonical(schedule) == schedule
    assert found == [schedule for schedule, _ in shortlist(space, machine, 8)]


FIRST = Schedule(algorithm="direct", microkernel="lookup_4x32", vectors=2, pixels=4, unroll=2)


def test_a_batch_has_what_errs_otherwise() -> None:
    twins = [replace(FIRST, prefetch=number) for number in range(8)]
    other = replace(FIRST, microkernel="dot_u8s8x8")
    seconds = [1 + 0.001 * number for number in range(8)]
    assert other in batch([*twins, other], [*seconds, 1.03], 4)
    assert other not in batch([*twins, other], [*seconds, 1.6], 4)


def test_a_batch_has_no_more_than_there_is() -> None:
    assert batch([FIRST], [1.0], 8) == [FIRST]
