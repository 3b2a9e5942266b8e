"""Addresses of memref elements, as `llvm.getelementptr`.

A memref is a bare pointer to its first element: the offset of a strided layout is already in the
pointer, and accesses use the strides alone. Addresses are GEPs and never integers, which would stop
LLVM from seeing what a pointer is based on.
"""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    DenseArrayBase,
    IntegerAttr,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    UnitAttr,
    i8,
    i32,
)
from xdsl.dialects.llvm import GEP_USE_SSA_VAL, GEPOp, LLVMArrayType
from xdsl.ir import Attribute, Operation, SSAValue

from lowering.llvm.conversion import Base, Conversion, constant_value
from lowering.llvm.type_conversion import refusal
from microkernels.llvm_ops import constant
from microkernels.llvm_types import PTR, element_type, is_integer

_NO_WRAP_FLAGS = IntegerAttr(0, i32)
_IN_BOUNDS = UnitAttr()
_I32_LIMIT = 1 << 31


def memref_type(value: SSAValue) -> MemRefType[Attribute]:
    """Return the type of `value`, a memref."""
    assert isinstance(value.type, MemRefType)
    return cast(MemRefType[Attribute], value.type)


def alignment(op: Operation, element: Attribute) -> int:
    """Return the bytes an access is aligned to: the op's `alignment`, or the element's size."""
    stated = op.properties.get("alignment") or op.attributes.get("alignment")
    if isinstance(stated, IntegerAttr):
        return stated.value.data
    scalar = element_type(element)
    bits = scalar.bitwidth if is_integer(scalar) or isinstance(scalar, AnyFloat) else 32
    return 1 << max(0, (bits - 1).bit_length() - 3)


def strides_of(op: Operation, type_: MemRefType) -> tuple[int, ...]:
    """Return the strides of a memref in elements; refuse, in the name of `op`, what has none."""
    if not isinstance(type_.layout, NoneAttr | StridedLayoutAttr):
        raise refusal(
            op, f"{type_} has a layout that is neither identity nor strided; unpack it first"
        )
    strides = tuple(type_.get_strides() or ())
    known = tuple(stride for stride in strides if stride is not None and stride >= 0)
    if len(known) < len(strides):
        raise refusal(op, f"{type_} has a stride that is dynamic or negative; make it static")
    return known


def _get_element(
    pointer: SSAValue,
    indices: Sequence[int | SSAValue],
    pointee: Attribute,
    conversion: Conversion,
    in_bounds: bool,
) -> SSAValue:
    values: list[SSAValue] = [pointer]
    raw: list[int] = []
    for index in indices:
        if isinstance(index, int) and -_I32_LIMIT < index < _I32_LIMIT:
            raw.append(index)
            continue
        value = (
            conversion.emit(constant(index, conversion.index)) if isinstance(index, int) else index
        )
        raw.append(GEP_USE_SSA_VAL)
        values.append(conversion.operand(value))
    properties: dict[str, Attribute] = {
        "rawConstantIndices": DenseArrayBase.from_list(i32, raw),
        "elem_type": pointee,
        "noWrapFlags": _NO_WRAP_FLAGS,
    }
    if in_bounds:
        properties["inbounds"] = _IN_BOUNDS
    return conversion.emit(GEPOp.create(operands=values, result_types=[PTR], properties=properties))


def element_address(
    op: Operation,
    memref: SSAValue,
    indices: Sequence[int | SSAValue],
    conversion: Conversion,
    *,
    in_bounds: bool = True,
) -> SSAValue:
    """Return the address of an element of `memref`, for the access `op`."""
    base = base_of(op, memref, conversion)
    known = [index if isinstance(index, int) else constant_value(index) for index in indices]
    fixed, moving = 0, list[tuple[SSAValue | int, int]]()
    for index, value, stride in zip(indices, known, base.strides, strict=True):
        if value is not None:
            fixed += value * stride
        elif stride != 0:
            moving.append((index, stride))
    if base.row is not None and len(moving) + (fixed != 0) > 1:
        mixed = [index if k is None else k for index, k in zip(indices, known, strict=True)]
        return _get_element(base.pointer, mixed, base.row, conversion, in_bounds)
    pointer = base.pointer
    for index, stride in moving:
        pointee = base.element if stride == 1 else LLVMArrayType(stride, base.element)
        pointer = _get_element(pointer, [index], pointee, conversion, in_bounds)
    return offset_address(pointer, fixed, base.element, conversion, in_bounds=in_bounds)


def base_of(op: Operation, memref: SSAValue, conversion: Conversion) -> Base:
    """Return what the access `op` needs to know of `memref`, found out once a memref."""
    if memref not in conversion.bases:
        type_ = memref_type(memref)
        element = conversion.llvm_type(type_.element_type)
        strides = strides_of(op, type_)
        row = None
        if isinstance(type_.layout, NoneAttr):
            row = _array_nest(element, type_.get_shape())
        pointer = conversion.operand(memref)
        conversion.bases[memref] = Base(pointer, element, strides, row)
    return conversion.bases[memref]


def _array_nest(element: Attribute, shape: Sequence[int]) -> Attribute:
    """Return the type of a row of the outermost dimension, so that one GEP takes all indices."""
    for size in reversed(shape[1:]):
        element = LLVMArrayType(size, element)
    return element


def offset_address(
    pointer: SSAValue,
    offset: int | SSAValue,
    element: Attribute,
    conversion: Conversion,
    *,
    in_bounds: bool = True,
) -> SSAValue:
    """Return `pointer` moved by `offset` elements; the pointer itself where that is 0."""
    known = offset if isinstance(offset, int) else constant_value(offset)
    if known == 0:
        return pointer
    return _get_element(
        pointer, [offset if known is None else known], element, conversion, in_bounds
    )


def byte_address(pointer: SSAValue, offset: int | SSAValue, conversion: Conversion) -> SSAValue:
    """Return `pointer` moved by `offset` bytes."""
    return offset_address(pointer, offset, i8, conversion)


def mixed(static: Sequence[int], dynamic: Sequence[SSAValue]) -> list[int | SSAValue]:
    """Return the list that `static` gives, its dynamic places filled from `dynamic` in order."""
    rest = iter(dynamic)
    return [next(rest) if value == DYNAMIC_INDEX else value for value in static]
