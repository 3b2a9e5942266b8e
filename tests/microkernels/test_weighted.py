"""Weighted counts: what they accept, what they become, and that no default is one."""

import re

import pytest
from xdsl.dialects.builtin import i32

import lowbit
from autotune.plan import planned
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import find_kernel

TARGET, KERNEL = "x86-64-v4-vpopcntdq", "popcount_weighted_32x16"


@pytest.mark.parametrize(
    ("activation", "weight", "fits"),
    [
        ("uint1", "uint1", True),
        ("uint4", "odd4", True),  # up to 2^6
        ("uint4", "uint5", False),  # 2^7
        ("uint7", "int1", True),
        ("uint4", "int5", True),  # down to -2^7
        ("uint8", "int1", True),
        ("int4", "int5", False),  # 2^7 again
        ("ternary", "ternary", True),
        ("i8", "i8", False),
    ],
)
def test_weights_of_pairs_are_signed_bytes(activation: str, weight: str, fits: bool):
    program = lowbit.dense((2, 64), (64, 16), activation, weight)
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    kernel = find_kernel(KERNEL, resolve_target(TARGET))
    assert kernel.accepts(op.contraction, i32) == fits
    assert planned(op, resolve_target(TARGET)).microkernel != KERNEL


def test_pairs_share_a_sum():
    """Three instructions a word, plane pairs of any weight: nothing is doubled, subtracted or shifted."""
    program = lowbit.dense((2, 96), (96, 16), "uint2", "int2")
    schedule = Schedule(microkernel=KERNEL, pixels=1, vectors=1, unroll=3)
    text = lowbit.compile(program, TARGET, schedule=schedule).assembly()
    main = text[text.index("\nmain:") :]
    body = re.findall(r"\tv?(pand|popcnt|pdpbusd|pbroadcast|padd|psub|psll)\w*", main)
    assert body.count("pand") == body.count("popcnt") == body.count("pdpbusd") == 4 * 3
    assert not {"padd", "psub", "psll"} & set(body)
