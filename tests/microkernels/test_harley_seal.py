"""The functions of the adders, what a group of words becomes, and what that costs."""

import re
from itertools import product

import pytest

import lowbit
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.harley_seal import (
    CARRY,
    ENTERING,
    GROUP,
    MAJORITY,
    XOR3,
    entering,
)
from microkernels.table import kernels

KERNEL = "popcount_harley_seal_32x16"


def applied(function: int, a: int, b: int, c: int) -> int:
    return function >> (4 * a + 2 * b + c) & 1


@pytest.mark.parametrize("xor", [False, True])
def test_two_words_enter_as_a_sum(xor: bool):
    parity, both = ENTERING[xor]
    for digit, *words in product((0, 1), repeat=5):
        (x1, w1), (x2, w2) = words[:2], words[2:]
        u, v = (x1 ^ w1, x2 ^ w2) if xor else (x1 & w1, x2 & w2)
        half = applied(parity, digit, x1, w1)
        total = applied(parity, half, x2, w2)
        assert total + 2 * applied(CARRY, half, total, digit) == digit + u + v
        assert half + 2 * applied(both, digit, x1, w1) == digit + u


def test_carries_add_up():
    for bits in product((0, 1), repeat=3):
        assert applied(XOR3, *bits) + 2 * applied(MAJORITY, *bits) == sum(bits)


def assembly(words: int, weight: str = "uint1", vectors: int = 4) -> str:
    """Code of a dense layer whose words fit one group, for one row at a time."""
    program = lowbit.dense((2, 32 * words), (32 * words, 16 * vectors), "uint1", weight)
    schedule = Schedule(microkernel=KERNEL, pixels=1, vectors=vectors)
    return lowbit.compile(program, "x86-64-v4", schedule=schedule).assembly()


def loops(text: str) -> list[str]:
    """Loops of a listing that hold no other."""
    return re.findall(r"^(\.LBB\w+):\n((?:(?!\.LBB).*\n)*?)\s+j\w+\s+\1$", text, re.MULTILINE)


@pytest.mark.parametrize("weight", ["uint1", "odd1"])
def test_the_loop_over_groups(weight: str):
    """18 adders and 7 others for 8 words of each of 4 accumulators; of 16 registers of sums one spills."""
    found = [body for _, body in loops(assembly(8 * GROUP, weight)) if "vpternlogd" in body]
    assert found
    for body in found:
        assert body.count("vpternlogd") == 4 * 18
        others = re.findall(r"\tv(pand|pshufb|psrlw|paddb)", body)
        assert len(others) == 4 * 7
        assert not re.search(r"vp(or|xor|andn|popcnt)", body)
        assert len(re.findall(r"%zmm\d+, -?\d*\(%r[sb]p\)", body)) <= 1


@pytest.mark.parametrize(("words", "adders"), list(enumerate((6, 7, 9, 10, 14, 15, 17, 18), 1)))
def test_instructions_of_a_group(words: int, adders: int):
    counts = entering(words)
    others = counts["integer"] + counts["shift"] + counts["look_up"]
    assert (counts["ternary"], others) == (adders, 7)


def test_a_target_has_it_for_want_of_a_vector_popcount():
    for target, has in (
        ("x86-64-v3", False),
        ("x86-64-v4", True),
        ("skylake-avx512", True),
        ("cascadelake", True),
        ("x86-64-v4,vector_bits=64", False),
        ("x86-64-v4-vpopcntdq", False),
    ):
        assert has == any("harley" in kernel.name for kernel in kernels(resolve_target(target)))
