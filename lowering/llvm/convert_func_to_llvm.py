"""Convert func to llvm: `func.func` becomes an external `llvm.func`, a memref a pointer.

Needs at most one result, which is no memref; leaves `llvm.func`, `llvm.return` and `llvm.call`, and
casts where an argument meets another dialect. Every memref argument is `llvm.noalias` and
`llvm.nonnull`: callers pass buffers that do not overlap. Argument attributes such as `llvm.align`
stay.

```
func.func @f(%x : memref<8xi32> {llvm.align = 64 : i64}, %n : index) -> i32
-->
llvm.func @f(%x : !llvm.ptr {llvm.align = 64 : i64, llvm.noalias, llvm.nonnull}, %n : i64) -> i32
```
"""

from dataclasses import dataclass

from xdsl.dialects import func, llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    UnitAttr,
    VectorType,
)
from xdsl.ir import Attribute, Operation

from lowering.llvm.conversion import Conversion, ConversionPass, Rule
from lowering.llvm.type_conversion import refusal

_EXTERNAL = llvm.LinkageAttr("external")
_NAMED = IntegerAttr(0, 64)
"""What the parser of `llvm.func` gives every function; written too, so that text reads back the same."""
_BUFFER: dict[str, Attribute] = {"llvm.noalias": UnitAttr(), "llvm.nonnull": UnitAttr()}


def _output(
    op: Operation, types: tuple[Attribute, ...], conversion: Conversion
) -> Attribute | None:
    if len(types) > 1:
        raise refusal(op, "LLVM returns at most one value; write the others through memrefs")
    if any(isinstance(type_, MemRefType) for type_ in types):
        raise refusal(op, "a memref cannot be returned; take it as an argument and write to it")
    return conversion.llvm_type(types[0]) if types else None


def _argument_attributes(op: func.FuncOp) -> ArrayAttr[DictionaryAttr] | None:
    inputs = op.function_type.inputs.data
    entries = [_BUFFER if isinstance(type_, MemRefType) else {} for type_ in inputs]
    if op.arg_attrs is not None:
        given = (entry.data for entry in op.arg_attrs)
        entries = [{**kept, **entry} for kept, entry in zip(given, entries, strict=True)]
    return ArrayAttr(DictionaryAttr(entry) for entry in entries) if any(entries) else None


def _func(op: func.FuncOp, conversion: Conversion) -> None:
    inputs = [conversion.llvm_type(type_) for type_ in op.function_type.inputs]
    output = _output(op, op.function_type.outputs.data, conversion)
    if (entry := op.body.blocks.first) is not None:
        conversion.retype_arguments(entry, op, (IndexType, MemRefType, VectorType))
    new = llvm.FuncOp(
        op.sym_name,
        llvm.LLVMFunctionType(inputs, output),
        linkage=_EXTERNAL,
        sym_visibility=op.sym_visibility,
        body=op.detach_region(op.body),
        other_props={"arg_attrs": _argument_attributes(op), "unnamed_addr": _NAMED},
        extra_attrs=op.attributes,
    )
    conversion.insert(new)
    conversion.replace(op)


def _return(op: func.ReturnOp, conversion: Conversion) -> None:
    _output(op, tuple(operand.type for operand in op.operands), conversion)
    conversion.become(op, llvm.ReturnOp, conversion.operands(op), {})


def _call(op: func.CallOp, conversion: Conversion) -> None:
    output = _output(op, tuple(op.result_types), conversion)
    arguments = [conversion.operand(argument) for argument in op.operands]
    new = llvm.CallOp(op.callee, *arguments, return_type=output)
    conversion.insert(new)
    conversion.replace(op, *new.results)


_RULES: dict[type[Operation], Rule] = {
    func.FuncOp: _func,
    func.ReturnOp: _return,
    func.CallOp: _call,
}


@dataclass(frozen=True)
class ConvertFuncToLLVMPass(ConversionPass):
    """Convert func to llvm, memrefs being bare pointers."""

    name = "convert-func-to-llvm"
    dialect, rules = func.Func, _RULES
