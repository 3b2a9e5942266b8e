"""Elementwise arithmetic with constants: `batch_norm`, `clip`."""

from __future__ import annotations

from typing import Any, cast

from xdsl.dialects.builtin import (
    Float32Type,
    FloatAttr,
    IntegerAttr,
    f32,
    i32,
    i64,
)
from xdsl.interfaces import HasCanonicalizationPatternsInterface
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
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.hints import isa

from lowbit_dialect.ops.common import (
    element_of,
    expect,
    value_range,
)
from lowbit_dialect.ops.elementwise_base import LAST, ElementwiseOp, result_like
from lowbit_dialect.ops.properties import integer, number


@irdl_op_definition
class BatchNormOp(ElementwiseOp):
    """`y = (x - mean[c]) / sqrt(variance[c] + epsilon) * gamma[c] + beta[c]` in f32."""

    name = "lowbit.batch_norm"
    input = operand_def()
    gamma = operand_def()
    beta = operand_def()
    mean = operand_def()
    variance = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    epsilon = prop_def(number("epsilon"))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `gamma` $gamma `beta` $beta `mean` $mean `variance` $variance "
        "(`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` type($gamma) `,` "
        "type($beta) `,` type($mean) `,` type($variance) (`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        gamma: SSAValue | Operation,
        beta: SSAValue | Operation,
        mean: SSAValue | Operation,
        variance: SSAValue | Operation,
        *,
        epsilon: float = 1e-5,
        axis: int = -1,
    ):
        super().__init__(
            operands=[input, gamma, beta, mean, variance, None],
            result_types=[result_like(input, f32)],
            properties={"axis": IntegerAttr(axis, i64), "epsilon": FloatAttr(epsilon, f32)},
        )

    def verify_(self) -> None:
        self._verify_elementwise([self.gamma, self.beta, self.mean, self.variance], f32)
        self._expect_elements(Float32Type, Float32Type)


@irdl_op_definition
class ClipOp(ElementwiseOp, HasCanonicalizationPatternsInterface):
    """`y = min(max(x, minimum), maximum)` on f32 or i32; ReLU is `minimum = 0`. NaN stays NaN."""

    name = "lowbit.clip"
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    minimum = opt_prop_def()
    maximum = opt_prop_def()
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        minimum: float | None = None,
        maximum: float | None = None,
    ):
        element = element_of(SSAValue.get(input).type)

        def bound(name: str, value: float | None) -> Attribute | None:
            if value is None:
                return None
            if element == f32:
                return FloatAttr(value, f32)
            low, high = value_range(i32)
            if not (low <= value <= high and value == int(value)):
                raise ValueError(f"{name} {value} is no integer in {low}..{high}")
            return IntegerAttr(int(value), i32)

        super().__init__(
            operands=[input, None],
            result_types=[result_like(input, element)],
            properties={
                "minimum": bound("minimum", minimum),
                "maximum": bound("maximum", maximum),
            },
        )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The minimum and maximum as numbers; None where there is none."""
        low, high = (cast(Any, b) for b in (self.minimum, self.maximum))
        return (None if low is None else low.value.data), (
            None if high is None else high.value.data
        )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import ClipPattern

        return (ClipPattern(),)

    def verify_(self) -> None:
        self._verify_elementwise([], f32)
        element = element_of(self.input.type)
        expect(element in (f32, i32), f"clips f32 or i32, not {element}")
        expect(self.output_element == element, f"gives {element}, not {self.output_element}")
        for bound in (self.minimum, self.maximum):
            if bound is not None:
                legal = isa(bound, FloatAttr | IntegerAttr) and bound.type == element
                expect(legal, f"bounds are of type {element}, not {bound}")
        expect(all(b is None or b == b for b in self.bounds), "a bound is a number, not NaN")
