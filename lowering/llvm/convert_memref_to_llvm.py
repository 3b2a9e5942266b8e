"""Convert memref to llvm: a memref is a bare pointer to its first element.

Needs static strides where an element is addressed; leaves llvm ops, and casts where a memref meets
another dialect. A memref of any element type and layout may pass through as a pointer; only an
access needs a type that LLVM has and a layout that is identity or strided. The offset of a strided
layout is in the pointer, not in the access. An access is aligned to its element, or to the bytes in
its `alignment` attribute. A global takes the alignment 64 unless it states another, and without an
initial value is a declaration that somebody else defines.

Generated code owns no memory: `alloc` and `dealloc` are refused, and `copy` is, which needs a loop.

```
%1 = memref.load %0[%i, %j] : memref<4x8xi32>
-->
%1 = llvm.getelementptr inbounds %0[%i, %j] : ..., !llvm.array<8 x i32>
%2 = llvm.load %1 {alignment = 4 : i64} : !llvm.ptr -> i32
```
"""

from dataclasses import dataclass
from math import prod

from xdsl.dialects import llvm, memref
from xdsl.dialects.builtin import (
    UnitAttr,
)
from xdsl.ir import Operation, SSAValue

from lowering.llvm.addressing import (
    alignment,
    base_of,
    byte_address,
    element_address,
    memref_type,
    mixed,
    offset_address,
)
from lowering.llvm.conversion import Conversion, ConversionPass, Rule, constant_value
from lowering.llvm.type_conversion import refusal
from microkernels.llvm_ops import access, constant, without_index
from microkernels.llvm_types import PTR

_GLOBAL_ALIGNMENT = 64


def _load(op: memref.LoadOp, conversion: Conversion) -> None:
    base, *indices = op.operands
    address = element_address(op, base, indices, conversion)
    element = base_of(op, base, conversion).element
    conversion.become(op, llvm.LoadOp, [address], access(alignment(op, element)))


def _store(op: memref.StoreOp, conversion: Conversion) -> None:
    value, base, *indices = op.operands
    address = element_address(op, base, indices, conversion)
    element = base_of(op, base, conversion).element
    operands = [conversion.operand(value), address]
    conversion.become(op, llvm.StoreOp, operands, access(alignment(op, element)))


def _global(op: memref.GlobalOp, conversion: Conversion) -> None:
    element = conversion.llvm_type(op.type.element_type)
    value = op.initial_value
    stated = op.alignment
    new = llvm.GlobalOp(
        llvm.LLVMArrayType(prod(op.type.get_shape()), element),
        op.sym_name,
        _linkage(op),
        constant=op.constant is not None,
        value=None if isinstance(value, UnitAttr) else without_index(value, conversion.index),
        alignment=_GLOBAL_ALIGNMENT if stated is None else stated.value.data,
    )
    new.attributes |= op.attributes
    conversion.insert(new)
    conversion.replace(op)


def _linkage(op: memref.GlobalOp) -> str:
    if isinstance(op.initial_value, UnitAttr):
        return "external"
    # xDSL prints `external` before an initial value too, which LLVM reads as a declaration.
    return "internal" if op.sym_visibility.data == "private" else "weak_odr"


def _get_global(op: memref.GetGlobalOp, conversion: Conversion) -> None:
    address = conversion.emit(llvm.AddressOfOp(op.name_, PTR))
    _become_opaque(op, address, conversion)


def _alloca(op: memref.AllocaOp, conversion: Conversion) -> None:
    type_ = op.memref.type
    if op.operands or not type_.has_static_shape():
        raise refusal(op, f"{type_} has no static size; give it one")
    element = conversion.llvm_type(type_.element_type)
    size = conversion.emit(constant(prod(type_.get_shape()), conversion.index))
    address = conversion.emit(llvm.AllocaOp(size, element, alignment(op, element)))
    _become_opaque(op, address, conversion)


def _become_opaque(op: Operation, address: SSAValue, conversion: Conversion) -> None:
    """Make `op` the pointer `address`, by a cast that LLVM drops.

    xDSL's translation gives the address of a global or an alloca a typed pointer of llvmlite's,
    through which it refuses to store a value of another type, such as a vector.
    """
    conversion.become(op, llvm.BitcastOp, [address], {})


def _view(op: memref.ViewOp, conversion: Conversion) -> None:
    base = conversion.operand(op.source)
    conversion.replace(op, byte_address(base, op.byte_shift, conversion))


def _subview(op: memref.SubviewOp, conversion: Conversion) -> None:
    offsets = mixed(op.static_offsets.get_values(), op.offsets)
    conversion.replace(op, element_address(op, op.source, offsets, conversion))


def _reinterpret_cast(op: memref.ReinterpretCastOp, conversion: Conversion) -> None:
    """Move to the offset, which counts from the buffer and so includes that of the source."""
    type_ = memref_type(op.source)
    (offset,) = mixed(op.static_offsets.get_values(), op.offsets)
    base = conversion.operand(op.source)
    behind = type_.get_offset()
    if isinstance(offset, int) and offset == behind:
        conversion.replace(op, base)
        return
    if behind is None:
        raise refusal(op, f"{type_} has a dynamic offset; cast from the memref it is a view of")
    element = conversion.llvm_type(type_.element_type)
    at_start = offset_address(base, -behind, element, conversion)
    conversion.replace(op, offset_address(at_start, offset, element, conversion))


def _same_pointer(op: Operation, conversion: Conversion) -> None:
    conversion.llvm_type(op.results[0].type)
    conversion.replace(op, conversion.operand(op.operands[0]))


def _pointer_as_index(op: memref.ExtractAlignedPointerAsIndexOp, conversion: Conversion) -> None:
    conversion.become(op, llvm.PtrToIntOp, conversion.operands(op), {})


def _dim(op: memref.DimOp, conversion: Conversion) -> None:
    axis = constant_value(op.index)
    shape = memref_type(op.source).get_shape()
    if axis is None or not 0 <= axis < len(shape) or shape[axis] < 0:
        raise refusal(op, "a bare pointer has no size; use a constant axis of a static shape")
    conversion.replace(op, conversion.emit(constant(shape[axis], conversion.index)))


def _rank(op: memref.RankOp, conversion: Conversion) -> None:
    rank = len(memref_type(op.source).get_shape())
    conversion.replace(op, conversion.emit(constant(rank, conversion.index)))


def _refuse(reason: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        raise refusal(op, reason)

    return rule


_NO_ALLOCATION = "generated code never allocates; take the buffer as an argument or from the arena"

_RULES: dict[type[Operation], Rule] = {
    memref.LoadOp: _load,
    memref.StoreOp: _store,
    memref.GlobalOp: _global,
    memref.GetGlobalOp: _get_global,
    memref.AllocaOp: _alloca,
    memref.ViewOp: _view,
    memref.SubviewOp: _subview,
    memref.ReinterpretCastOp: _reinterpret_cast,
    memref.CastOp: _same_pointer,
    memref.CollapseShapeOp: _same_pointer,
    memref.ExpandShapeOp: _same_pointer,
    memref.AssumeAlignmentOp: _same_pointer,
    memref.ExtractAlignedPointerAsIndexOp: _pointer_as_index,
    memref.DimOp: _dim,
    memref.RankOp: _rank,
    memref.AllocOp: _refuse(_NO_ALLOCATION),
    memref.DeallocOp: _refuse(_NO_ALLOCATION),
    memref.CopyOp: _refuse("a copy is a loop; lower it to scf with loads and stores first"),
}


@dataclass(frozen=True)
class ConvertMemRefToLLVMPass(ConversionPass):
    """Convert memref to llvm by bare pointers."""

    name = "convert-memref-to-llvm"
    dialect, rules = memref.MemRef, _RULES
