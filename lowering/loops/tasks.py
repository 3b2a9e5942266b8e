"""Tasks: what an op does, as a function over any part of its parallel axis.

    lowbit.conv2d %x, %w outs(%y : ...)
    ->  func.call @main_body0(%x, %w, %y, %begin, %end)

`@NAME_bodyK` takes what the op uses and computes units `begin` to `end`. `@NAME_taskK(args, begin, end)`
finds the same pointers in `args`, an array of all those that `@NAME` takes: so every task looks alike
to whoever runs its parts on several threads. Parts of one task may run at the same time and in any order,
different tasks one after another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    FunctionType,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    UnrealizedConversionCastOp,
    i64,
)
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.dialects.memref import GetGlobalOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.attributes import EXTENT
from lowbit_dialect.interface import AnyFuncOp, is_task
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from microkernels.emit import Emitter
from microkernels.llvm_types import PTR

_TASK = FunctionType.from_lists([PTR, IndexType(), IndexType()], [])
_ADDRESSES = (SliceOp, ReshapeOp, GetGlobalOp)


@dataclass(frozen=True)
class Units:
    """Units `[begin, end)` of an axis, as index values."""

    begin: SSAValue
    end: SSAValue

    def within(self, emit: Emitter, first: SSAValue | int, count: int) -> Units:
        """Those of them that are among the `count` units from `first` on, counted from there."""
        begin, end = (emit.at("sub", one, first) for one in (self.begin, self.end))
        return Units(emit.at("max", begin, 0), emit.at("min", end, count))


@dataclass(frozen=True)
class Share:
    """What a task computes of its op: some units of an axis that is shared out to `threads`."""

    units: Units
    threads: int
    least: int
    """Nanoseconds on one thread, as estimated, from which an op is worth sharing out."""


def count_up(
    emit: Emitter,
    count: int,
    body: Callable[[SSAValue], None],
    units: Units | None = None,
    *,
    start: int = 0,
    step: int = 1,
) -> None:
    """Call `body` for `count` indices from `start` on: once without a loop, else in one.

    `units` are those to do of these steps, numbered from 0; None for all.
    """
    if count == 1 and units is None:
        body(emit.index(start))
        return

    def inner(index: SSAValue, _: list[SSAValue]) -> Sequence[SSAValue]:
        body(index if count > 1 else emit.index(start))
        return ()

    low, high = emit.index(start), emit.index(start + count * step)
    if units is not None:
        low, high = (
            emit.at("add", emit.at("mul", one, step), start) for one in (units.begin, units.end)
        )
    emit.loop(low, high, step, (), inner)


def in_steps(
    emit: Emitter,
    total: int,
    size: int,
    body: Callable[[SSAValue, int], None],
    units: Units | None = None,
) -> int:
    """Call `body` with the first, and the number, of `size` items, and of what is left of `total`.

    Returns how many steps that takes, of which `units` are done.
    """
    whole, rest = divmod(total, size)
    if whole:
        within = units and units.within(emit, 0, whole)
        count_up(emit, whole, lambda at: body(emit.at("mul", at, size), size), within)
    if rest:
        within = units and units.within(emit, whole, 1)
        count_up(emit, 1, lambda _: body(emit.index(whole * size), rest), within)
    return whole + bool(rest)


@dataclass(frozen=True)
class Task:
    """An op that has moved to a function of its own."""

    number: int
    op: Operation
    share: Share
    body: FuncOp
    arguments: tuple[BlockArgument, ...]
    """What the body takes of the arguments of the function that the op stood in."""


def outline(
    op: Operation, func: FuncOp, module: ModuleOp, number: int, threads: int, least: int
) -> Task:
    """Copy `op`, with the address computations that it needs, to `@NAME_bodyK`."""
    addresses, arguments = needs([op], func)
    types: list[Attribute] = [argument.type for argument in arguments]
    block = Block(arg_types=[*types, IndexType(), IndexType()])
    values: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args))
    hints = [argument.name_hint for argument in arguments]
    for argument, hint in zip(block.args, (*hints, "begin", "end")):
        argument.name_hint = hint
    block.add_ops([one.clone(values) for one in (*addresses, op)])
    last = block.last_op
    assert last is not None
    block.add_op(ReturnOp())
    body = add_function(f"{func.sym_name.data}_body{number}", block, func, module)
    body.properties["sym_visibility"] = StringAttr("private")
    share = Share(Units(*block.args[-2:]), threads, least)
    return Task(number, last, share, body, tuple(arguments))


def call(
    task: Task, op: Operation, extent: int, func: FuncOp, module: ModuleOp, pointer_bytes: int
) -> None:
    """Replace `op` by a call of all its units, and give its task a function that all tasks look like."""
    emit, body, name = Emitter(op), task.body.sym_name.data, func.sym_name.data
    bounds = emit.index(0), emit.index(extent)
    emit.run(CallOp(body, [*task.arguments, *bounds], []))
    Rewriter.erase_op(op)
    block = Block(arg_types=_TASK.inputs)
    for argument, hint in zip(block.args, ("args", "begin", "end")):
        argument.name_hint = hint
    block.add_op(ReturnOp())
    assert block.last_op is not None
    emit = Emitter(block.last_op)
    values: list[SSAValue] = []
    for argument in task.arguments:
        place = emit.offset(block.args[0], argument.index * pointer_bytes)
        pointer = emit.load(place, PTR, pointer_bytes)
        pointer.name_hint = argument.name_hint
        values.append(emit.op(UnrealizedConversionCastOp.get([pointer], [argument.type])))
    emit.run(CallOp(body, [*values, *block.args[1:]], []))
    entry = add_function(f"{name}_task{task.number}", block, func, module)
    entry.attributes[EXTENT] = IntegerAttr(extent, i64)


def tasks_of(module: ModuleOp, name: str) -> Iterator[tuple[str, int]]:
    """Symbol and extent of each task of `@NAME`, in the order in which they run.

    Only what takes a task's arguments is one.
    """
    # Not by the prefix: those of a function called `NAME_task` have it too.
    symbol = re.compile(rf"{re.escape(name)}_task\d+")
    for op in module.ops:
        if isinstance(op, AnyFuncOp) and is_task(op) and symbol.fullmatch(op.sym_name.data):
            extent = op.attributes.get(EXTENT)
            if isinstance(extent, IntegerAttr):
                yield op.sym_name.data, extent.value.data


def erase_unused_addresses(func: FuncOp) -> None:
    """Erase address computations that only tasks needed."""
    for op in reversed(list(func.walk())):
        if isinstance(op, _ADDRESSES) and not op.results[0].uses.get_length():
            Rewriter.erase_op(op)


def needs(ops: Sequence[Operation], func: FuncOp) -> tuple[list[Operation], list[BlockArgument]]:
    """The address computations below the operands of ops, in order, and the arguments below those."""
    addresses: dict[Operation, None] = {}
    arguments: dict[BlockArgument, None] = {}

    def visit(value: SSAValue, op: Operation) -> None:
        owner = value.owner
        if op.is_ancestor(owner):
            return
        if isinstance(owner, _ADDRESSES):
            for operand in owner.operands:
                visit(operand, op)
            addresses[owner] = None
        elif isinstance(value, BlockArgument) and owner is func.body.first_block:
            arguments[value] = None
        else:
            raise PassFailedException(
                f"'{op.name}' in @{func.sym_name.data} reads {value.type} that is no argument of it "
                "and no piece of one: tile it for one thread"
            )

    for op in ops:
        for inner in op.walk():
            for operand in inner.operands:
                visit(operand, op)
    return list(addresses), sorted(arguments, key=lambda one: one.index)


def add_function(name: str, block: Block, func: FuncOp, module: ModuleOp) -> FuncOp:
    """A new function before `func`."""
    if SymbolTable.lookup_symbol(module, name) is not None:
        raise PassFailedException(
            f"@{func.sym_name.data} needs @{name}, but there is one: rename it"
        )
    type = FunctionType.from_lists([argument.type for argument in block.args], [])
    new = FuncOp(name, type, Region(block))
    Builder(InsertPoint.before(func)).insert(new)
    return new
