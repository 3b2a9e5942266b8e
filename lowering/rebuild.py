"""Make an op anew with other operands, another result, or other regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import IRDLOperation

OpT = TypeVar("OpT", bound=IRDLOperation)


def rebuild(
    op: OpT,
    result: Attribute | None,
    *,
    regions: Sequence[Region] = (),
    without: Sequence[str] = (),
    operands: Mapping[str, SSAValue | None] | None = None,
) -> OpT:
    """A detached copy of `op` with a `result` type (or none), `regions`, and `operands` by name.

    An operand given as None is left out; properties named in `without` are too.
    """
    changed = operands or {}
    values: list[SSAValue | list[SSAValue]] = []
    for name, _ in type(op).get_irdl_definition().operands:
        value: SSAValue | None = changed[name] if name in changed else getattr(op, name)
        values.append([] if value is None else value)
    dropped = ("operandSegmentSizes", *without)
    return type(op).build(
        operands=values,
        result_types=[[] if result is None else [result]],
        properties={k: v for k, v in op.properties.items() if k not in dropped},
        attributes=op.attributes,
        regions=regions,
    )
