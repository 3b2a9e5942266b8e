"""Fused networks through the arena: epilogues, packed stores with every channel tail, residuals."""

from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from networks import CHANNELS, Drawn, networks
from programs import Net, inputs
from sampling import sample
from schedules import pin_all, pin_strips
from strategies import code_types, seeds
from xdsl.dialects.builtin import i32

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import output_type
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.linear import LinearOp


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("tier", TIERS)
def test_networks(tier: str, part: int):
    def run(drawn: Drawn, fuse: bool) -> None:
        check(drawn.module, drawn.sets, tier, fuse=fuse)

    often = st.sampled_from((True, True, True, False))
    sample(run, 10 * part + TIERS.index(tier), networks(most=2), often, count=7)


@pytest.mark.parametrize("strip", [1, 2])
@pytest.mark.parametrize("tier", ["x86-64-v2", "x86-64-v3"])
def test_tables_in_strips(tier: str, strip: int):
    """Planes outlive all that is written while tables are still to be made from them."""

    def run(drawn: Drawn) -> None:
        pin_strips(drawn.module, tier, strip)
        check(drawn.module, drawn.sets, tier, fuse=True)

    sample(run, 70 + 10 * strip + TIERS.index(tier), networks(most=3), count=8)


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("tier", TIERS)
def test_packed_stores(tier: str, part: int):
    """Codes that a convolution stores packed and the next one reads: any code, any number of channels."""

    def run(code: CodeType, channels: int, small: int, number: int) -> None:
        random, net = np.random.default_rng(number), Net()
        x = net.input((1, 2, 3, small), "uint2")
        w = net.input((1, 1, small, channels), "int2", constant=True)
        steps = np.sort(random.integers(-12, 12, (channels, code.steps)), axis=1)
        rows = net.constant(steps.astype(np.int32), i32)
        codes = net.add(ThresholdOp(net.conv2d(x, w), rows, code))
        readers = net.input((1, 1, channels, 3), "odd1", constant=True)
        module = net.module(net.conv2d(codes, readers))
        pin_all(module, tier, "popcount", pixels=1)
        sets: list[Any] = [inputs(module, [fill], number) for fill in ("random", "maximum")]
        packed = check(module, sets, tier, fuse=True)
        first = next(op for op in packed.walk() if isinstance(op, LinearOp))
        layout = layout_of(output_type(first))
        assert tier in ("x86-64", "x86-64-v2") or (layout is not None and layout.packed)

    sample(
        run,
        10 * part + TIERS.index(tier),
        code_types(),
        st.sampled_from((*CHANNELS, 63, 64, 65)),
        st.sampled_from((1, 5, 33)),
        seeds(),
        count=8,
    )


@pytest.mark.parametrize("tier", TIERS)
def test_constant_weights_are_kept_once(tier: str):
    """Corrections folded from constant weights once left the unpacked weights behind."""
    net = Net()
    x = net.input((1, 3, 3, 5), "uint2")
    w = net.constant(np.ones((3, 3, 5, 4), np.int8), "odd2")
    module = net.module(net.conv2d(x, w, padding=(1, 1, 1, 1)))
    pin_all(module, tier, "popcount")
    packed = check(module, [inputs(module, ["random"], 0)], tier)
    constants = [op for op in packed.walk() if isinstance(op, ConstantOp)]
    assert all(layout_of(op.result.type) is not None for op in constants)
