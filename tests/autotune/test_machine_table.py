"""Tables of machines: every class has a price, for every target; measured ones are whole."""

import pytest

from autotune.machine_measured import measured_table
from autotune.machine_table import GENERAL, LEVELS, VECTOR, MachineTable
from autotune.processors import table_of
from lowering.backend.host import resolve_target
from microkernels.instructions import CLASSES
from microkernels.target import TARGETS, Target
from tests.support.tiers import TIERS

PROCESSORS = (
    "znver3",
    "znver4",
    "znver5",
    "icelake-server",
    "cascadelake",
    "skylake-avx512",
    "x86-64-v3,cpu=cascadelake",
    "haswell",
)


def check_whole(table: MachineTable) -> None:
    assert set(CLASSES) == {*VECTOR, *GENERAL, "copy", "load", "broadcast", "spread", "store"}
    assert set(table.rates) == set(CLASSES) - {"copy"}  # as any other on vectors
    assert set(table.read) == set(table.write) == set(LEVELS)
    prices = (*table.rates.values(), *table.latency.values(), *table.read.values())
    assert min(prices) > 0 and 0 < table.mixing <= 1
    assert table.vector >= max(table.rates[name] for name in ("popcount", "look_up", "multiply"))


@pytest.mark.parametrize("name", [*TARGETS, *PROCESSORS])
def test_every_target_has_a_shipped_table(name: str) -> None:
    check_whole(table_of(Target.parse(name)))


def test_wide_vectors_cost_two_halves_on_zen_4() -> None:
    wide = table_of(Target.parse("znver4"))
    narrow = table_of(Target.parse("x86-64-v3,cpu=znver4"))
    assert narrow.rates["popcount"] == 2 * wide.rates["popcount"]


def test_a_narrower_register_has_three_pipes_on_cascade_lake() -> None:
    wide, narrow, narrowest = (
        table_of(Target.parse(f"{level},cpu=cascadelake"))
        for level in ("x86-64-v4", "x86-64-v3", "x86-64-v2")
    )
    assert (wide.vector, narrow.vector) == (2, 3)
    assert narrow is narrowest  # of 128 bits as of 256


@pytest.mark.parametrize("tier", TIERS)
def test_this_machine_is_measured_once(tier: str) -> None:
    table = measured_table(resolve_target(tier))
    check_whole(table)
    assert table is measured_table(resolve_target(tier))
    assert table.clock > 1e8
