"""`conv2d` and `dense` on every tier of the host: generated code against the reference, between guards."""

from dataclasses import replace

import numpy as np
import pytest
from dialect_text import parse
from executed import TIERS, check
from hypothesis import strategies as st
from linear_data import data_of
from programs import Net, inputs
from sampling import sample
from schedules import in_strips, linear_of, pin, pin_all, schedules
from strategies import (
    LinearCase,
    depthwise_cases,
    linear_cases,
    look_up_pairs,
    plain_pairs,
    program_for,
)
from xdsl.dialects.builtin import i64
from xdsl.utils.exceptions import PassFailedException, VerifyException

from lowbit_dialect.algebra import OFFSETS
from lowbit_dialect.codes import CODE_SPELLINGS
from lowbit_dialect.reference import Array
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels


def execute(case: LinearCase, schedule: Schedule | None, tier: str) -> None:
    module = program_for(case)
    pin(module, schedule)
    sets = data_of(case)
    limits = [rounding(case, *one) for one in sets] if case.activation == "f32" else None
    check(module, sets, tier, tolerance=limits, verify_each=case.seed % 16 == 5)


def rounding(case: LinearCase, x: Array, w: Array) -> Array:
    """K * eps * sum |x| |w| of each output."""
    from lowbit_dialect import reference

    sums = reference.run(program_for(case), np.abs(x), np.abs(w))[0]
    depth = linear_of(program_for(case)).contraction.depth
    return depth * np.finfo(np.float32).eps * sums.astype(np.float64)


def run_part(cases: st.SearchStrategy[LinearCase], part: int, tier: str) -> None:
    def run(case: LinearCase, data: st.DataObject) -> None:
        execute(case, data.draw(schedules(program_for(case), tier)), tier)

    sample(run, 100 * part + TIERS.index(tier), cases, st.data())


@pytest.mark.parametrize("part", range(9))
@pytest.mark.parametrize("tier", TIERS)
def test_codes(tier: str, part: int):
    run_part(linear_cases(largest=7), part, tier)


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(
    "tier", [tier for tier in TIERS if kernels(resolve_target(tier), "lookup")]
)
def test_look_ups(tier: str, part: int):
    def run(case: LinearCase, block: tuple[int, int, int, int]) -> None:
        pixels, vectors, unroll, strip = block
        case = replace(case, groups=1, batch=1 if strip else case.batch)
        name = kernels(resolve_target(tier), "lookup")[-1].name
        block = Schedule(microkernel=name, pixels=pixels, vectors=vectors, unroll=unroll)
        schedule = replace(block, **in_strips(strip))
        execute(case, schedule, tier)

    blocks = st.tuples(
        st.integers(1, 5), st.integers(1, 3), st.sampled_from((1, 3, 4)), st.integers(0, 3)
    )
    sample(run, 5000 + part, linear_cases(look_up_pairs(), largest=7), blocks)


@pytest.mark.parametrize(
    "pair", [("uint1", "odd1"), ("odd2", "uint1"), ("uint3", "uint2"), ("uint4", "odd1")]
)
@pytest.mark.parametrize(
    "tier", [tier for tier in TIERS if kernels(resolve_target(tier), "lookup")]
)
def test_depths_at_which_look_ups_are_full(tier: str, pair: tuple[str, str]):
    """Bytes hold 63, 21, 9 and 4 look-ups of one to four bits, 16-bit sums of four bits 1,092."""
    for depth in (4 * 4 + 1, 4 * 9 + 1, 4 * 21 + 1, 4 * 63 + 1, 4 * 1092, 4 * 1092 + 1, 8192):
        case = LinearCase("dense", *pair, height=2, channels=depth, outputs=9, seed=1)
        module = program_for(case)
        pin_all(module, tier, "lookup", unroll=5)
        check(module, data_of(case), tier)


@pytest.mark.parametrize("inputs", [4, 12, 16, 48])
@pytest.mark.parametrize("tier", TIERS)
def test_groups_of_whole_words(tier: str, inputs: int):
    for number, outputs in enumerate((3, 8, 17, 33)):
        shapes = {
            "height": 3,
            "width": 4,
            "channels": 3 * inputs,
            "outputs": 3 * outputs,
            "groups": 3,
        }
        window = ((3, 2), (1, 1)) if number % 2 else ((1, 1), (2, 2))
        case = LinearCase("conv2d", "uint2", "odd1", **shapes, kernel=window[0], strides=window[1])
        work = linear_of(program_for(case))
        for kernel in kernels(resolve_target(tier), "popcount") + kernels(
            resolve_target(tier), "lookup"
        ):
            if kernel.accepts(work.contraction, work.accumulator):
                execute(case, Schedule(microkernel=kernel.name), tier)


@pytest.mark.parametrize("kind", ["codes", "plain"])
@pytest.mark.parametrize("tier", TIERS)
def test_depthwise(tier: str, kind: str):
    def run(case: LinearCase, block: tuple[int, int, int]) -> None:
        case = replace(case, pad_value=0) if case.accumulator == i64 else case
        pixels, vectors, which = block
        work = linear_of(program_for(case))
        named = kernels(resolve_target(tier), "depthwise")
        legal = [k.name for k in named if k.accepts(work.contraction, work.accumulator)]
        name = legal[which % len(legal)] if legal else None
        pinned = Schedule(microkernel=name, pixels=pixels, vectors=vectors) if legal else None
        execute(case, pinned, tier)

    blocks = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2))
    cases = depthwise_cases() if kind == "codes" else depthwise_cases(plain_pairs())
    sample(run, 6000 + len(kind) + TIERS.index(tier), cases, blocks)


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("tier", TIERS)
def test_integers_and_floats(tier: str, part: int):
    run_part(linear_cases(plain_pairs(), largest=7).map(_padded_legally), part, tier)


def _padded_legally(case: LinearCase) -> LinearCase:
    """Corrections of padding are i32, so sums in i64 pad with 0."""
    return replace(case, pad_value=0) if case.accumulator == i64 else case


@pytest.mark.parametrize("tier", TIERS)
def test_single_products_of_i16_fit_i32(tier: str):
    case = LinearCase(
        "conv2d", "i16", "i16", height=2, width=5, channels=3, outputs=6, groups=3, pad_value=121
    )
    execute(replace(case, padding=(1, 3, 1, 2), fills=("min", "min")), None, tier)


def test_sums_in_i64_pad_with_zero_alone():
    case = LinearCase(
        "conv2d", "i16", "i16", height=1, channels=3, padding=(0, 1, 0, 0), pad_value=-32768
    )
    with pytest.raises(VerifyException, match="pads a sum in i64 with 0, not -32768"):
        program_for(case).verify()


@pytest.mark.parametrize("activation", CODE_SPELLINGS)
def test_every_pair_of_codes(activation: str):
    """Each activation code with weight codes, all of them over the activations, on alternating tiers."""
    first = CODE_SPELLINGS.index(activation)
    for step in range(0, len(CODE_SPELLINGS), 4):
        at = (first + step) % len(CODE_SPELLINGS)
        case = LinearCase(
            "dense", activation, CODE_SPELLINGS[at], height=2, channels=67, outputs=9, seed=at
        )
        execute(case, None, TIERS[(first + step // 4) % len(TIERS)])


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("kind", "algorithm"), [("uint2", "direct"), ("odd1", "im2col"), ("f32", "direct")]
)
def test_a_tensor_by_itself(kind: str, algorithm: str, tier: str):
    """Input and weights are one value, which is stored in a layout for each."""
    net, schedule = Net(), Schedule(algorithm=algorithm)
    x, a = net.input((2, 2, 5, 5), kind), net.input((5, 5), kind)
    module = net.module(net.conv2d(x, x, schedule=schedule), net.dense(a, a))
    check(module, [inputs(module, ["alternating"], 0)], tier)


CORRECTED = """
func.func @main(%x: tensor<1x4x4x4x{0}>, %w: tensor<3x3x4x5x{1}>) -> tensor<1x4x4x5xi32> {{
  %c = lowbit.corrections %w {{activation = {0}, size = array<i64: 4, 4>, padding = array<i64: 1, 1, 1, 1>,
                              products = "{2}"}} : tensor<3x3x4x5x{1}> -> tensor<3x3x5xi32>
  %y = lowbit.conv2d %x, %w corrections(%c : tensor<3x3x5xi32>) {{padding = array<i64: 1, 1, 1, 1>,
                                                                 products = "{2}"}}
      : tensor<1x4x4x4x{0}>, tensor<3x3x4x5x{1}> -> tensor<1x4x4x5xi32>
  func.return %y : tensor<1x4x4x5xi32>
}}"""


@pytest.mark.parametrize("products", ["popcount", "multiply", *OFFSETS])
@pytest.mark.parametrize("tier", TIERS)
def test_corrections_that_a_program_gives(tier: str, products: str):
    """Only kernels that form such sums are chosen, whatever would be quicker."""
    for number, pair in enumerate(
        (("uint<1>", "odd<1>"), ("uint<2>", "odd<1>"), ("int<4>", "ternary"))
    ):
        module = parse(CORRECTED.format(*(f"!lowbit.{code}" for code in pair), products))
        data = [inputs(module, (fill,), number) for fill in ("random", "maximum", "minimum")]
        if products in OFFSETS and tier == "x86-64":
            with pytest.raises(
                PassFailedException, match=f"corrections of products = '{products}'"
            ):
                check(module, data, tier)
        else:
            check(module, data, tier)
