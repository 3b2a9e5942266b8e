"""What elementwise ops share: operands, tables, the channel axis, verification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import (
    Float32Type,
    IntegerAttr,
    IntegerType,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    operand_def,
    opt_operand_def,
    opt_result_def,
    prop_def,
    traits_def,
)

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    check_layout,
    element_of,
    expect,
    is_scalar,
    output_type,
    shape_of,
    shaped,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import integer

ROUNDINGS = ("half_even", "floor", "ceil", "up", "down", "half_up", "half_down")
LAST = IntegerAttr(-1, i64)
KINDS = {CodeType: "codes", IntegerType: "integers", Float32Type: "f32"}


class ElementwiseOp(LowbitOp):
    """What elementwise ops share: `input`, tables, an optional `outs`, `axis`."""

    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    traits = traits_def(WritesOuts())

    @property
    def tables(self) -> tuple[SSAValue, ...]:
        """The operands that hold a row for each channel."""
        whole = (self.outs, *self.others)
        return tuple(v for v in self.operands[1:] if v not in whole)

    @property
    def others(self) -> tuple[SSAValue, ...]:
        """The operands that are tensors of the shape of the input, beside it."""
        return ()

    @property
    def channel_axis(self) -> int:
        """Axis of the input that tables are indexed by."""
        return self.axis.value.data % len(shape_of(self.input))

    @property
    def output_element(self) -> Attribute:
        """Element type of what this op computes."""
        if self.outs is not None:
            return shaped(self.outs).element_type
        return element_of(self.results[0].type)

    def _verify_elementwise(self, rows: Sequence[SSAValue], kind: Attribute, rank: int = 1) -> None:
        if is_scalar(self.input.type):
            self._verify_scalar()
        else:
            verify_form(self)
        for row in rows:
            expect(not is_scalar(row.type), f"a table is a tensor, not {row.type}")
            expect(
                len(shape_of(row)) == rank and shaped(row).element_type == kind,
                f"a table is {kind} of rank {rank}, not {row.type}",
            )
        if is_scalar(self.input.type):
            return
        shape, axis = shape_of(self.input), self.axis.value.data
        expect(
            -len(shape) <= axis < len(shape),
            f"axis {axis} is not one of {len(shape)}",
        )
        got = output_type(self)
        expect(
            tuple(got.get_shape()) == shape,
            f"computes a shape of {'x'.join(map(str, shape))}, but its result is {got}",
        )
        for row in rows:
            expect(
                shape_of(row)[0] in (1, shape[self.channel_axis]),
                f"a table has 1 row or {shape[self.channel_axis]}, not {shape_of(row)[0]}",
            )

    def _verify_scalar(self) -> None:
        one = self.outs is None and len(self.results) == 1 and is_scalar(self.results[0].type)
        expect(one, f"on one {self.input.type}, it has one element as its result")
        for value in self.operands:
            check_layout(value.type)

    def _expect_elements(self, source: Any, target: Any) -> None:
        for verb, kind, got in (
            ("takes", source, element_of(self.input.type)),
            ("gives", target, self.output_element),
        ):
            names = [name for one, name in KINDS.items() if issubclass(one, kind)]
            fits = isinstance(got, kind) and got != i64
            expect(fits, f"{verb} {' or '.join(names)}, not {got}")


def result_like(input: SSAValue | Operation, element: Attribute) -> Attribute:
    """Type of an elementwise result: the input's shape with another element."""
    type = SSAValue.get(input).type
    return TensorType(element, type.get_shape()) if isinstance(type, TensorType) else element
