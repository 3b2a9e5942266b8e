"""Ops on rows, the last axis of f32: `reduce` to one number, `top_k` to the largest.

%m = lowbit.reduce "max" %x : tensor<4x10xf32> -> tensor<4x1xf32>
%i = lowbit.top_k %x : tensor<4x10xf32> -> tensor<4x3xi32>
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr, TensorType, UnitAttr, f32, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    traits_def,
)

from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    element_of,
    expect,
    expect_output,
    output_type,
    shape_of,
    shaped,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, one_of

REDUCTIONS = ("sum", "mean", "max", "min")
LANES = 16
"""Numbers of a row that are reduced side by side."""


class RowOp(LowbitOp):
    """What they share: an input of f32 whose last axis is reduced."""

    FORM: ClassVar[str] = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(WritesOuts())

    def _verify_rows(self, count: int, *elements: Attribute) -> None:
        verify_form(self)
        shape, element = shape_of(self.input), element_of(self.input.type)
        plain = layout_of(shaped(self.input)) is None and layout_of(output_type(self)) is None
        expect(plain, "takes and gives tensors without a layout")
        expect(element == f32, f"takes f32, not {element}")
        expect(len(shape) > 0, "takes one axis or more, not none")
        expect(1 <= count <= shape[-1], f"gives 1 to {shape[-1]} numbers a row, not {count}")
        expect_output(self, (*shape[:-1], count), *elements)


@irdl_op_definition
class ReduceOp(RowOp):
    """The sum, mean, largest or smallest number of each row.

    In 16 partial results, of every 16th number each in ascending order from 0 (or an infinity) on, which are
    then joined by halves: 8 with 8, 4 with 4, 2 with 2, 1 with 1. A mean divides the sum by the length. NaN
    is no largest or smallest number, and a zero is +0.
    """

    name = "lowbit.reduce"
    function = prop_def(one_of("function", REDUCTIONS))
    assembly_format = "$function " + RowOp.FORM

    def __init__(self, function: str, input: SSAValue | Operation):
        shape = (*shape_of(SSAValue.get(input))[:-1], 1)
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(f32, shape)],
            properties={"function": StringAttr(function)},
        )

    def verify_(self) -> None:
        self._verify_rows(1, f32)


@irdl_op_definition
class TopKOp(RowOp):
    """The largest numbers of each row, or the smallest with `smallest`, in order: what the result holds.

    Of i32 their places, of f32 they themselves. Of equals the first comes first; -0 equals 0, and a NaN is
    beyond the infinity of its sign.
    """

    name = "lowbit.top_k"
    smallest = opt_prop_def(UnitAttr)
    assembly_format = RowOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        count: int,
        element: Attribute = i32,
        *,
        smallest: bool = False,
    ):
        shape = (*shape_of(SSAValue.get(input))[:-1], count)
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(element, shape)],
            properties={"smallest": UnitAttr() if smallest else None},
        )

    def verify_(self) -> None:
        shape = output_type(self).get_shape()
        expect(len(shape) > 0, "gives one axis or more, not none")
        self._verify_rows(shape[-1], i32, f32)
