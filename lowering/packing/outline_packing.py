"""Outlining: what depends on constant arguments alone is computed ahead, by `@NAME_pack`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.attributes import CONSTANT, PACKED, PACKING
from lowbit_dialect.interface import argument_attributes, state_names
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.movement import MoveOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp


def packs_for(func: FuncOp, module: ModuleOp) -> bool:
    """Whether a function packs constants for another one: that runs once, whatever that one does."""
    name = func.sym_name.data
    base = name.removesuffix("_pack")
    return base != name and SymbolTable.lookup_symbol(module, base) is not None


def outline_packing(func: FuncOp, module: ModuleOp) -> None:
    """Move ops on arguments marked `lowbit.constant` to `@NAME_pack`; their results become arguments."""
    block, attributes = func.body.block, argument_attributes(func)
    constants = [arg for arg, attrs in zip(block.args, attributes) if CONSTANT in attrs]
    moved = _movable(block, set(constants))
    frontier = [
        result
        for op in moved
        for result in op.results
        if not isinstance(op, ConstantOp) and any(use.operation not in moved for use in result.uses)
    ]
    if not frontier:
        return
    feeding = [arg for arg in constants if any(use.operation in moved for use in arg.uses)]
    marks = [DictionaryAttr(attributes[arg.index]) for arg in feeding]
    _build_pack(func, module, feeding, marks, moved, frontier)
    kept = list(zip(block.args, attributes))
    for index, value in enumerate(frontier):
        new = block.insert_arg(value.type, len(block.args))
        new.name_hint = value.name_hint
        value.replace_all_uses_with(new)
        kept.append((new, {PACKED: IntegerAttr(index, i64)}))
    for op in reversed(moved):
        if not any(result.uses.get_length() for result in op.results):
            Rewriter.erase_op(op)
    dead = [arg for arg in constants if not arg.uses.get_length()]
    kept = [(arg, attrs) for arg, attrs in kept if arg not in dead]
    for arg in dead:
        block.erase_arg(arg)
    func.properties["arg_attrs"] = ArrayAttr([DictionaryAttr(attrs) for _, attrs in kept])
    _retype(func)
    state_names(func)


def _movable(block: Block, known: set[SSAValue]) -> list[Operation]:
    """Ops that move, compute corrections or hold constants, on known values alone."""
    moved: list[Operation] = []
    moves = (ConversionOp, ReshapeOp, TransposeOp, MoveOp, GatherOp)
    kinds = (*moves, CorrectionsOp, ConstantOp)
    for op in block.ops:
        returned = any(isinstance(u.operation, ReturnOp) for r in op.results for u in r.uses)
        # A result that is returned stays: someone has to write it each time.
        if isinstance(op, kinds) and not returned and known.issuperset(op.operands):
            moved.append(op)
            known.update(op.results)
    used = [op for op in moved if not isinstance(op, ConstantOp)]
    fed = {operand for op in used for operand in op.operands}
    return [op for op in moved if not isinstance(op, ConstantOp) or op.results[0] in fed]


def _build_pack(
    func: FuncOp,
    module: ModuleOp,
    arguments: Sequence[SSAValue],
    marks: Sequence[DictionaryAttr],
    moved: Sequence[Operation],
    results: Sequence[SSAValue],
) -> None:
    block = Block(arg_types=[arg.type for arg in arguments])
    values: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args))
    for new, old in zip(block.args, arguments):
        new.name_hint = old.name_hint
    for op in moved:
        block.add_op(op.clone(values))
    block.add_op(ReturnOp(*(values[value] for value in results)))
    types = [arg.type for arg in arguments], [value.type for value in results]
    name = f"{func.sym_name.data}_pack"
    if SymbolTable.lookup_symbol(module, name) is not None:
        raise PassFailedException(
            f"@{func.sym_name.data} needs @{name} for its packing, but there is one: rename it"
        )
    pack = FuncOp(
        name,
        FunctionType.from_lists(*types),
        Region(block),
        arg_attrs=ArrayAttr(marks),
    )
    state_names(pack)
    pack.attributes[PACKING] = StringAttr(sha256(str(pack).encode()).hexdigest())
    Rewriter.insert_op(pack, InsertPoint.before(func))
    assert pack.parent is module.body.block


def _retype(func: FuncOp) -> None:
    """Make the function type agree with the block."""
    outputs = func.function_type.outputs.data
    types = [arg.type for arg in func.body.block.args]
    func.properties["function_type"] = FunctionType.from_lists(types, list(outputs))
