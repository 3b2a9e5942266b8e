"""Sums in lanes that hold only some products: up to the last that they hold, and one more."""

from dataclasses import replace

import pytest
from executed import TIERS, check
from linear_data import data_of, extremes
from schedules import linear_of, pin, pin_all
from strategies import LinearCase, element, program_for
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.algebra import OFFSETS
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels


@pytest.mark.parametrize("unroll", [1, 5, 31])
@pytest.mark.parametrize(
    ("tier", "name"),
    [(tier, kernel.name) for tier in TIERS for kernel in kernels(resolve_target(tier), "popcount")],
)
def test_depths_at_which_narrow_sums_are_full(tier: str, name: str, unroll: int):
    """31 words, or 63 of nibbles, fill a byte of popcounts; a wrong flush shows on all ones alone."""
    for depth in (31 * 32, 31 * 32 + 1, 63 * 16, 63 * 16 + 1, 31 * 64 + 1, 4096, 8192):
        for pair in (("uint1", "uint1"), ("odd1", "odd1"), ("uint2", "odd1"))[
            : 1 + (depth == 4096) * 2
        ]:
            case = LinearCase("dense", *pair, height=2, channels=depth, outputs=9, seed=1)
            module = program_for(case)
            pin_all(module, tier, name, unroll=unroll)
            check(module, data_of(case), tier)


PAIRED = {
    ("uint4", "int4"): 136,
    ("uint5", "uint6"): 8,
    ("uint7", "int7"): 2,
    ("uint8", "int7"): 1,
    ("uint8", "ternary"): 64,
    ("int8", "uint7"): 1,
    ("i8", "uint3"): 18,
    ("odd5", "uint4"): 35,
    ("int4", "int4"): 89,
    ("int5", "int4"): 66,
    ("int6", "int4"): 12,
    ("i8", "int7"): 1,
    ("odd3", "ternary"): 712,
}
"""Pairs of elements, and the steps of two products that their sums of pairs hold."""


def dot_of(pair: tuple[str, str]) -> str:
    """The family of dot products of bytes by the signs of its operands."""
    signs = ["s8" if value_range(element(one))[0] < 0 else "u8" for one in pair]
    if signs == ["s8", "s8"] and value_range(element(pair[0]))[0] >= -16:
        return "dot_s5s8"
    return "dot_u8s8" if signs[0] == "u8" else f"dot_s8{signs[1]}"


@pytest.mark.parametrize("pair", PAIRED)
@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier != "x86-64"])
def test_depths_at_which_sums_of_pairs_are_full(tier: str, pair: tuple[str, str]):
    """One step more than an i16 holds saturates, which shows on the largest products alone."""
    steps = PAIRED[pair]
    for depth in (4 * steps, 4 * steps + 1, 8 * steps + 3):
        case = LinearCase("dense", *pair, height=3, channels=depth, outputs=9, seed=depth)
        family = dot_of(pair)
        module = program_for(case)
        pin_all(module, tier, family, unroll=3)
        check(module, extremes(case), tier)


def test_sums_of_pairs_state_their_steps():
    known = {k.name: k for k in kernels(resolve_target("x86-64-v3"))}
    for (activation, weight), steps in PAIRED.items():
        kernel = known[f"{dot_of((activation, weight))}x8"]
        (narrow,) = kernel.narrows(element(activation), element(weight))
        assert narrow.steps == steps
        shift = OFFSETS.get(kernel.products, 0)
        ranges = value_range(element(activation)), value_range(element(weight))
        largest = max(abs((x + shift) * w) for x in ranges[0] for w in ranges[1])
        assert 2 * steps * largest <= 32767 < 2 * (steps + 1) * largest


HALVES = {
    ("uint4", "int4"): 272,
    ("int5", "int4"): 132,
    ("int4", "uint4"): 272,
    ("uint8", "int7"): 2,
}
"""Pairs of elements, and the products that a sum of i16 holds."""


@pytest.mark.parametrize("pair", HALVES)
@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier != "x86-64"])
def test_sums_of_i16_from_first_to_last(tier: str, pair: tuple[str, str]):
    """Filled to the last product; one more is refused."""
    most, family = HALVES[pair], f"dot2_{dot_of(pair).removeprefix('dot_')}"
    for depth in {1, most - 1, most, most + 1}:
        case = LinearCase("dense", *pair, height=3, channels=depth, outputs=17, seed=depth)
        module = program_for(case)
        pin_all(module, tier, family, unroll=3)
        if depth <= most:
            check(module, extremes(case), tier)
            continue
        with pytest.raises(PassFailedException, match=f"{family}.* cannot"):
            check(module, extremes(case), tier)


def test_corrections_of_sums_of_i16():
    """Of ones beside ones, all of them padding, i16 holds 32767, where it held 32768 sums to be negated."""
    known = {k.name: k for k in kernels(resolve_target("x86-64-v3"))}
    for depth, held in ((32766, True), (32768, False)):
        work = linear_of(program_for(LinearCase("dense", "uint1", "uint1", channels=depth)))
        assert known["dot2_u8s8x16"].accepts(work.contraction, work.accumulator) is held


@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier != "x86-64"])
def test_windows_that_hold_another_code_for_padding(tier: str):
    """Corrections by 13 times each weight, where i16 holds the sums of weights by 7."""
    case = LinearCase("conv2d", "odd3", "uint4", kernel=(3, 3), channels=34, outputs=17)
    case = replace(case, padding=(3, 3, 3, 3), pad_value=6)
    name = next(k.name for k in kernels(resolve_target(tier)) if "dot2_s8u8" in k.name)
    module = program_for(case)
    pin(module, Schedule(microkernel=name, algorithm="im2col"))
    check(module, data_of(case), tier)


WIDE = {("i16", "i16"): (2, 3, 65), ("i16", "i8"): (512, 1023, 1030), ("uint8", "i16"): (259, 517)}
"""Pairs of elements, and depths from that at which their sums leave i32."""


@pytest.mark.parametrize("pair", WIDE)
@pytest.mark.parametrize("tier", TIERS)
def test_pairs_of_i16_that_an_i32_holds_a_few_of(tier: str, pair: tuple[str, str]):
    """Two products of -2^15 by -2^15 are 2^31, and 256 pairs of i16 by i8 are more than 2^31."""
    for depth in WIDE[pair]:
        case = LinearCase("dense", *pair, height=3, channels=depth, outputs=11, seed=depth)
        module = program_for(case)
        pin_all(module, tier, "multiply_16to64")
        check(module, extremes(case), tier)
