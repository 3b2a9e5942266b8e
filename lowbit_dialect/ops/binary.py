"""Elementwise ops of two operands: `mul`, `div`, `add`. The second is a tensor of the shape of the first,
or a table."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import Float32Type, IntegerAttr, f32, i8, i16, i32, i64
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_result_def,
    prop_def,
)
from xdsl.pattern_rewriter import RewritePattern

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.common import element_of, expect, is_scalar, shape_of
from lowbit_dialect.ops.elementwise_base import LAST, ElementwiseOp, result_like
from lowbit_dialect.ops.properties import integer


class BinaryOp(ElementwiseOp, ABC):
    """What they share: the second operand, f32 unless they say otherwise."""

    FORM: ClassVar[str] = (
        "$input `,` $other (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` "
        "type($other) (`->` type($result)^)?"
    )
    input = operand_def()
    other = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())

    def __init__(self, input: SSAValue | Operation, other: SSAValue | Operation, *, axis: int = -1):
        element = element_of(SSAValue.get(input).type)
        super().__init__(
            operands=[input, other, None],
            result_types=[result_like(input, f32 if element == f32 else i32)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    @property
    def others(self) -> tuple[SSAValue, ...]:
        row = is_scalar(self.other.type) or len(shape_of(self.other)) == 1
        return () if row else (self.other,)

    def verify_(self) -> None:
        self._expect_elements(Float32Type, Float32Type)
        kind = element_of(self.other.type)
        expect(kind == f32, f"takes f32, not {kind}")
        self._verify_second()

    def _verify_second(self) -> None:
        """Verify that the second operand is a table, or has the shape of the first."""
        self._verify_elementwise(self.tables, element_of(self.other.type))
        if self.others and not is_scalar(self.input.type):
            same = shape_of(self.input) == shape_of(self.other)
            expect(same, f"takes {self.input.type} and {self.other.type}: the shapes differ")


@irdl_op_definition
class MulOp(BinaryOp):
    """`y = x * other` in f32."""

    name = "lowbit.mul"
    assembly_format = BinaryOp.FORM


@irdl_op_definition
class DivOp(BinaryOp):
    """`y = x / other` in f32."""

    name = "lowbit.div"
    assembly_format = BinaryOp.FORM


@irdl_op_definition
class AddOp(BinaryOp, HasCanonicalizationPatternsInterface):
    """`y = x + other`. Codes, i8, i16 and i32 add to i32, where i32 wraps; f32 adds to f32."""

    name = "lowbit.add"
    assembly_format = BinaryOp.FORM

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import AddZeroPattern

        return (AddZeroPattern(),)

    def verify_(self) -> None:
        element, kind = element_of(self.input.type), element_of(self.other.type)
        for one in (element, kind):
            legal = one in (i8, i16, i32, f32) or isinstance(one, CodeType)
            expect(legal, f"adds codes, i8, i16, i32 or f32, not {one}")
        floats = [isinstance(e, Float32Type) for e in (element, kind, self.output_element)]
        expect(len(set(floats)) == 1, f"cannot add {kind} to {element} as {self.output_element}")
        expect(
            floats[0] or self.output_element == i32,
            f"integers add to i32, not {self.output_element}",
        )
        self._verify_second()
