"""Elementwise functions of f32: `apply`, by name, and `prelu`."""

from __future__ import annotations

from math import isfinite

from xdsl.dialects.builtin import Float32Type, FloatAttr, IntegerAttr, StringAttr, f32, i64
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
)

from lowbit_dialect.functions import FUNCTIONS, Function
from lowbit_dialect.ops.common import expect
from lowbit_dialect.ops.elementwise_base import LAST, ElementwiseOp, result_like
from lowbit_dialect.ops.properties import integer, number, one_of


@irdl_op_definition
class ApplyOp(ElementwiseOp):
    """`y = function(x)` in f32, with `alpha` and `beta` where the function has them (`functions.py`)."""

    name = "lowbit.apply"
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    function = prop_def(one_of("function", tuple(FUNCTIONS)))
    alpha = opt_prop_def(number("alpha"))
    beta = opt_prop_def(number("beta"))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$function $input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )

    def __init__(self, function: str, input: SSAValue | Operation, **parameters: float):
        super().__init__(
            operands=[input, None],
            result_types=[result_like(input, f32)],
            properties={
                "function": StringAttr(function),
                **{name: FloatAttr(value, f32) for name, value in parameters.items()},
            },
        )

    @property
    def definition(self) -> Function:
        """What the function is."""
        return FUNCTIONS[self.function.data]

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the function takes."""
        given = (self.alpha, self.beta)
        return tuple(one.value.data for one in given if one is not None)

    def verify_(self) -> None:
        self._verify_elementwise([], f32)
        self._expect_elements(Float32Type, Float32Type)
        wanted = self.definition.parameters
        for name, given in (("alpha", self.alpha), ("beta", self.beta)):
            has = "has" if name in wanted else "has no"
            expect((given is not None) == (name in wanted), f"{self.function.data} {has} {name}")
        finite = all(map(isfinite, self.parameters))
        expect(finite, f"alpha and beta are finite, not {self.parameters}")


@irdl_op_definition
class PreluOp(ElementwiseOp):
    """`y = x`, and `x * slope[c]` below 0, in f32."""

    name = "lowbit.prelu"
    input = operand_def()
    slope = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `,` $slope (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` "
        "type($slope) (`->` type($result)^)?"
    )

    def __init__(self, input: SSAValue | Operation, slope: SSAValue | Operation, *, axis: int = -1):
        super().__init__(
            operands=[input, slope, None],
            result_types=[result_like(input, f32)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    def verify_(self) -> None:
        self._verify_elementwise([self.slope], f32)
        self._expect_elements(Float32Type, Float32Type)
