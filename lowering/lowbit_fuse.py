"""`lowbit-fuse`: elementwise ops move into the epilogue of their producer; chains to codes become one op.

Needs functions on tensors; leaves each `conv2d` and `dense` with the elementwise ops that followed it in
its epilogue, where their operands are constants or arguments. A chain of float ops that ends in
`lowbit.quantize` (scale, batch norm, clip) becomes one integer `lowbit.threshold`:

    %y = lowbit.conv2d ... -> tensor<..xi32>
    %r = lowbit.requantize %y, %s ...      %q = lowbit.quantize %r, %t ... -> tensor<..x!lowbit.uint<2>>
    ->  %q = lowbit.conv2d ... epilogue { ^bb0(%a: i32):
              %c = lowbit.threshold %a, %thresholds ...  lowbit.yield %c } ... -> tensor<..x!lowbit.uint<2>>

A chain of seven steps or more becomes one `lowbit.requantize` instead, where a scale and a bias in f32 give
every accumulator the same code: it costs the same whatever the number of steps, and has two tables to hold
in registers. `lowering.epilogue.steps` finds the steps; a chain that is not monotone stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f32, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, layout_of, storage_dtype
from lowbit_dialect.ops.common import shape_of, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import (
    AddOp,
    ElementwiseOp,
    MulOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.tile import YieldOp
from lowbit_dialect.ranges import accumulator_range
from lowbit_dialect.reference import evaluate_elementwise
from lowering.epilogue.steps import INT32, Steps, steps_of
from lowering.epilogue.straight_lines import line_through
from lowering.preconditions import block_of
from lowering.rebuild import rebuild

MOST_STEPS = 15
"""Steps of a code up to which comparing beats evaluating the chain: 4 bits."""

LEAST_OF_A_LINE = 7
"""Steps from which on a line beats comparing, where it can be drawn: 7 operations against 2 a step."""


def sole_user(value: SSAValue) -> Operation | None:
    """The one op that uses a value; None if there are none or several."""
    users = [use.operation for use in value.uses]
    return users[0] if len(users) == 1 else None


def chain_after(op: LinearOp) -> list[ElementwiseOp]:
    """The elementwise ops, each the only user of the one before, that can follow `op` in its epilogue."""
    chain: list[ElementwiseOp] = []
    value = op.results[0]
    while isinstance(user := sole_user(value), ElementwiseOp):
        if user.parent is not op.parent:
            break  # It is in the epilogue of another producer already.
        if isinstance(user, AddOp | MulOp) and user.others == (value,):
            user.operands[0], user.operands[1] = user.other, user.input
        if why_not(user, value, op) is not None:
            break
        chain.append(user)
        value = user.results[0]
    return chain


def why_not(user: ElementwiseOp, value: SSAValue, producer: LinearOp) -> str | None:
    """Why `user` cannot move into the epilogue of `producer`; None if it can."""
    channel = producer.contraction.input_axes[-1]
    if user.input is not value:
        return "it is not the first operand"
    if user.channel_axis != channel and any(shape_of(table)[0] != 1 for table in user.tables):
        return f"its channels are axis {user.channel_axis}, not {channel}"
    if any(layout_of(shaped(v)) is not None for v in (*user.operands, *user.results)):
        return "it works on a layout"
    if not _scalar_ok(value):
        return f"an epilogue does not work on {shaped(value).element_type}"
    return None


def _scalar_ok(value: SSAValue) -> bool:
    element = shaped(value).element_type
    return isinstance(element, CodeType) or element.name == "f32" or element == i32


# Codes


def to_code(
    chain: Sequence[ElementwiseOp], bounds: tuple[Array, Array], axis: int
) -> list[Operation] | None:
    """Ops of which the last replaces a chain from an i32 accumulator to a code.

    `bounds` are the smallest and largest accumulator of each channel; channels are `axis` of the
    accumulators. None if the chain depends on more than the accumulator and constants, is not monotone, or
    has too many steps to count and no line through them.
    """
    code = chain[-1].output_element
    assert isinstance(code, CodeType)
    if not all(isinstance(v.owner, ConstantOp) for op in chain for v in op.operands[1:]):
        return None
    if any(op.others for op in chain):
        return None
    linear = not code.is_odd and code.steps >= LEAST_OF_A_LINE
    counted = code.steps <= MOST_STEPS and len(chain) > 1  # Alone it counts already.
    steps = steps_of(chain, bounds) if linear or counted else None
    if steps is None:
        return None
    line = _line_ops(chain[0].input, code, steps, axis) if linear else None
    return line or (_threshold_ops(chain[0].input, code, steps, axis) if counted else None)


def _line_ops(value: SSAValue, code: CodeType, steps: Steps, axis: int) -> list[Operation] | None:
    """A `lowbit.requantize` with the same code for every accumulator, if there is one."""
    scale, bias = line_through(steps)
    scale = _table(scale.astype(np.float32), f32, "scale")
    bias = _table((bias + code.minimum).astype(np.float32), f32, "bias")
    op = RequantizeOp(value, scale, code, bias=bias, axis=axis)
    got = evaluate_elementwise(op, steps.sides.astype(np.int32)).astype(np.int64)
    if not np.array_equal(got - code.minimum, steps.counts(steps.sides)):
        op.erase()
        return None
    return [scale, bias, op]


def _threshold_ops(
    value: SSAValue, code: CodeType, steps: Steps, axis: int
) -> list[Operation] | None:
    rows = steps.thresholds
    if rows is None:
        return None
    ops: list[Operation] = [_table(rows, i32, "thresholds")]
    flip: ConstantOp | None = None
    if steps.flip.any():
        flip = _table(steps.flip, i32, "flip")
        ops.append(flip)
    return [*ops, ThresholdOp(value, ops[0], code, flip=flip, axis=axis)]


def _table(values: Array, element: Attribute, hint: str) -> ConstantOp:
    table = ConstantOp.of(values.astype(storage_dtype(element)), element)
    table.result.name_hint = hint
    return table


def quantising(chain: Sequence[ElementwiseOp]) -> int:
    """Length of the longest start of a chain that ends in codes; 0 if none does."""
    for length in range(len(chain), 0, -1):
        if isinstance(chain[length - 1], QuantizeOp | ThresholdOp):
            return length
    return 0


def replace_by_code(producer: LinearOp, bounds: tuple[Array, Array]) -> None:
    """Turn the float ops after an integer producer into one op where they end in a code."""
    chain = chain_after(producer)
    length = quantising(chain)
    if not length:
        return
    new = to_code(chain[:length], bounds, producer.contraction.input_axes[-1])
    if new is None:
        return
    old = chain[length - 1].results[0]
    new[-1].results[0].name_hint = old.name_hint
    for op in new:
        Rewriter.insert_op(op, InsertPoint.before(chain[length - 1]))
    old.replace_all_uses_with(new[-1].results[0])
    for op in reversed(chain[:length]):
        Rewriter.erase_op(op)


def bounds_of(op: LinearOp) -> tuple[Array, Array]:
    """Smallest and largest accumulator of each output channel: any i32 where corrections are given."""
    given, work = op.corrections is not None, op.contraction
    known = accumulator_range(work, op.weights)
    if known is not None and not given:
        return known
    low, high = (INT32.min, INT32.max) if given else work.bound
    channels = work.groups * work.outputs
    return np.full(channels, low, np.int64), np.full(channels, high, np.int64)


def fuse(op: LinearOp) -> None:
    """Move the elementwise ops that follow `op` into its epilogue."""
    chain = chain_after(op)
    if not chain:
        return
    old = op.results[0]
    if not op.epilogue.blocks:
        block = Block(arg_types=[shaped(old).element_type])
        value: SSAValue = block.args[0]
        block.args[0].name_hint = "accumulator"
        region = Region(block)
    else:
        region = op.detach_region(op.epilogue)
        block = region.block
        last = block.last_op
        assert isinstance(last, YieldOp)
        value = last.value
        Rewriter.erase_op(last)
    values: dict[SSAValue, SSAValue] = {old: value}
    for step in chain:
        inner = rebuild(
            step, step.output_element, without=["axis"], operands={"input": values[step.input]}
        )
        block.add_op(inner)
        values[step.results[0]] = inner.results[0]
    result = chain[-1].results[0]
    block.add_op(YieldOp(values[result]))
    new = rebuild(op, result.type, regions=[region])
    # After the last operand that the chain reads: tables may stand behind the producer.
    Rewriter.insert_op(new, InsertPoint.before(chain[-1]))
    new.results[0].name_hint = result.name_hint
    result.replace_all_uses_with(new.results[0])
    for step in reversed(chain):
        Rewriter.erase_op(step)
    Rewriter.erase_op(op)


@dataclass(frozen=True)
class LowbitFusePass(ModulePass):
    """Codes from accumulators in one op, elementwise ops in epilogues."""

    name = "lowbit-fuse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Fuse every function, then drop constants that nothing reads."""
        for func in list(op.ops):
            if not isinstance(func, FuncOp) or func.is_declaration:
                continue
            block = block_of(func)
            for inner in list(block.ops):
                if isinstance(inner, LinearOp) and inner.results:
                    if inner.accumulator == i32 and not inner.epilogue.blocks:
                        replace_by_code(inner, bounds_of(inner))
                    fuse(inner)
            for inner in reversed(list(block.ops)):
                if isinstance(inner, ConstantOp) and not inner.result.uses.get_length():
                    Rewriter.erase_op(inner)
