"""What is asked of the types of llvm ops, and how they are built."""

from __future__ import annotations

from functools import cache

from typing_extensions import TypeIs
from xdsl.dialects.builtin import IntegerType, VectorType
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.ir import Attribute

PTR = LLVMPointerType()


@cache
def vector(lanes: int, element: Attribute) -> Attribute:
    """A vector type; one lane is the element itself."""
    return element if lanes == 1 else VectorType(element, [lanes])


def is_integer(type_: Attribute) -> TypeIs[IntegerType]:
    """Tell whether `type_` is an integer type."""
    return isinstance(type_, IntegerType)


def is_vector(type_: Attribute) -> TypeIs[VectorType[Attribute]]:
    """Tell whether `type_` is a vector type."""
    return isinstance(type_, VectorType)


def element_type(type_: Attribute) -> Attribute:
    """Return the element type of a vector, any other type as it is."""
    return type_.element_type if is_vector(type_) else type_


def with_element(type_: Attribute, element: Attribute) -> Attribute:
    """Return `element`, as a vector of the shape of `type_` where that is a vector."""
    return VectorType(element, type_.shape) if is_vector(type_) else element


def lanes_of(type_: Attribute) -> int:
    """Return the number of elements of a 1-D vector type; 1 for any other type."""
    return type_.shape.data[0].data if is_vector(type_) else 1


def bits_of(type_: Attribute) -> int:
    """Return the bits of an integer type."""
    assert is_integer(type_)
    return type_.width.data


@cache
def mangled(type_: Attribute) -> str:
    """Return the suffix by which LLVM names an overload at this type: `i32`, `v4f32`, `p0`."""
    if is_vector(type_):
        return f"v{lanes_of(type_)}{mangled(type_.element_type)}"
    return "p0" if type_ == PTR else str(type_)
