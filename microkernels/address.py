"""Addresses in generated code: pointers, constants and indices added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import SSAValue

from microkernels.emit import Emitter


@dataclass(frozen=True)
class Address:
    """A pointer and a constant number of bytes to add."""

    pointer: SSAValue
    bytes: int = 0

    def plus(self, amount: int) -> Address:
        """This address moved by a constant."""
        return Address(self.pointer, self.bytes + amount)


def move(emit: Emitter, pointer: SSAValue, parts: Sequence[tuple[SSAValue, int]]) -> SSAValue:
    """A pointer moved by the sum of index values times their strides in bytes."""
    total: SSAValue | None = None
    constant = 0
    for index, stride in parts:
        known = constant_of(index)
        if stride == 0 or known is not None:
            constant += stride * (known or 0)
            continue
        part = emit.at("mul", index, stride)
        total = part if total is None else emit.at("add", total, part)
    moved = emit.offset(pointer, constant)
    return moved if total is None else emit.offset(moved, total)


def constant_of(value: SSAValue) -> int | None:
    """The number that a value is known to be; None if it is not."""
    op = value.owner
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        return op.value.value.data
    return None


def is_constant(value: SSAValue, number: int) -> bool:
    """Whether a value is known to be `number`."""
    return constant_of(value) == number
