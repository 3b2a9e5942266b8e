"""Counts of instructions against the assembly of the innermost loop, for every kernel of x86-64."""

from collections import Counter
from dataclasses import dataclass

import pytest

import lowbit
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.instructions import CLASSES, total
from microkernels.table import find_kernel, kernels
from microkernels.target import TARGETS
from tests.support.assembly import classes_of, loops_of
from tests.support.tiers import X86

PIXELS, VECTORS, UNROLL = 4, 2, 2
OVERHEAD = 4
"""Scalar instructions of a loop: two addresses, the counter, its comparison."""
PAIRS = {
    "s8u8": ("int4", "uint4"),
    "s8s8": ("int8", "int4"),
    "s5s8": ("int4", "int4"),
    "multiply_f32": ("f32", "f32"),
}


@dataclass(frozen=True)
class Case:
    """A kernel of a tier."""

    tier: str
    kernel: str

    def __str__(self) -> str:
        return f"{self.tier}-{self.kernel}"


def cases() -> list[Case]:
    """Every kernel that sums products of whole words in one loop."""
    return [
        Case(tier, kernel.name)
        for tier in X86
        for kernel in kernels(TARGETS[tier])
        if not kernel.name.startswith(("depthwise", "multiply_i64", "multiply_16to64"))
    ]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_counts_are_those_of_the_assembly(case: Case) -> None:
    target = resolve_target(case.tier)
    kernel = find_kernel(case.kernel, target)
    pair = next((pair for name, pair in PAIRS.items() if name in case.kernel), ("uint2", "uint1"))
    grouped = kernel.group > 1
    unroll, pixels = (kernel.group, 1) if grouped else (UNROLL, PIXELS)
    channels = kernel.channels_per_word * unroll * 6
    program = lowbit.dense((2 * pixels, channels), (channels, kernel.lanes * VECTORS), *pair)
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    counts = kernel.instructions(op.contraction)
    expected = total(
        (unroll * pixels * VECTORS, counts.product),
        (unroll * pixels, counts.input),
        (unroll * VECTORS, counts.weights),
    )
    schedule = Schedule(
        microkernel=kernel.name, pixels=pixels, vectors=VECTORS, unroll=unroll, planes="outer"
    )
    loops = loops_of(lowbit.compile(program, case.tier, schedule).assembly())
    found = max(map(classes_of, loops), key=lambda loop: (loop & Counter(expected)).total())
    wrong = {
        name: (found[name], expected.get(name, 0))
        for name in CLASSES
        if name not in ("scalar", "branch", "store", "load", "copy")
        and found[name] != expected.get(name, 0)
    }
    assert not wrong, found
    # Where instructions overwrite an operand or registers are few, LLVM loads some again.
    legacy = target.vector_bits < 256 or grouped
    again = unroll * pixels * VECTORS if legacy else 0
    assert 0 <= found["load"] - expected.get("load", 0) <= again
    assert 0 <= found["scalar"] - expected.get("scalar", 0) <= OVERHEAD + unroll
