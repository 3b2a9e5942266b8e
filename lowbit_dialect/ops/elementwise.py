"""Elementwise ops. Each works on a tensor, or inside an epilogue on one accumulator.

Tables (`thresholds`, `scale`, ...) hold one row for each channel, or one row for all. The channel axis is
the last unless `axis` says otherwise; inside an epilogue it is the channel of the op around it. Float
arithmetic is f32, one rounding an operation, in the order of each formula.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import (
    Float32Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    f32,
    i32,
    i64,
)
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    traits_def,
)
from xdsl.pattern_rewriter import RewritePattern

from lowbit_dialect.codes import CodeType
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
from lowbit_dialect.ops.properties import integer, number, one_of

ROUNDINGS = ("half_even", "floor", "ceil", "up", "down", "half_up", "half_down")
LAST = IntegerAttr(-1, i64)
KINDS = {CodeType: "codes", IntegerType: "integers", Float32Type: "f32"}


class ElementwiseOp(IRDLOperation, ABC):
    """What elementwise ops share: `input`, tables, an optional `outs`, `axis`."""

    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    traits = traits_def(WritesOuts())

    @property
    def tables(self) -> tuple[SSAValue, ...]:
        """The operands that hold a row for each channel."""
        return tuple(v for v in self.operands if v is not self.input and v is not self.outs)

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
            expect(isinstance(got, kind), f"{verb} {' or '.join(names)}, not {got}")


def result_like(input: SSAValue | Operation, element: Attribute) -> Attribute:
    """Type of an elementwise result: the input's shape with another element."""
    type = SSAValue.get(input).type
    return TensorType(element, type.get_shape()) if isinstance(type, TensorType) else element


@irdl_op_definition
class ThresholdOp(ElementwiseOp):
    """Count thresholds: `code = minimum + step * #{i : (x ^ flip[c]) >= thresholds[c, i]}`.

    `x` is i32; a row of thresholds ascends and has as many entries as the code type has steps. `flip`
    (0 or -1 for each channel) makes a channel descend, since `~x >= t` is `x <= ~t`.
    """

    name = "lowbit.threshold"
    input = operand_def()
    thresholds = operand_def()
    flip = opt_operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
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
        self._verify_elementwise([self.thresholds], i32, 2)
        self._verify_elementwise([self.flip] if self.flip else [], i32)
        self._expect_elements(IntegerType, CodeType)
        got = element_of(self.input.type)
        expect(got == i32, f"compares i32, not {got}")
        code = self.output_element
        assert isinstance(code, CodeType)
        got = shape_of(self.thresholds)[1]
        expect(got == code.steps, f"a quantiser to {code} has {code.steps} thresholds, not {got}")


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
        fits = code.minimum <= low - zero <= high - zero <= code.maximum
        expect(fits, f"bounds {low}..{high} less zero point {zero} do not fit {code}")
        bare = self.minimum is None and self.maximum is None
        plain = bare and zero == 0 and rounding == "half_even"
        expect(plain or not code.is_odd, "an odd code has no bounds, zero point or rounding")


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
class MulOp(ElementwiseOp):
    """`y = x * scale[c]` in f32."""

    name = "lowbit.mul"
    input = operand_def()
    scale = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = QuantizeOp.assembly_format

    def __init__(self, input: SSAValue | Operation, scale: SSAValue | Operation, *, axis: int = -1):
        super().__init__(
            operands=[input, scale, None],
            result_types=[result_like(input, f32)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    def verify_(self) -> None:
        self._verify_elementwise([self.scale], f32)
        self._expect_elements(Float32Type, Float32Type)


@irdl_op_definition
class DivOp(ElementwiseOp):
    """`y = x / scale[c]` in f32."""

    name = "lowbit.div"
    input = operand_def()
    scale = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = QuantizeOp.assembly_format

    def __init__(self, input: SSAValue | Operation, scale: SSAValue | Operation, *, axis: int = -1):
        super().__init__(
            operands=[input, scale, None],
            result_types=[result_like(input, f32)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    def verify_(self) -> None:
        self._verify_elementwise([self.scale], f32)
        self._expect_elements(Float32Type, Float32Type)


@irdl_op_definition
class ClipOp(ElementwiseOp, HasCanonicalizationPatternsInterface):
    """`y = min(max(x, minimum), maximum)` on f32 or i32; ReLU is `minimum = 0`. NaN gives `minimum`."""

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

        def bound(value: float | None) -> Attribute | None:
            if value is None:
                return None
            return FloatAttr(value, f32) if element == f32 else IntegerAttr(int(value), i32)

        super().__init__(
            operands=[input, None],
            result_types=[result_like(input, element)],
            properties={"minimum": bound(minimum), "maximum": bound(maximum)},
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
                legal = isinstance(bound, FloatAttr | IntegerAttr) and bound.type == element
                expect(legal, f"bounds are of type {element}, not {bound}")
        expect(all(b is None or b == b for b in self.bounds), "a bound is a number, not NaN")


@irdl_op_definition
class AddOp(ElementwiseOp, HasCanonicalizationPatternsInterface):
    """Add two tensors of one shape, or a row for each channel.

    Codes and integers add to i32 (refused by the verifier where that could wrap), f32 to f32.
    """

    name = "lowbit.add"
    input = operand_def()
    other = operand_def()
    outs = opt_operand_def()
    result = opt_result_def()
    axis = prop_def(integer("axis"), default_value=LAST)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$input `,` $other (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) `,` "
        "type($other) (`->` type($result)^)?"
    )

    def __init__(self, input: SSAValue | Operation, other: SSAValue | Operation, *, axis: int = -1):
        element = element_of(SSAValue.get(input).type)
        super().__init__(
            operands=[input, other, None],
            result_types=[result_like(input, f32 if element == f32 else i32)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    @property
    def tables(self) -> tuple[SSAValue, ...]:
        return (self.other,) if len(shape_of(self.other)) == 1 else ()

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import AddZeroPattern

        return (AddZeroPattern(),)

    def verify_(self) -> None:
        kind = element_of(self.other.type)
        self._verify_elementwise(self.tables, kind)
        element = element_of(self.input.type)
        floats = [isinstance(e, Float32Type) for e in (element, kind, self.output_element)]
        expect(len(set(floats)) == 1, f"cannot add {kind} to {element} as {self.output_element}")
        expect(
            floats[0] or self.output_element == i32,
            f"integers add to i32, not {self.output_element}",
        )
        if not self.tables and not is_scalar(self.input.type):
            same = shape_of(self.input) == shape_of(self.other)
            expect(same, f"adds {self.other.type} to {self.input.type}: the shapes differ")
