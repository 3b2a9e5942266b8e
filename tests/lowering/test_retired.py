"""Instructions that ARM retires for whole layers, against those known, and what LLVM may not do there."""

import json
import re

import pytest
from executed import lower
from retired import RECORD, recorded
from strategies import LinearCase, program_for

from lowering.backend.host import resolve_target
from lowering.backend.machine import generate_assembly

pytestmark = pytest.mark.emulated
KNOWN = json.loads(RECORD.read_text())
MORE = 0.005
"""The part by which a count may rise."""
SPILLS = 0.015
"""The part of a hot block that may access the stack on the Cortex-A53, whose blocks are known not to."""
AARCH64 = ("rpi3", "rpi4", "rpi5", "neoverse-n1", "apple-m1")
SUMS = """
target triple = "{triple}"
define i64 @sum(ptr %x, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %after, %loop ]
  %total = phi i64 [ 0, %entry ], [ %sum, %loop ]
  %at = getelementptr i32, ptr %x, i64 %i
  %value = load i32, ptr %at
  %wide = zext i32 %value to i64
  %sum = add i64 %total, %wide
  %after = add i64 %i, 1
  %more = icmp ult i64 %after, %n
  br i1 %more, label %loop, label %done
done:
  ret i64 %sum
}}
"""


@pytest.mark.parametrize(
    ("target", "case"), [(target, case) for target in KNOWN for case in KNOWN[target]]
)
def test_no_more_instructions_than_known(target: str, case: str):
    """`tests/support/retired.py` writes what is known."""
    counted, known = recorded(target, case), KNOWN[target][case]
    more = counted.instructions / known - 1
    assert more <= MORE, f"{case} on {target}: {counted.instructions} instructions, {more:.1%} more"
    if target == "rpi3":
        assert counted.spilling <= SPILLS, f"{case} spills {counted.spilling:.1%} of a block"


@pytest.mark.parametrize("target", AARCH64)
def test_loops_are_not_vectorised(target: str):
    """LLVM 22 sums popcounts of bytes wrong where it does so for SVE."""
    machine = resolve_target(target)
    text = generate_assembly(SUMS.format(triple=machine.triple), machine)
    assert "sum:" in text and not re.search(r"\bv\d+\.", text)


@pytest.mark.parametrize("target", AARCH64)
def test_no_partial_reductions(target: str):
    """The same sums of popcounts by `llvm.vector.partial.reduce.add`."""
    for pair in (("uint1", "uint1"), ("uint2", "int2"), ("i8", "i8")):
        case = LinearCase(
            "conv2d", *pair, height=3, width=4, channels=32, outputs=16, kernel=(3, 3)
        )
        ir = lower(program_for(case), target, fuse=True, verify_each=False).code.ir
        assert "define" in ir and "partial.reduce" not in ir and "llvm.loop" not in ir
