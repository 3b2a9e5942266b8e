"""Elementwise ops that give codes: `threshold`, `requantize`, `rescale`, `quantize`."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import (
    Float32Type,
    IntegerAttr,
    IntegerType,
    StringAttr,
    UnitAttr,
    f32,
    i16,
    i32,
    i64,
)
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

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import (
    element_of,
    expect,
    shape_of,
)
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise_base import LAST, ROUNDINGS, ElementwiseOp, result_like
from lowbit_dialect.ops.properties import integer, one_of

FURTHEST = 2**30
"""How far from 0 a `bounded` threshold lies at most."""


@irdl_op_definition
class ThresholdOp(ElementwiseOp):
    """Count thresholds: `code = minimum + step * #{i : (x ^ flip[c]) >= thresholds[c, i]}`.

    `x` and the thresholds are i32, or f32; a row has as many as the code type has steps. NaN reaches none,
    and none that is NaN is reached. `flip` (0 or -1 for each channel of i32) makes a channel descend, since
    `~x >= t` is `x <= ~t`. `ascending` says that no threshold is below the one before it, `bounded` that
    none is further from 0 than 2^30: `lowbit-pack` writes both where it knows that they hold, whatever stood
    there.
    """

    name = "lowbit.threshold"
    input = operand_def()
    thresholds = operand_def()
    flip = opt_operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    ascending = opt_prop_def(UnitAttr)
    bounded = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `,` $thresholds (`flip` `(` $flip^ `:` type($flip) `)`)? "
        "(`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` type($thresholds) "
        "(`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        thresholds: SSAValue | Operation,
        code: CodeType,
        *,
        flip: SSAValue | Operation | None = None,
        axis: int = -1,
    ):
        super().__init__(
            operands=[input, thresholds, flip, None],
            result_types=[result_like(input, code)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    def verify_(self) -> None:
        got = element_of(self.input.type)
        expect(got in (i32, f32), f"compares i32 or f32, not {got}")
        self._verify_elementwise([self.thresholds], got, 2)
        self._verify_elementwise([self.flip] if self.flip else [], i32)
        self._expect_elements(IntegerType | Float32Type, CodeType)
        expect(self.flip is None or got == i32, f"flips i32, not {got}")
        code = self.output_element
        assert isinstance(code, CodeType)
        got = shape_of(self.thresholds)[1]
        expect(got == code.steps, f"a quantiser to {code} has {code.steps} thresholds, not {got}")
        if isinstance(held := self.thresholds.owner, ConstantOp):
            self._verify_promises(held.array())

    def _verify_promises(self, steps: Array) -> None:
        promised = self.ascending is not None
        expect(not promised or ascends(steps), "is ascending, but its thresholds are not")
        with np.errstate(invalid="ignore"):  # a signalling NaN is one all the same
            reach = float(np.abs(steps.astype(np.float64)).max(initial=0))
        expect(
            self.bounded is None or reach <= FURTHEST,
            f"is bounded, but a threshold is {reach:.0f} from 0: at most {FURTHEST}",
        )


def ascends(rows: Array) -> bool:
    """Whether no threshold of a row is below the one before it; NaN, which nothing reaches, is above all."""
    before, after = rows[:, :-1], rows[:, 1:]
    with np.errstate(invalid="ignore"):
        return bool(np.all((before <= after) | (after != after)))


@irdl_op_definition
class RequantizeOp(ElementwiseOp):
    """Scale integers: `y = f32(x) * scale[c] + bias[c]`, stored as f32, or rounded half to even and
    clamped to an integer or code type."""

    name = "lowbit.requantize"
    input = operand_def()
    scale = operand_def()
    bias = opt_operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `,` $scale (`bias` `(` $bias^ `:` type($bias) `)`)? "
        "(`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` type($scale) "
        "(`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        scale: SSAValue | Operation,
        element: Attribute = f32,
        *,
        bias: SSAValue | Operation | None = None,
        axis: int = -1,
    ):
        super().__init__(
            operands=[input, scale, bias, None],
            result_types=[result_like(input, element)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    def verify_(self) -> None:
        self._verify_elementwise([self.scale, *([self.bias] if self.bias else [])], f32)
        self._expect_elements(IntegerType | CodeType, IntegerType | CodeType | Float32Type)
        element = self.output_element
        if isinstance(element, CodeType):
            expect(not element.is_odd, "requantises to consecutive integers, not odd codes")


@irdl_op_definition
class RescaleOp(ElementwiseOp):
    """Scale integers in i16: `y = ((clamp(x, low[c], high[c]) << left) * multiplier[c] + 2^14 >> 15) +
    offset[c]`, then `code = y * unit[c] >> 16`.

    Each step wraps. Nothing clamps the codes: `low` and `high` are such that they are what the result holds.
    `lowbit-pack` makes it of a `lowbit.requantize` that has the same code for every sum, where a kernel sums
    in i16 and the target scales lanes of i16.
    """

    name = "lowbit.rescale"
    input = operand_def()
    low = operand_def()
    high = operand_def()
    multiplier = operand_def()
    offset = operand_def()
    unit = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    left = prop_def(integer("left"))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$input `,` $low `,` $high `,` $multiplier `,` $offset `,` $unit (`outs` `(` $outs^ `:` type($outs) "
        "`)`)? attr-dict `:` type($input) `,` type($low) `,` type($high) `,` type($multiplier) `,` "
        "type($offset) `,` type($unit) (`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        low: SSAValue | Operation,
        high: SSAValue | Operation,
        multiplier: SSAValue | Operation,
        offset: SSAValue | Operation,
        unit: SSAValue | Operation,
        code: CodeType,
        *,
        left: int,
        axis: int = -1,
    ):
        super().__init__(
            operands=[input, low, high, multiplier, offset, unit, None],
            result_types=[result_like(input, code)],
            properties={"axis": IntegerAttr(axis, i64), "left": IntegerAttr(left, i64)},
        )

    def verify_(self) -> None:
        got = element_of(self.input.type)
        expect(got == i32, f"scales i32, not {got}")
        tables = self.low, self.high, self.multiplier, self.offset, self.unit
        self._verify_elementwise(tables, i16)
        self._expect_elements(IntegerType, CodeType)
        code = self.output_element
        assert isinstance(code, CodeType)
        expect(not code.is_odd, "rescales to consecutive integers, not odd codes")
        left = self.left.value.data
        expect(0 <= left < 16, f"shifts left by 0 to 15, not {left}")


@irdl_op_definition
class QuantizeOp(ElementwiseOp):
    """Quantise f32 to codes, as QONNX `Quant`: `round(clamp(x / scale[c] + zero_point)) - zero_point`.

    The clamp comes before rounding; its bounds are those of the code type, or `minimum` and `maximum`
    (decoded, before the zero point is subtracted). To `odd<n>` the nearest odd integer of `x / scale` is
    taken, ties up: `2 floor(x / (2 scale)) + 1`, so that `odd<1>` is `x >= 0`. NaN gives the smallest code.
    """

    name = "lowbit.quantize"
    input = operand_def()
    scale = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    zero_point = prop_def(integer("zero_point"), default_value=IntegerAttr(0, i64))
    rounding = prop_def(one_of("rounding", ROUNDINGS), default_value=StringAttr("half_even"))
    minimum = opt_prop_def(integer("minimum"))
    maximum = opt_prop_def(integer("maximum"))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `,` $scale (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` "
        "type($scale) (`->` type($result)^)?"
    )

    def __init__(
        self,
        input: SSAValue | Operation,
        scale: SSAValue | Operation,
        code: CodeType,
        *,
        zero_point: int = 0,
        rounding: str = "half_even",
        bounds: tuple[int, int] | None = None,
        axis: int = -1,
    ):
        low, high = (IntegerAttr(b, i64) for b in bounds) if bounds else (None, None)
        super().__init__(
            operands=[input, scale, None],
            result_types=[result_like(input, code)],
            properties={
                "axis": IntegerAttr(axis, i64),
                "zero_point": IntegerAttr(zero_point, i64),
                "rounding": StringAttr(rounding),
                "minimum": low,
                "maximum": high,
            },
        )

    @property
    def bounds(self) -> tuple[int, int]:
        """Clamp bounds, before the zero point is subtracted."""
        code, zero = self.output_element, self.zero_point.value.data
        assert isinstance(code, CodeType)
        # An attribute of value 0 is false: ask for None.
        low = code.minimum + zero if self.minimum is None else self.minimum.value.data
        high = code.maximum + zero if self.maximum is None else self.maximum.value.data
        return low, high

    def verify_(self) -> None:
        self._verify_elementwise([self.scale], f32)
        self._expect_elements(Float32Type, CodeType)
        code = self.output_element
        assert isinstance(code, CodeType)
        rounding = self.rounding.data
        zero, (low, high) = self.zero_point.value.data, self.bounds
        expect(abs(zero) <= 2**23, f"zero_point is at most {2**23} away from 0, not {zero}")
        fits = code.minimum <= low - zero <= high - zero <= code.maximum
        expect(fits, f"bounds {low}..{high} less zero point {zero} do not fit {code}")
        bare = self.minimum is None and self.maximum is None
        plain = bare and zero == 0 and rounding == "half_even"
        expect(plain or not code.is_odd, "an odd code has no bounds, zero point or rounding")
