"""Expand rounding divisions into a truncating one and a correction by the remainder's sign."""

from collections.abc import Callable
from typing import TypeAlias

from xdsl.dialects import llvm
from xdsl.dialects.builtin import i1
from xdsl.ir import Operation, SSAValue

from microkernels.llvm_ops import binary, compare, constant, unary
from microkernels.llvm_types import element_type

Emit: TypeAlias = Callable[[Operation], SSAValue]
"""Insert an op of one result; return the result."""

Expansion: TypeAlias = Callable[[SSAValue, SSAValue, Emit], SSAValue]
"""Emit the ops of a function of two values; return its result."""


def _divide(
    kind: type[Operation], lhs: SSAValue, rhs: SSAValue, emit: Emit
) -> tuple[SSAValue, SSAValue]:
    """Return quotient and remainder; the product is cheaper than a second division."""
    quotient = emit(binary(kind, lhs, rhs))
    product = emit(binary(llvm.MulOp, quotient, rhs))
    return quotient, emit(binary(llvm.SubOp, lhs, product))


def _as_number(bit: SSAValue, like: SSAValue, emit: Emit) -> SSAValue:
    """Return 0 or 1 in the type of `like`."""
    if element_type(like.type) == i1:
        return bit
    return emit(unary(llvm.ZExtOp, bit, like.type))


def _inexact_with_sign(
    predicate: str, remainder: SSAValue, divisor: SSAValue, emit: Emit
) -> SSAValue:
    """Return 1 where there is a remainder and (its sign xor the divisor's) meets `predicate` 0."""
    zero = emit(constant(0, remainder.type))
    inexact = emit(compare("ne", remainder, zero))
    signs = emit(binary(llvm.XOrOp, remainder, divisor))
    meets = emit(compare(predicate, signs, zero))
    return _as_number(emit(binary(llvm.AndOp, inexact, meets)), remainder, emit)


def floor_signed(lhs: SSAValue, rhs: SSAValue, emit: Emit) -> SSAValue:
    """Divide, rounding down: one less where remainder and divisor differ in sign."""
    quotient, remainder = _divide(llvm.SDivOp, lhs, rhs, emit)
    excess = _inexact_with_sign("slt", remainder, rhs, emit)
    return emit(binary(llvm.SubOp, quotient, excess))


def ceil_signed(lhs: SSAValue, rhs: SSAValue, emit: Emit) -> SSAValue:
    """Divide, rounding up: one more where remainder and divisor agree in sign."""
    quotient, remainder = _divide(llvm.SDivOp, lhs, rhs, emit)
    missing = _inexact_with_sign("sge", remainder, rhs, emit)
    return emit(binary(llvm.AddOp, quotient, missing))


def ceil_unsigned(lhs: SSAValue, rhs: SSAValue, emit: Emit) -> SSAValue:
    """Divide unsigned, rounding up: one more where there is a remainder."""
    quotient, remainder = _divide(llvm.UDivOp, lhs, rhs, emit)
    zero = emit(constant(0, remainder.type))
    missing = _as_number(emit(compare("ne", remainder, zero)), remainder, emit)
    return emit(binary(llvm.AddOp, quotient, missing))
