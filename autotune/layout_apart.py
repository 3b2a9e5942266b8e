"""What lays out activations for an op as a function of its own, which candidates of one layout share.

    lowbit.bitpack %x outs(%packed : ...)          func.call @main_layout(%x, %arena)
    lowbit.conv2d %packed, %w outs(%y : ...)  ->   lowbit.conv2d %packed, %w outs(%y : ...)

It is a tenth of a candidate's code (look-ups, C9) to a third (im2col).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from xdsl.dialects.builtin import FunctionType
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from lowering.loops.tasks import erase_unused_addresses, needs


def layout_apart(main: FuncOp, linears: Sequence[LinearOp]) -> FuncOp | None:
    """Let a function on memrefs call what lays out activations of its one op, and return that.

    None if nothing does, there are several ops, or tables are made in strips, inside the loops of the op.
    """
    if len(linears) != 1:
        return None
    (op,) = linears
    before = takewhile(lambda one: one is not op, main.body.block.ops)
    moves = [one for one in before if not isinstance(one, SliceOp | ReshapeOp)]
    strips = op.schedule is not None and op.schedule.data.tables == "strips"
    if strips or not moves or not all(isinstance(one, ConversionOp | GatherOp) for one in moves):
        return None
    addresses, arguments = needs(moves, main)
    types = [argument.type for argument in arguments]
    block = Block(arg_types=types)
    values: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args))
    block.add_ops([*(one.clone(values) for one in (*addresses, *moves)), ReturnOp()])
    name = f"{main.sym_name.data}_layout"
    Rewriter.insert_op(CallOp(name, arguments, []), InsertPoint.before(moves[0]))
    Rewriter.insert_op(FuncOp.external(name, types, []), InsertPoint.before(main))
    for one in moves:
        Rewriter.erase_op(one)
    erase_unused_addresses(main)
    return FuncOp(name, FunctionType.from_lists(types, []), Region(block))
