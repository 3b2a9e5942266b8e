"""Thresholds that leave as planes: generated code against the reference, between guards."""

import pytest
from executed import TIERS, check
from programs import inputs
from thresholds import CODES, PAIRS, TABLES, packed_thresholds

from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.choice import kernels

KERNELS = [
    (tier, kernel.name)
    for tier in TIERS
    for kernel in kernels(resolve_target(tier))
    if kernel.lanes >= 8 and kernel.name.startswith(("popcount", "lookup"))
]


@pytest.mark.parametrize("spelling", CODES)
@pytest.mark.parametrize(("tier", "name"), KERNELS)
def test_planes_of_thresholds(tier: str, name: str, spelling: str):
    """Two pairs for each code and kernel: each pair meets each kernel, and all but one of the codes."""
    code = CODES.index(spelling)
    pairs = [pair for pair in PAIRS if not (name.startswith("lookup") and pair[0] == "int2")]
    for number in (code + KERNELS.index((tier, name)) + step for step in (0, 2)):
        pair = pairs[number % len(pairs)]
        kind = TABLES[(number + code) % len(TABLES)]
        schedule = Schedule(microkernel=name, pixels=1 + number % 4, unroll=1, taps="none")
        module = packed_thresholds(pair, spelling, kind, schedule, number)
        data = [inputs(module, (fill,), number) for fill in ("random", "maximum")]
        packed = check(module, data, tier, fuse=True)
        assert "lowbit.unpack" not in str(packed)
