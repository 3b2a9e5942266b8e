"""Tasks: any cut of any parallel axis, and a pool of threads, write the bits of one thread."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from networks import Drawn, networks
from programs import Net, inputs
from sampling import sample
from schedules import linear_of, pin, pin_all, schedules
from strategies import LinearCase, linear_cases, plain_pairs, program_for
from xdsl.dialects.builtin import i32, i64
from xdsl.parser import Parser
from xdsl.utils.exceptions import PassFailedException

from lowbit.registry import context
from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.schedule import CHOICES, Schedule
from lowering.loops.tasks import tasks_of
from lowering.lowbit_tile import LowbitTilePass

AXES = (None, *CHOICES["parallel"])


def rounding(case: LinearCase, x: Any, w: Any) -> Any:
    """K * eps * sum |x| |w| of each output."""
    from lowbit_dialect import reference

    sums = reference.run(program_for(case), np.abs(x), np.abs(w))[0]
    depth = linear_of(program_for(case)).contraction.depth
    return depth * np.finfo(np.float32).eps * sums.astype(np.float64)


def execute(case: LinearCase, schedule: Schedule | None, parallel: str | None, tier: str) -> None:
    module, arrays = program_for(case), case.arrays()
    pin(module, replace(schedule or Schedule(), parallel=parallel))
    limits = [rounding(case, *arrays)] if case.activation == "f32" else None
    threads = 2 + case.seed % 2
    check(
        module, [arrays], tier, tolerance=limits, threads=threads, verify_each=case.seed % 16 == 5
    )


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("tier", TIERS)
def test_linear(tier: str, part: int) -> None:
    def run(case: LinearCase, parallel: str, drawn: st.DataObject) -> None:
        execute(case, drawn.draw(schedules(program_for(case), tier)), parallel, tier)

    cases = linear_cases(plain_pairs(), largest=7).map(padded_legally)
    drawn = linear_cases(largest=7) if part else cases
    sample(run, 10 * part + TIERS.index(tier), drawn, st.sampled_from(AXES), st.data())


def padded_legally(case: LinearCase) -> LinearCase:
    """Corrections of padding are i32, so sums in i64 pad with 0."""
    return replace(case, pad_value=0) if case.accumulator == i64 else case


@pytest.mark.parametrize("parallel", AXES)
@pytest.mark.parametrize("channels", [1, 8, 33, 96])
@pytest.mark.parametrize("height", [1, 2, 7])
def test_fewer_units_than_threads_and_tails(
    height: int, channels: int, parallel: str | None
) -> None:
    case = LinearCase(
        "conv2d", "uint2", "odd1", batch=2, height=height, width=6, channels=5, outputs=channels
    )
    execute(replace(case, padding=(1, 1, 1, 1), seed=height), None, parallel, TIERS[-1])


@pytest.mark.parametrize("parallel", AXES)
@pytest.mark.parametrize("pixels", [1, 2, 3, 8, 9, 14, 29])
def test_pixels_in_a_straight_line(pixels: int, parallel: str | None) -> None:
    case = LinearCase("dense", "uint1", "uint1", height=pixels, channels=70, outputs=40, seed=1)
    execute(case, Schedule(pixels=2 + pixels // 3), parallel, TIERS[-1])


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("tier", TIERS)
def test_networks(tier: str, part: int) -> None:
    def run(drawn: Drawn, fuse: bool) -> None:
        check(drawn.module, drawn.sets, tier, fuse=fuse, threads=2 + part)

    often = st.sampled_from((True, True, True, False))
    sample(run, 20 + 10 * part + TIERS.index(tier), networks(most=2), often, count=6)


@pytest.mark.parametrize("parallel", AXES)
@pytest.mark.parametrize("channels", [8, 16, 24, 32, 40, 63, 64, 65])
@pytest.mark.parametrize("tier", TIERS)
def test_channels_that_share_a_word(tier: str, channels: int, parallel: str | None) -> None:
    """A block of channels clears the rest of its word: not while another thread fills that."""
    code, net = parse_code("uint2"), Net()
    assert isinstance(code, CodeType)
    x = net.input((1, 3, 4, 9), "uint2")
    w = net.input((3, 3, 9, channels), "int2", constant=True)
    steps = np.sort(np.random.default_rng(0).integers(-12, 12, (channels, code.steps)), axis=1)
    y = net.conv2d(x, w, schedule=Schedule(vectors=1, parallel=parallel))
    codes = net.add(ThresholdOp(y, net.constant(steps.astype(np.int32), i32), code))
    module = net.module(net.conv2d(codes, net.input((1, 1, channels, 3), "odd1", constant=True)))
    if not parallel:
        pin_all(module, tier, "popcount")
    check(module, [inputs(module, ["random"], channels)], tier, fuse=True, threads=2)


def apply(text: str, threads: int) -> str:
    module = Parser(context(), text).parse_module()
    LowbitTilePass(target="x86-64", threads=threads, least=0).apply(context(), module)
    return str(module)


POOL = """
func.func @f(%x: memref<1x2x2x4xi32>, %y: memref<1x2x2x4xi32>) {
  lowbit.max_pool %x outs(%y : memref<1x2x2x4xi32>) {kernel = array<i64: 1, 1>} : memref<1x2x2x4xi32>
  func.return
}
"""


def test_a_function_of_other_arguments_is_no_task() -> None:
    task = "func.func @f_task7(%x: memref<4xi32>) attributes {lowbit.extent = 3} { func.return }"
    module = Parser(context(), apply(f"{task}\n{POOL}", 2)).parse_module()
    assert [symbol for symbol, _ in tasks_of(module, "f")] == ["f_task0"]


def test_refusals() -> None:
    with pytest.raises(PassFailedException, match="lowbit-tile has threads=0: expected 1 or more"):
        apply(POOL, 0)
    taken = f"func.func private @f_task0() -> ()\n{POOL}"
    assert "func.call" not in apply(taken, 1)
    inside = POOL.replace(" outs(%y", " outs(%z").replace(
        "  lowbit", "  %z = memref.alloc() : memref<1x2x2x4xi32>\n  lowbit"
    )
    with pytest.raises(
        PassFailedException, match=r"^'lowbit.max_pool' in @f reads memref<1x2x2x4xi32> that is no"
    ):
        apply(inside, 2)
    with pytest.raises(PassFailedException, match="@f needs @f_task0, but there is one: rename it"):
        apply(taken, 2)
