"""What the verifiers of `conv2d` and `dense` demand of accumulators and epilogues."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import Float32Type, i32, i64

from lowbit_dialect.ops.common import (
    I32_MAX,
    expect,
    is_scalar,
    output_type,
    shape_of,
    value_range,
)
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.elementwise import ElementwiseOp

if TYPE_CHECKING:
    from lowbit_dialect.ops.linear import LinearOp


def verify_accumulator(op: LinearOp, work: Contraction) -> None:
    """The accumulator is f32, or an integer that no sum can wrap."""
    got = op.accumulator
    if isinstance(work.activation, Float32Type):
        expect(got == work.activation, f"accumulates in f32, not {got}")
        return
    expect(got in (i32, i64), f"accumulates in i32 or i64, not {got}")
    # The corrections of padding are i32.
    expect(got == i32 or work.pad_value == 0, f"pads a sum in i64 with 0, not {work.pad_value}")
    low, high = accumulator_bound(op, work)
    limit = I32_MAX if got == i32 else 2**63 - 1
    expect(
        -limit <= low and high <= limit,
        f"the sum of {work.depth} products lies in {low}..{high}, which can wrap in {got}",
    )


def accumulator_bound(op: LinearOp, work: Contraction) -> tuple[int, int]:
    """Range of the accumulator: from the weights if they are constant, else K max|x| max|w|."""
    from lowbit_dialect.ranges import accumulator_range

    known = accumulator_range(op)
    if known is not None:
        return int(known[0].min()), int(known[1].max())
    magnitude = max(max(abs(v) for v in (*value_range(work.activation), work.pad_value)), 0) * max(
        abs(v) for v in value_range(work.weight)
    )
    return -work.depth * magnitude, work.depth * magnitude


def verify_epilogue(op: LinearOp) -> None:
    """One block over one accumulator that yields one element."""
    from lowbit_dialect.ops.tile import YieldOp

    blocks = op.epilogue.blocks
    expect(len(blocks) == 1, f"an epilogue is one block, not {len(blocks)}")
    block = op.epilogue.block
    expect(len(block.args) == 1, "an epilogue has one argument, the accumulator")
    expect(isinstance(block.last_op, YieldOp), "an epilogue ends in lowbit.yield")
    *steps, last = block.ops
    for step in steps:
        expect(
            isinstance(step, ElementwiseOp) and is_scalar(step.input.type),
            f"an epilogue holds elementwise ops on one element, not {step.name}",
        )
        verify_step(op, cast(ElementwiseOp, step))
    got, element = last.operands[0].type, output_type(op).element_type
    expect(got == element, f"the epilogue yields {got}, but the result holds {element}")


def verify_step(op: LinearOp, step: ElementwiseOp) -> None:
    """What an op of an epilogue reads beside the accumulator fits the result around it."""
    shape, work = op.output_shape(), op.contraction
    channels = work.groups * work.outputs
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
