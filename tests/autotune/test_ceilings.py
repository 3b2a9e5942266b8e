"""The ceilings of a table are what its probes would find: instructions of their bodies over its rates."""

from __future__ import annotations

import pytest

from autotune.ceilings import ceilings, cycles, level_in
from autotune.machine_table import LEVELS
from autotune.processors import table_of
from autotune.rates import BINARY
from lowering.backend.product_probe import KINDS
from microkernels.target import TARGETS, Target


@pytest.mark.parametrize(
    ("target", "binary", "i8", "i16", "f32"),
    [
        ("x86-64-v4-vpopcntdq,cpu=znver5", 512 / (3 / 4), 128, 64, 32),
        ("x86-64-v4", 512 / (6 / 4), 64 * 2 / 2, 32 * 2, 32),
        ("x86-64-v3,cpu=znver5", 256 / (6 / 4), 32, 32, 16),
        ("x86-64-v2,cpu=znver5", 64 / (3 / 4.5), 16, 16, 4),
        ("x86-64,cpu=znver5", 64 / (14 / 4.5), 16, 16, 4),
    ],
)
def test_multiply_adds_a_cycle(target: str, binary: float, i8: float, i16: float, f32: float):
    one = Target.parse(target)
    table = table_of(one)
    rates = ceilings(one, table)
    found = [rates[name] / table.clock for name in ("binary", "i8", "i16", "f32")]
    assert found == pytest.approx([binary, i8, i16, f32])


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_every_rate(name: str):
    target = TARGETS[name]
    rates = ceilings(target, table_of(target))
    bytes_of = {f"{level} {kind}" for level in LEVELS for kind in ("read", "write")}
    assert set(rates) == {BINARY, *KINDS} | bytes_of
    assert all(rate > 0 for rate in rates.values())


def test_the_busiest_pipes_set_the_time():
    table = table_of(Target.parse("znver5"))
    assert cycles({"popcount": 4}, table) == 2
    assert cycles({"popcount": 4, "integer": 8}, table) == 3  # four pipes for all vectors
    assert cycles({"load": 2, "scalar": 36}, table) == 8


def test_what_holds_so_many_bytes():
    target = Target.parse("x86-64-v3,caches=32K/512K/32M")
    sizes = (1, 32 << 10, (32 << 10) + 1, 1 << 20, 33 << 20)
    assert [level_in(target, size) for size in sizes] == ["L1", "L1", "L2", "L3", "memory"]
