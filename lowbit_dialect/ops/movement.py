"""Ops that move elements to other places: `concat`, `extract_slice`, `pad` and `repeat`.

    %y = lowbit.concat %a, %b {axis = 3 : i64} : tensor<1x8x8x16x!lowbit.uint<2>>,
           tensor<1x8x8x48x!lowbit.uint<2>> -> tensor<1x8x8x64x!lowbit.uint<2>>

Any element, any rank; tensors have no layout, so what reads codes packed packs them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import Float32Type, FloatAttr, IntegerAttr, TensorType, f32, i64
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_result_def,
    prop_def,
    traits_def,
    var_operand_def,
)
from xdsl.pattern_rewriter import RewritePattern

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    array,
    element_of,
    expect,
    expect_output,
    ints,
    output_type,
    shape_of,
    shaped,
    value_range,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, Fits, integer, integers


class MoveOp(LowbitOp, HasCanonicalizationPatternsInterface):
    """What they share: inputs without a layout, and the shape that a result has."""

    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(WritesOuts())

    @property
    @abstractmethod
    def moved(self) -> tuple[SSAValue, ...]:
        """The inputs."""

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonical_moves import patterns_of

        return patterns_of(cls)

    def _verify_move(self) -> tuple[int, ...]:
        """Verify what they share; return the shape of the first input."""
        verify_form(self)
        values = self.moved
        shape, element = shape_of(values[0]), element_of(values[0].type)
        plain = all(layout_of(shaped(value)) is None for value in values)
        expect(plain and layout_of(output_type(self)) is None, "moves tensors without a layout")
        expect(1 <= len(shape) <= 12, f"takes rank 1 to 12, not {len(shape)}")
        for value in values:
            expect(element_of(value.type) == element, f"{values[0].type} and {value.type} differ")
        return shape

    def _expect_each(self, shape: Sequence[int], **numbers: Sequence[int]) -> None:
        """Verify that there is a number for each axis."""
        for name, given in numbers.items():
            expect(
                len(given) == len(shape), f"{name} has {len(given)} numbers for {len(shape)} axes"
            )


class UnaryMoveOp(MoveOp, ABC):
    """One of a single input."""

    FORM: ClassVar[str] = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )
    input = operand_def()

    @property
    def moved(self) -> tuple[SSAValue, ...]:
        return (self.input,)


@irdl_op_definition
class ConcatOp(MoveOp):
    """Tensors one after another along an axis."""

    name = "lowbit.concat"
    inputs = var_operand_def()
    axis = prop_def(integer("axis"))
    assembly_format = (
        "$inputs (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($inputs) "
        "(`->` type($result)^)?"
    )

    def __init__(self, inputs: Sequence[SSAValue | Operation], axis: int):
        values = [SSAValue.get(one) for one in inputs]
        if not values:
            raise ValueError("joins one tensor or more, not none")
        shape = list(shape_of(values[0]))
        if 0 <= axis < len(shape):
            shape[axis] = sum(sum(shape_of(value)[axis : axis + 1]) for value in values)
        super().__init__(
            operands=[values, None],
            result_types=[TensorType(element_of(values[0].type), shape)],
            properties={"axis": IntegerAttr(axis, i64)},
        )

    @property
    def moved(self) -> tuple[SSAValue, ...]:
        return tuple(self.inputs)

    def verify_(self) -> None:
        expect(len(self.inputs) > 0, "joins one tensor or more, not none")
        shape, axis = list(self._verify_move()), self.axis.value.data
        expect(0 <= axis < len(shape), f"axis {axis} is not one of {len(shape)}")
        others = shape[:axis] + shape[axis + 1 :]
        for value in self.inputs:
            got = list(shape_of(value))
            same = len(got) == len(shape) and got[:axis] + got[axis + 1 :] == others
            expect(
                same, f"joins along axis {axis}, but {self.inputs[0].type} and {value.type} differ"
            )
        shape[axis] = sum(shape_of(value)[axis] for value in self.inputs)
        expect_output(self, shape, element_of(self.inputs[0].type))


@irdl_op_definition
class ExtractSliceOp(UnaryMoveOp):
    """Elements evenly spaced along each axis: `y[i, ...] = x[start + i step, ...]`.

    A step may be negative. How many elements there are is the result's to say.
    """

    name = "lowbit.extract_slice"
    starts = prop_def(integers("starts"))
    steps = prop_def(integers("steps"))
    assembly_format = UnaryMoveOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        starts: Sequence[int],
        sizes: Sequence[int],
        steps: Sequence[int] | None = None,
    ):
        value = SSAValue.get(input)
        super().__init__(
            operands=[value, None],
            result_types=[TensorType(element_of(value.type), sizes)],
            properties={
                "starts": ints(starts),
                "steps": ints([1] * len(starts) if steps is None else steps),
            },
        )

    def verify_(self) -> None:
        shape, sizes = self._verify_move(), output_type(self).get_shape()
        starts, steps = array(self.starts, ()), array(self.steps, ())
        self._expect_each(shape, starts=starts, steps=steps, result=sizes)
        expect_output(self, sizes, element_of(self.input.type))
        for axis, (extent, start, size, step) in enumerate(zip(shape, starts, sizes, steps)):
            last = start + (size - 1) * step
            expect(step != 0, f"the step along axis {axis} is 0")
            expect(
                0 <= start < extent and 0 <= last < extent,
                f"reads {start} to {last} along axis {axis}, which has {extent} elements",
            )


def _number(attr: Attribute) -> bool:
    return isinstance(attr, FloatAttr | IntegerAttr) and attr.type in (f32, i64)  # pyright: ignore


VALUE: Fits[Attribute] = Fits(Attribute, "value is an integer of type i64, or an f32", _number)


@irdl_op_definition
class PadOp(UnaryMoveOp):
    """`value` before the first, behind the last, and between any two elements along each axis.

    `y[low + i (interior + 1), ...] = x[i, ...]`, and `value`, which is one of the element, elsewhere.
    """

    name = "lowbit.pad"
    low = prop_def(integers("low"))
    high = prop_def(integers("high"))
    interior = prop_def(integers("interior"))
    value = prop_def(VALUE)
    assembly_format = UnaryMoveOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        low: Sequence[int],
        high: Sequence[int],
        value: float,
        interior: Sequence[int] | None = None,
    ):
        source = SSAValue.get(input)
        element, shape = element_of(source.type), shape_of(source)
        between = [0] * len(shape) if interior is None else interior
        whole = not isinstance(element, Float32Type) and float(value).is_integer()
        super().__init__(
            operands=[source, None],
            result_types=[TensorType(element, padded(shape, low, high, between))],
            properties={
                "low": ints(low),
                "high": ints(high),
                "interior": ints(between),
                "value": IntegerAttr(int(value), i64) if whole else FloatAttr(value, f32),
            },
        )

    @property
    def amounts(self) -> tuple[tuple[int, ...], ...]:
        """`low, high, interior`."""
        return tuple(array(one, ()) for one in (self.low, self.high, self.interior))

    @property
    def number(self) -> float:
        """What is put round the input."""
        value = self.value
        assert isinstance(value, IntegerAttr | FloatAttr)
        return value.value.data

    def verify_(self) -> None:
        shape, (low, high, interior) = self._verify_move(), self.amounts
        self._expect_each(shape, low=low, high=high, interior=interior)
        expect(min(*low, *high, *interior) >= 0, "low, high and interior are not negative")
        element, value = element_of(self.input.type), self.value
        if isinstance(element, Float32Type):
            expect(isinstance(value, FloatAttr), f"pads f32 with an f32, not {value}")
        else:
            expect(isinstance(value, IntegerAttr), f"pads {element} with an integer, not {value}")
            bounds = value_range(element)
            fits = bounds[0] <= self.number <= bounds[1]
            if isinstance(element, CodeType):
                fits = self.number in element.values()
            expect(fits, f"pads with {self.number}, which is no value of {element}")
        expect_output(self, padded(shape, low, high, interior), element)


def padded(
    shape: Sequence[int], low: Sequence[int], high: Sequence[int], interior: Sequence[int]
) -> list[int]:
    """Shape of a padded tensor."""
    return [
        before + extent + (extent - 1) * between + after
        for extent, before, after, between in zip(shape, low, high, interior)
    ]


@irdl_op_definition
class RepeatOp(UnaryMoveOp):
    """Each element several times in a row along each axis: `y[i, ...] = x[i / factor, ...]`.

    What is one long along an axis is broadcast so.
    """

    name = "lowbit.repeat"
    factors = prop_def(integers("factors"))
    assembly_format = UnaryMoveOp.FORM

    def __init__(self, input: SSAValue | Operation, factors: Sequence[int]):
        value = SSAValue.get(input)
        shape = [extent * factor for extent, factor in zip(shape_of(value), factors)]
        super().__init__(
            operands=[value, None],
            result_types=[TensorType(element_of(value.type), shape)],
            properties={"factors": ints(factors)},
        )

    def verify_(self) -> None:
        shape, factors = self._verify_move(), array(self.factors, ())
        self._expect_each(shape, factors=factors)
        expect(min(factors) >= 1, f"factors are 1 or more, not {list(factors)}")
        repeated = [extent * factor for extent, factor in zip(shape, factors)]
        expect_output(self, repeated, element_of(self.input.type))
