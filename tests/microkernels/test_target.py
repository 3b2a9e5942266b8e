"""The string form of targets, their table, and what they refuse."""

import re
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microkernels.isa import aarch64, arm, riscv, x86
from microkernels.isa.verbs import CAPABILITIES
from microkernels.table import verbs_of
from microkernels.target import TARGETS, Target

NAMES = [*TARGETS, *x86.CPUS, *aarch64.CPUS, *arm.CPUS, *arm.M_CPUS, *riscv.CPUS]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_round_trips(name: str):
    target = Target.parse(name)
    assert Target.parse(str(target)) == target
    assert target.name in TARGETS


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_table_entry_prints_as_its_name(name: str):
    assert str(TARGETS[name]) == name


@given(
    st.sampled_from(NAMES),
    st.lists(
        st.one_of(
            st.sampled_from([f"+{f}" for f in x86.FEATURES]),
            st.sampled_from([f"+{f}" for f in aarch64.FEATURES]),
            st.sampled_from(
                ["-avx512vnni", "-gfni", "-fma", "-popcnt", "-vaes", "-movbe", "-avx2"]
            ),
            st.sampled_from(["cpu=haswell", "cpu=znver5", "vector_registers=8", "vector_bits=64"]),
            st.sampled_from(["cpu=cortex-a53", "-dotprod", "vector_bits=128"]),
            st.sampled_from(["caches=32K/1M/0", "caches=1000/1G/1025K"]),
            st.just("triple=x86_64-unknown-freebsd-elf"),
        ),
        max_size=5,
    ),
)
def test_overridden_targets_round_trip(name: str, overrides: list[str]):
    try:
        target = Target.parse(",".join([name, *overrides]))
    except ValueError as refusal:
        # -fma takes AVX-512 away from a 512-bit target; the rest is of another architecture.
        assert re.search("vector_bits|unknown (feature|cpu)|cannot lack|is not ARCH", str(refusal))
        return
    assert Target.parse(str(target)) == target


def test_adding_brings_what_is_needed_and_removing_takes_what_needs_it():
    assert Target.parse("x86-64-v3,+avx512vpopcntdq").has("avx512f")
    assert not Target.parse("x86-64-v3,-avx,vector_bits=64").has("fma")
    assert Target.parse("x86-64-v4,-avx512vl,vector_bits=256")


def test_levels_grow():
    levels = [set(features) for features in x86.LEVELS.values()]
    assert all(low < high for low, high in pairwise(levels))


def test_named_processors_have_their_level():
    assert Target.parse("znver3").name == "x86-64-v3"
    assert Target.parse("znver4").has("avx512vpopcntdq")
    assert Target.parse("skylake-avx512").vector_bits == 512
    assert not Target.parse("cascadelake").has("avx512vpopcntdq")
    assert Target.parse("cascadelake").has("avx512vnni")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("znver9", "unknown target 'znver9'; did you mean znver5"),
        (
            "x86-64-v3,+avx512vpopcnt",
            "unknown feature 'avx512vpopcnt'; did you mean avx512vpopcntdq",
        ),
        ("x86-64-v3,cpu=zen3", "unknown cpu 'zen3'; did you mean znver3"),
        ("x86-64-v3,cpu=", "unknown cpu ''"),
        ("", "unknown target ''"),
        (
            "zx81",
            "unknown target 'zx81'; the targets are x86-64, x86-64-v2, x86-64-v3, x86-64-v4, ",
        ),
        ("host", "unknown target 'host'"),
        ("x86-64-v3,", "unknown override ''"),
        ("x86-64-v3,size=3", "unknown override 'size'"),
        ("x86-64-v3,vector_bits=128", "vector_bits is 64, 256 or 512"),
        ("x86-64-v3,vector_bits=512", "vector_bits=512 needs feature avx512bw"),
        ("x86-64-v3,vector_bits=-1", "vector_bits is a whole number"),
        ("x86-64-v3,vector_registers=0", "vector_registers is 8 to 64"),
        ("x86-64-v3,caches=32K", "caches are written L1d/L2/L3"),
        ("x86-64-v3,triple=x86_64-linux-gnu", "is not ARCH-VENDOR-OS-ABI"),
        ("x86-64-v3,triple=mips-unknown-linux-gnu", "with an ARCH of x86_64, aarch64"),
        ("x86-64-v3,triple=aarch64-unknown-linux-gnu", "unknown cpu 'x86-64-v3'"),
        ("rpi3,+avx2", "unknown feature 'avx2'"),
        ("rpi3,-neon", "a target cannot lack neon, which every aarch64 machine has"),
        ("rpi3,vector_bits=64", "vector_bits is 128, not 64"),
        ("cortex-a54", "unknown target 'cortex-a54'; did you mean cortex-a"),
        ("x86-64,triple=x86_64-unknown-linux-gnux32", "an ABI of gnu, musl, android, elf"),
        ("x86-64,triple=x86_64-pc-windows-msvc", "an OS of linux, freebsd, netbsd, openbsd, none"),
        ("x86-64,triple=x86_64-a b-linux-gnu", "is not ARCH-VENDOR-OS-ABI"),
        (
            "x86-64,-sse2",
            "a target cannot lack sse2, which every x86_64 machine has: leave out -sse2",
        ),
        ("x86-64-v3,-sse", "a target cannot lack sse, which every x86_64 machine has"),
        ("znver4,-cx8", "a target cannot lack cx8, which every x86_64 machine has"),
        ("x" * 100_000, "unknown target"),
    ],
)
def test_refusals_name_what_is_wrong(text: str, message: str):
    with pytest.raises(ValueError) as refusal:
        Target.parse(text)
    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_what_is_near_is_named_once_and_ends_the_sentence():
    with pytest.raises(ValueError) as refusal:
        Target.parse("x86-64-v9")
    assert str(refusal.value) == (
        "unknown target 'x86-64-v9'; did you mean x86-64-v4 or x86-64-v3 or x86-64-v2?"
    )


def test_a_feature_of_another_architecture_is_not_there():
    assert not TARGETS["rpi5"].has("avx2") and not TARGETS["x86-64-v4"].has("neon")
    assert TARGETS["rpi5"].has("dotprod") and not TARGETS["rpi4"].has("dotprod")
    assert Target.parse("cortex-a710").has("i8mm")


@pytest.mark.parametrize("name", TARGETS)
def test_an_architecture_has_verbs(name: str):
    can = verbs_of(TARGETS[name]).can
    assert can <= set(CAPABILITIES)
    assert ("vectors" in can) == (TARGETS[name].vector_bits > 64)


def test_has_refuses_a_feature_that_no_machine_has():
    with pytest.raises(ValueError, match="unknown feature 'avx3'"):
        TARGETS["x86-64"].has("avx3")


def test_a_target_cannot_be_changed_or_made_inconsistent():
    target = TARGETS["x86-64-v3"]
    with pytest.raises(FrozenInstanceError):
        target.cpu = "znver3"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="closed under"):
        replace(target, features=("avx2",))
    with pytest.raises(ValueError, match="unknown feature"):
        replace(target, features=("mystery",))


def test_targets_are_hashable_and_comparable():
    assert len({Target.parse("znver3"), Target.parse("znver3"), TARGETS["x86-64-v3"]}) == 2
