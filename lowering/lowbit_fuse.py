"""`lowbit-fuse`: elementwise ops move into the epilogue of their producer; chains to codes become one op.

Needs functions on tensors; leaves each `conv2d` and `dense` with the elementwise ops that followed it in
its epilogue, where their operands are constants or arguments. A chain of float ops that ends in
`lowbit.quantize` (scale, batch norm, clip) becomes one integer `lowbit.threshold`:

    %y = lowbit.conv2d ... -> tensor<..xi32>
    %r = lowbit.requantize %y, %s ...      %q = lowbit.quantize %r, %t ... -> tensor<..x!lowbit.uint<2>>
    ->  %q = lowbit.conv2d ... epilogue { ^bb0(%a: i32):
              %c = lowbit.threshold %a, %thresholds ...  lowbit.yield %c } ... -> tensor<..x!lowbit.uint<2>>

So do the parts of a chain on either side of an add of codes to those of another tensor, and what leads from
codes to codes by itself. `lowering.epilogue.code_chains` says when and to what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shape_of, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import (
    AddOp,
    ElementwiseOp,
    MulOp,
)
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.tile import YieldOp
from lowbit_dialect.ranges import accumulator_range
from lowering.epilogue.code_chains import Bounds, bounds_of_sum, replace_by_codes
from lowering.epilogue.steps import INT32
from lowering.preconditions import block_of
from lowering.rebuild import rebuild


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


def chain_from(op: ElementwiseOp) -> list[ElementwiseOp]:
    """An op and the elementwise ops after it, each the only user of the one before."""
    chain = [op]
    while isinstance(user := sole_user(chain[-1].results[0]), ElementwiseOp):
        beside = user.input is not chain[-1].results[0] or user.others
        if beside or user.parent is not op.parent or user.channel_axis != op.channel_axis:
            break
        chain.append(user)
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


def bounds_of(op: LinearOp) -> Bounds:
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
                        axis = inner.contraction.input_axes[-1]
                        replace_by_codes(chain_after(inner), bounds_of(inner), axis)
                    fuse(inner)
            for inner in list(block.ops):
                if isinstance(inner, ElementwiseOp) and inner.parent is block and inner.results:
                    bounds = None if inner.others else bounds_of_sum([inner.input])
                    replace_by_codes(chain_from(inner), bounds, inner.channel_axis)
            for inner in reversed(list(block.ops)):
                if isinstance(inner, ConstantOp) and not inner.result.uses.get_length():
                    Rewriter.erase_op(inner)
