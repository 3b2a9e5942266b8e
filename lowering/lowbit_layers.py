"""`lowbit-layers`: each layer of a function becomes a function of its own.

Needs the output of `lowbit-bufferize`; leaves calls in its place. Debuggers and profilers then see layers by
name, and code is the same but for one call a layer. With `clock`, a last argument takes the cycle counter
as it stands at the start and after each layer:

    lowbit.conv2d %x, %w outs(%y : ...)
    ->  func.call @main.y(%x, %w, %arena)
        %now = llvm.call_intrinsic "llvm.readcyclecounter"() -> i64 ; stored to %clock

What makes tables for a layer, which `lowbit-tile` may do inside its loops, is part of it. Functions that
pack for others stay as they are. For one thread: tasks have functions of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    MemRefType,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.layout import layout_of
from lowbit_dialect.names import layer_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.conversions import RelayoutOp
from lowering.loops.tasks import add_function, erase_unused_addresses, needs
from lowering.packing.outline_packing import packs_for
from lowering.preconditions import block_of
from microkernels.emit import Emitter

_CYCLES = "llvm.readcyclecounter"
_WORD = 8
_UNUSUAL = re.compile(r"[^\w./:-]", re.ASCII)
"""What no assembler or profiler should have to read in a symbol."""


def layers_of(func: FuncOp) -> Iterator[tuple[Operation, ...]]:
    """The ops of each layer, in order; the last of them is the one that it is called by."""
    begun: list[Operation] = []
    for op in block_of(func).ops:
        if getattr(op, "outs", None) is None:
            continue
        begun.append(op)
        if not _makes_tables(op):
            yield tuple(begun)
            begun = []
    if begun:
        yield tuple(begun)


def name_of(op: Operation) -> str:
    """What a layer is called: as its user names it, by its result, or its kind."""
    if (name := layer_of(op)) is not None:
        return name
    outs: SSAValue = getattr(op, "outs")  # noqa: B009
    hint = outs.name_hint or op.name.removeprefix("lowbit.")
    return hint.removesuffix("_out") if isinstance(outs, BlockArgument) else hint


def _makes_tables(op: Operation) -> bool:
    layout = layout_of(shaped(op.outs)) if isinstance(op, RelayoutOp) and op.outs else None
    return layout is not None and layout.table is not None


def _outline(ops: tuple[Operation, ...], func: FuncOp, module: ModuleOp) -> CallOp:
    """Move the ops of a layer to a function, and call it in their place."""
    addresses, arguments = needs(ops, func)
    block = Block(arg_types=[argument.type for argument in arguments])
    values: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args))
    for new, old in zip(block.args, arguments):
        new.name_hint = old.name_hint
    block.add_ops([one.clone(values) for one in (*addresses, *ops)])
    block.add_op(ReturnOp())
    base = name = f"{func.sym_name.data}.{_UNUSUAL.sub('_', name_of(ops[-1]))}"
    count = 2
    while SymbolTable.lookup_symbol(module, name) is not None:
        name, count = f"{base}.{count}", count + 1
    add_function(name, block, func, module).properties["sym_visibility"] = StringAttr("private")
    call = CallOp(name, arguments, [])
    Rewriter.replace_op(ops[-1], call)
    for op in ops[:-1]:
        Rewriter.erase_op(op)
    return call


def _add_clock(func: FuncOp, calls: list[CallOp]) -> None:
    """Take one more argument, and write the time there at the start and after each call."""
    block = func.body.block
    clock = block.insert_arg(MemRefType(i64, [len(calls) + 1]), len(block.args))
    clock.name_hint = "clock"
    inputs = [argument.type for argument in block.args]
    func.properties["function_type"] = FunctionType.from_lists(inputs, [])
    if func.arg_attrs is not None:
        func.properties["arg_attrs"] = ArrayAttr([*func.arg_attrs.data, DictionaryAttr({})])
    assert block.first_op is not None
    after = [call.next_op for call in calls]
    for index, anchor in enumerate((block.first_op, *after)):
        assert anchor is not None
        emit = Emitter(anchor)
        place = emit.offset(emit.pointer(clock), index * _WORD)
        emit.store(emit.call(_CYCLES, [], i64), place, _WORD)


@dataclass(frozen=True)
class LowbitLayersPass(ModulePass):
    """A function for each layer; with `clock`, the time after each."""

    name = "lowbit-layers"

    clock: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Outline the layers of every function that packs for no other."""
        for func in list(op.ops):
            if not isinstance(func, FuncOp) or packs_for(func, op):
                continue
            if func.function_type.outputs.data:
                raise PassFailedException(
                    f"@{func.sym_name.data} returns values: run lowbit-bufferize first"
                )
            calls = [_outline(ops, func, op) for ops in list(layers_of(func))]
            erase_unused_addresses(func)
            if self.clock:
                _add_clock(func, calls)
