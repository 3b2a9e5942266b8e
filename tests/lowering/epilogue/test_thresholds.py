"""Thresholds that leave as planes: generated code against the reference, between guards."""

import numpy as np
import pytest
from executed import TIERS, check
from programs import Net, inputs
from thresholds import CODES, PAIRS, RESIDUALS, TABLES, added_codes, packed, packed_thresholds
from xdsl.dialects.builtin import f32, i32

from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.elementwise import AddOp, RequantizeOp, ThresholdOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels

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


@pytest.mark.parametrize("depth", [2184, 2185])
@pytest.mark.parametrize("pair", [("uint4", "uint1"), ("uint4", "odd1"), ("odd4", "uint1")])
@pytest.mark.parametrize("tier", ["x86-64-v2", "x86-64-v3"])
def test_sums_that_just_fit_i16(tier: str, pair: tuple[str, str], depth: int):
    """15 * 2184 is the last multiple that is compared in lanes of i16; thresholds lie round the ends."""
    net, ends = Net(), 15 * depth * np.array([-2, -1, 0, 1, 2])
    x, w = net.input((3, depth), pair[0]), net.input((depth, 33), pair[1], constant=True)
    name = next(kernel for of, kernel in KERNELS if of == tier and kernel.startswith("lookup"))
    sums = net.dense(x, w, schedule=Schedule(microkernel=name))
    near = (ends[:, None] + np.array([-2, -1, 0, 1, 2])).flatten()
    steps = np.sort(np.resize([*near, -(2**15), 2**15, 2**31 - 1, -(2**31)], (33, 3)), axis=1)
    table = net.constant(steps.astype(np.int32), i32)
    module = net.module(packed(net, ThresholdOp(sums, table, parse_code("uint2"))))
    data = [
        inputs(module, fills, 1)
        for fills in (("maximum",), ("minimum",), ("minimum", "maximum"), ("maximum", "random"))
    ]
    check(module, data, tier, fuse=True)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("tier", TIERS[1:])
def test_planes_of_thresholds_of_floats(tier: str, given: bool):
    """f32 with ends, zeros and NaN: a table that is not known to ascend, and one that is."""
    net, random = Net(), np.random.default_rng(given)
    x, w = net.input((3, 40), "uint2"), net.input((40, 33), "odd1", constant=True)
    scale = net.constant(np.float32([0.25, -1e38] + 31 * [0.5]), f32)
    real = net.add(RequantizeOp(net.dense(x, w), scale, f32))
    real = net.add(AddOp(real, net.input((3, 33), f32)))
    steps = random.integers(-9, 9, (33, 3)).astype(np.float32)
    steps[:4] = [[-np.inf, 0, np.inf], [-3e38, -0.0, np.nan], 3 * [np.inf], [0, 0, np.nan]]
    table = net.input((33, 3), f32) if given else net.constant(np.sort(steps, axis=1), f32)
    module = net.module(packed(net, ThresholdOp(real, table, parse_code("uint2"))))
    added = random.choice(np.float32([0, -0.0, 1, np.inf, -np.inf, np.nan]), (3, 33))
    data = [[*inputs(module, (fill,), 1)[:2], added] for fill in ("random", "maximum")]
    check(module, [[*one, steps] if given else one for one in data], tier, fuse=True)


@pytest.mark.parametrize(("tier", "name"), KERNELS)
def test_codes_that_are_added_to_sums(tier: str, name: str):
    for number, pair in enumerate(PAIRS):
        other = RESIDUALS[(number + KERNELS.index((tier, name))) % len(RESIDUALS)]
        if name.startswith("lookup") and pair[0] == "int2":
            continue
        schedule = Schedule(microkernel=name, pixels=1 + number % 4, unroll=1, taps="none")
        module = added_codes(pair, other, schedule, number)
        data = [inputs(module, (fill,), number) for fill in ("random", "maximum", "minimum")]
        check(module, data, tier, fuse=True)
