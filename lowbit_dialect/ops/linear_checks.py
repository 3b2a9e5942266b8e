"""What the verifiers of `conv2d` and `dense` demand of accumulators and epilogues."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import Float32Type, i32, i64
from xdsl.ir import Attribute, Region
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import I32_MAX, expect, is_scalar, shape_of
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.tile import YieldOp


class MayWrap(VerifyException):
    """Nothing but the range of a sum, as far as it is known, is wrong."""


def verify_range(work: Contraction, low: int, high: int) -> None:
    """A stated range holds the sum of no products, and no more than the types allow."""
    integers = not isinstance(work.activation, Float32Type)
    expect(integers, "range is of sums of integers: leave it out of an op on f32")
    expect(low <= 0 <= high, f"range holds 0, the sum of no products, unlike {low}..{high}")
    bottom, top = work.bound
    inside = bottom <= low and high <= top
    expect(inside, f"range {low}..{high} leaves {bottom}..{top}, that of the operand types")


def verify_accumulator(work: Contraction, got: Attribute) -> None:
    """The accumulator is f32, or an integer of 32 or 64 bits."""
    if isinstance(work.activation, Float32Type):
        expect(got == work.activation, f"accumulates in f32, not {got}")
        return
    expect(got in (i32, i64), f"accumulates in i32 or i64, not {got}")
    # The corrections of padding are i32.
    expect(got == i32 or work.pad_value == 0, f"pads a sum in i64 with 0, not {work.pad_value}")


def verify_sums(work: Contraction, got: Attribute, low: int, high: int) -> None:
    """No sum wraps in an integer accumulator; raises MayWrap."""
    limit = I32_MAX if got == i32 else 2**63 - 1
    if not (-limit <= low and high <= limit):
        raise MayWrap(
            f"the sum of {work.depth} products lies in {low}..{high}, which can wrap in {got}: sum in "
            "i64, or state in `range` what constant weights allow"
        )


def verify_epilogue(epilogue: Region, work: Contraction, output: ShapedValue) -> None:
    """One block over one accumulator that yields one element of the output."""
    blocks = epilogue.blocks
    expect(len(blocks) == 1, f"an epilogue is one block, not {len(blocks)}")
    block = epilogue.block
    expect(len(block.args) == 1, "an epilogue has one argument, the accumulator")
    expect(isinstance(block.last_op, YieldOp), "an epilogue ends in lowbit.yield")
    *steps, last = block.ops
    for step in steps:
        expect(
            isinstance(step, ElementwiseOp) and is_scalar(step.input.type),
            f"an epilogue holds elementwise ops on one element, not {step.name}",
        )
        verify_step(cast(ElementwiseOp, step), work, output)
    got, element = last.operands[0].type, output.element_type
    expect(got == element, f"the epilogue yields {got}, but the result holds {element}")


def verify_step(step: ElementwiseOp, work: Contraction, output: ShapedValue) -> None:
    """What an op of an epilogue reads beside the accumulator fits the result around it."""
    shape, channels = tuple(output.get_shape()), work.groups * work.outputs
    for value in step.operands:
        if is_scalar(value.type):
            continue
        if value in step.tables:
            rows = shape_of(value)[0]
            expect(rows in (1, channels), f"a table has 1 row or {channels}, not {rows}")
        else:
            text = "x".join(map(str, shape))
            expect(
                shape_of(value) == shape, f"{step.name} reads {value.type} beside a shape of {text}"
            )
