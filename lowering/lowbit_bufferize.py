"""`lowbit-bufferize`: tensors become memrefs, intermediate ones in one arena.

Needs functions on tensors, one block each; leaves `func @f(arguments, results, arena)` on memrefs. Layouts
are kept. Results are written to arguments marked `lowbit.out`; everything in between lies in one
`memref<Nxi8>` marked `lowbit.arena = N`, at offsets planned here, so that generated code allocates nothing:

    %y = lowbit.conv2d %x, %w : ... -> tensor<1x8x8x16xi32>
    ->  %y = lowbit.slice %arena at 0 : memref<4096xi8> to memref<1x8x8x16xi32>
        lowbit.conv2d %x, %w outs(%y : memref<1x8x8x16xi32>) : ...

Constants become bytes of `memref.global`s, already in their layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects import memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FunctionType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    NoneAttr,
    StringAttr,
    TensorType,
    UnitAttr,
    i8,
    i64,
)
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.irdl import IRDLOperation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.attributes import ARENA, OUT
from lowbit_dialect.layout import LayoutAttr, layout_of, storage_bytes
from lowbit_dialect.names import NAME, name_attribute, result_names
from lowbit_dialect.ops.common import check_layout, shaped, tensor_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import RelayoutOp
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from lowbit_dialect.storage import to_storage
from lowering.aligned import ALIGNMENT
from lowering.arena import Life, arena
from lowering.preconditions import block_of, return_of
from lowering.rebuild import rebuild


def memref_of(type: Attribute) -> MemRefType[Any]:
    """The memref that stores a tensor type, layout kept."""
    assert isinstance(type, TensorType)
    tensor = cast(TensorType[Attribute], type)
    layout = tensor.encoding if isinstance(tensor.encoding, LayoutAttr) else NoneAttr()
    return MemRefType(tensor.element_type, tensor.get_shape(), layout)


def bufferize(func: FuncOp, module: ModuleOp, constants: list[int]) -> None:
    """Rewrite one function from tensors to memrefs."""
    block, last = block_of(func), return_of(func)
    order = {op: i for i, op in enumerate(block.ops)}
    outputs = list(last.operands)
    _check(func, block, outputs)
    marks = [_mark(value, name) for value, name in zip(outputs, result_names(func))]
    for argument in list(block.args):
        if isinstance(argument.type, TensorType):
            Rewriter.replace_value_with_new_type(argument, memref_of(tensor_of(argument)))
    buffers: dict[SSAValue, SSAValue] = {}
    for value in outputs:
        name = value.name_hint
        buffers[value] = block.insert_arg(memref_of(value.type), len(block.args))
        buffers[value].name_hint = f"{name}_out" if name else "out"
    inner = [(op, r) for op in order for r in _buffered(op) if r not in buffers]
    lives = [Life(storage_bytes(shaped(r)), order[op], _last_use(r, order)) for op, r in inner]
    size, offsets = arena(lives)
    for op in list(block.ops):
        if isinstance(op, ConstantOp):
            _global(op, module, constants)
        elif isinstance(op, ReshapeOp):
            Rewriter.replace_op(op, ReshapeOp(op.input, memref_of(op.result.type)))
        else:
            for result in _buffered(op):
                if result in buffers:
                    _to_outs(op, buffers[result])
    if size:
        scratch = block.insert_arg(MemRefType(i8, [size]), len(block.args))
        scratch.name_hint = "arena"
        for (op, result), offset in zip(inner, offsets):
            piece = SliceOp(scratch, offset, memref_of(result.type))
            piece.result.name_hint = result.name_hint
            block.insert_op_before(piece, op)
            _to_outs(op, piece.result)
        marks.append(DictionaryAttr({ARENA: IntegerAttr(size, i64)}))
    Rewriter.replace_op(last, ReturnOp())
    _set_type(func, marks)


def _buffered(op: Operation) -> list[SSAValue]:
    """The tensor that an op writes to a buffer, if it does."""
    kept = isinstance(op, ConstantOp | ReshapeOp) or not op.results
    return [] if kept or not isinstance(op.results[0].type, TensorType) else [op.results[0]]


def _mark(value: SSAValue, name: str) -> DictionaryAttr:
    """What the argument that a result is written to says of it."""
    return DictionaryAttr({OUT: value.type, NAME: name_attribute(name)})


def _check(func: FuncOp, block: Block, outputs: list[SSAValue]) -> None:
    """Tensors are computed by ops of lowbit, and results by ops that write them."""
    for value in block.args:
        if isinstance(value.type, TensorType):
            check_layout(tensor_of(value))
    for op in block.walk():
        if isinstance(op, CallOp):
            raise PassFailedException(f"'func.call' in @{func.sym_name.data}: inline it first")
        tensors = any(isinstance(v.type, TensorType) for v in (*op.operands, *op.results))
        if tensors and op is not block.last_op and not op.name.startswith("lowbit."):
            raise PassFailedException(
                f"'{op.name}' in @{func.sym_name.data} works on tensors: expected ops of lowbit"
            )
    for value in outputs:
        owner = value.owner
        if not isinstance(owner, Operation) or isinstance(owner, ConstantOp | ReshapeOp):
            raise PassFailedException(
                f"@{func.sym_name.data} returns {value.type} that no op computes: run lowbit-pack "
                "first, which copies it"
            )
    if len(set(outputs)) != len(outputs):
        raise PassFailedException(
            f"@{func.sym_name.data} returns a value twice: run lowbit-pack first"
        )


def _last_use(value: SSAValue, order: dict[Operation, int]) -> int:
    """Index of the last op that reads a value, through reshapes and from inside epilogues; of the op that
    computes it if none does."""
    owner = value.owner
    assert isinstance(owner, Operation)
    last = order[owner]
    for use in value.uses:
        op = use.operation
        top = op
        while top not in order:
            parent = top.parent_op()
            assert parent is not None
            top = parent
        last = max(last, order[top])
        if isinstance(op, ReshapeOp) or _may_wait(op):
            last = max(last, _last_use(op.results[0], order))
    return last


def _may_wait(op: Operation) -> bool:
    """Whether an op makes tables, which `lowbit-tile` may have done only when they are read."""
    layout = layout_of(shaped(op.results[0])) if isinstance(op, RelayoutOp) else None
    return layout is not None and layout.table is not None


def _to_outs(op: Operation, outs: SSAValue) -> None:
    """Give an op its `outs` operand in place of its result."""
    assert isinstance(op, IRDLOperation)
    new = rebuild(
        op, None, regions=[region.clone() for region in op.regions], operands={"outs": outs}
    )
    Rewriter.insert_op(new, InsertPoint.before(op))
    op.results[0].replace_all_uses_with(outs)
    Rewriter.erase_op(op)


def _global(op: ConstantOp, module: ModuleOp, constants: list[int]) -> None:
    """Turn a constant into the bytes of a global, stored in its layout."""
    type = tensor_of(op.result)
    data = np.ascontiguousarray(to_storage(op.array(), type)).tobytes()
    taken = SymbolTable.lookup_symbol
    while taken(module, name := f"constant_{len(constants)}") is not None:
        constants.append(0)
    constants.append(len(data))
    bytes_type = MemRefType(i8, [len(data)])
    value = DenseIntOrFPElementsAttr(TensorType(i8, [len(data)]), BytesAttr(data))
    held = memref.GlobalOp.get(
        StringAttr(name), bytes_type, value, constant=UnitAttr(), alignment=ALIGNMENT
    )
    Rewriter.insert_op(held, InsertPoint.at_start(module.body.block))
    get = memref.GetGlobalOp(name, bytes_type)
    piece = SliceOp(get.memref, 0, memref_of(type))
    piece.result.name_hint = op.result.name_hint
    Rewriter.replace_op(op, [get, piece], [piece.result])


def _set_type(func: FuncOp, marks: Sequence[DictionaryAttr]) -> None:
    """Update the function type, and mark the new arguments."""
    types = [argument.type for argument in func.body.block.args]
    old = (
        func.arg_attrs.data if func.arg_attrs else [DictionaryAttr({})] * (len(types) - len(marks))
    )
    func.properties["arg_attrs"] = ArrayAttr([*old, *marks])
    func.properties.pop("res_attrs", None)
    func.properties["function_type"] = FunctionType.from_lists(types, [])


@dataclass(frozen=True)
class LowbitBufferizePass(ModulePass):
    """Memrefs for tensors, one static arena a function."""

    name = "lowbit-bufferize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Bufferise every function."""
        constants: list[int] = []
        for func in list(op.ops):
            if isinstance(func, FuncOp) and not func.is_declaration:
                bufferize(func, op, constants)
