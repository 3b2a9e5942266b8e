"""`conv2d` and `dense`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    Float32Type,
    IntegerAttr,
    StringAttr,
    TensorType,
    i32,
    i64,
)
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.traits import NoTerminator

from lowbit_dialect.geometry import Window
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    FORMATS,
    array,
    expect,
    image_shape,
    ints,
    output_type,
    shape_of,
    shaped,
    spatial_axes,
    verify_edges,
    verify_form,
    verify_window,
)
from lowbit_dialect.ops.contraction import (
    PRODUCTS,
    Contraction,
    verify_corrections,
    verify_operands,
    verify_pad,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.linear_checks import (
    verify_accumulator,
    verify_epilogue,
    verify_range,
    verify_sums,
)
from lowbit_dialect.ops.properties import RESULT, Fits, integer, integers, one_of
from lowbit_dialect.schedule import ScheduleAttr


class LinearOp(LowbitOp, HasCanonicalizationPatternsInterface):
    """What `conv2d` and `dense` share: operands, epilogue, the range of the accumulator.

    Every sum of some of the products of an output lies in `range`, which canonicalisation proves from
    constant weights (`lowbit_dialect.ranges`); without it, in what the operand types allow.
    """

    FORM: ClassVar[str] = (
        "$input `,` $weights (`corrections` `(` $corrections^ `:` type($corrections) `)`)? "
        "(`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict "
        "(`epilogue` $epilogue^)? `:` type($input) `,` type($weights) (`->` type($result)^)?"
    )

    input = operand_def()
    weights = operand_def()
    corrections = opt_operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    epilogue = region_def()
    schedule = opt_prop_def(Fits(ScheduleAttr, "schedule is a #lowbit.schedule"))
    products = prop_def(one_of("products", PRODUCTS), default_value=StringAttr("popcount"))
    range = opt_prop_def(integers("range", 2))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(NoTerminator(), WritesOuts())

    @property
    def contraction(self) -> Contraction:
        """The numbers of this op."""
        raise AssertionError(self.name)

    def output_shape(self) -> tuple[int, ...]:
        """Shape of what this op computes."""
        raise AssertionError(self.name)

    @property
    def accumulator(self) -> Attribute:
        """Type of the accumulator that the epilogue receives."""
        if self.epilogue.blocks:
            return self.epilogue.block.args[0].type
        return output_type(self).element_type

    @property
    def sums(self) -> tuple[int, int]:
        """Smallest and largest sum of some products: the stated range, or the bound of the types."""
        if self.range is None:
            return self.contraction.bound
        low, high = array(self.range, ())
        return low, high

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import ProveRangePattern

        return (ProveRangePattern(),)

    def verify_linear(self) -> None:
        """Verify what `conv2d` and `dense` have in common."""
        work = self.contraction
        verify_operands(work.activation, work.weight)
        expect(
            tuple(output_type(self).get_shape()) == self.output_shape(),
            f"computes a shape of {'x'.join(map(str, self.output_shape()))}, but its result is "
            f"{output_type(self)}",
        )
        if self.epilogue.blocks:
            verify_epilogue(self.epilogue, work, output_type(self))
        verify_accumulator(work, self.accumulator)
        if self.corrections is not None:
            expect(
                work.bitserial or self.products.data != "popcount",
                "only products of codes have popcount corrections",
            )
            expect(self.accumulator == i32, f"corrections add to i32, not {self.accumulator}")
            verify_corrections(work, shaped(self.corrections))
        if self.range is not None:
            verify_range(work, *self.sums)
        if not isinstance(work.activation, Float32Type):
            verify_sums(work, self.accumulator, *self.sums)


@irdl_op_definition
class Conv2dOp(LinearOp):
    """Convolution over decoded integers (or f32).

    `y[n, oy, ox, o] = sum x[n, oy s - p + ky d, ox s - p + kx d, c] * w[ky, kx, c, o]`, where `x` is
    `pad_value` outside the image. `format` is `nhwc` (weights HWIO) or `nchw` (weights OIHW); padding is
    top, left, bottom, right. With `corrections` the sum is formed as `products` says (`lowbit.corrections`);
    where nothing is padded, as many outputs along each side as `edges` says have corrections of their own.
    The epilogue maps each accumulator to the element that is stored.
    """

    name = "lowbit.conv2d"

    strides = prop_def(integers("strides", 2), default_value=ints((1, 1)))
    padding = prop_def(integers("padding", 4), default_value=ints((0, 0, 0, 0)))
    dilations = prop_def(integers("dilations", 2), default_value=ints((1, 1)))
    groups = prop_def(integer("groups"), default_value=IntegerAttr(1, i64))
    pad_value = prop_def(integer("pad_value"), default_value=IntegerAttr(0, i64))
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    edges = opt_prop_def(integers("edges", 4))

    assembly_format = LinearOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        weights: SSAValue | Operation,
        result: TensorType[Attribute] | None,
        *,
        corrections: SSAValue | None = None,
        outs: SSAValue | None = None,
        strides: Sequence[int] = (1, 1),
        padding: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
        pad_value: int = 0,
        format: str = "nhwc",
        range: tuple[int, int] | None = None,
        schedule: ScheduleAttr | None = None,
        epilogue: Region | None = None,
    ):
        super().__init__(
            operands=[input, weights, corrections, outs],
            result_types=[result],
            properties={
                "strides": ints(strides),
                "padding": ints(padding),
                "dilations": ints(dilations),
                "groups": IntegerAttr(groups, i64),
                "pad_value": IntegerAttr(pad_value, i64),
                "format": StringAttr(format),
                "range": None if range is None else ints(range),
                "schedule": schedule,
            },
            regions=[epilogue or Region()],
        )

    @property
    def contraction(self) -> Contraction:
        x, w = shape_of(self.input), shape_of(self.weights)
        h, width, c = spatial_axes(self.format.data)
        weight_axes = (0, 1, 2, 3) if self.format.data == "nhwc" else (2, 3, 1, 0)
        kernel = (w[weight_axes[0]], w[weight_axes[1]])
        window = Window.of(
            (x[h], x[width]),
            kernel,
            array(self.strides, (1, 1)),
            array(self.padding, (0, 0, 0, 0)),
            array(self.dilations, (1, 1)),
            array(self.edges, (0, 0, 0, 0)),
        )
        groups = self.groups.value.data
        return Contraction(
            batch=x[0],
            window=window,
            inputs=w[weight_axes[2]],
            outputs=w[weight_axes[3]] // groups,
            groups=groups,
            pad_value=self.pad_value.value.data,
            activation=shaped(self.input).element_type,
            weight=shaped(self.weights).element_type,
            input_axes=(0, h, width, c),
            weight_axes=weight_axes,
        )

    def output_shape(self) -> tuple[int, ...]:
        work = self.contraction
        channels = work.groups * work.outputs
        return image_shape(self.format.data, work.batch, work.window.out, channels)

    def verify_(self) -> None:
        verify_form(self)
        for name, value in (("input", self.input), ("weights", self.weights)):
            rank = len(shape_of(value))
            expect(rank == 4, f"{name} has rank 4, not {rank}")
        groups = self.groups.value.data
        expect(groups >= 1, f"groups is at least 1, not {groups}")
        work = self.contraction
        channels = shape_of(self.input)[work.input_axes[3]]
        outputs = shape_of(self.weights)[work.weight_axes[3]]
        expect(
            work.inputs * groups == channels and outputs % groups == 0,
            f"{channels} input and {outputs} output channels do not fit weights of {work.inputs} "
            f"input channels in {groups} group{'s' if groups > 1 else ''}",
        )
        verify_window(work.window)
        if self.edges is not None:
            verify_edges(work.window)
            expect(self.corrections is not None, "edges are of outputs that have corrections")
        verify_pad(work)
        self.verify_linear()


@irdl_op_definition
class DenseOp(LinearOp):
    """Matrix product over decoded integers (or f32): `y[m, n] = sum x[m, k] * w[k, n]`."""

    name = "lowbit.dense"

    assembly_format = LinearOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        weights: SSAValue | Operation,
        result: TensorType[Attribute] | None,
        *,
        corrections: SSAValue | None = None,
        outs: SSAValue | None = None,
        range: tuple[int, int] | None = None,
        schedule: ScheduleAttr | None = None,
        epilogue: Region | None = None,
    ):
        super().__init__(
            operands=[input, weights, corrections, outs],
            result_types=[result],
            properties={"range": None if range is None else ints(range), "schedule": schedule},
            regions=[epilogue or Region()],
        )

    @property
    def contraction(self) -> Contraction:
        (rows, depth), (_, outputs) = shape_of(self.input), shape_of(self.weights)
        return Contraction(
            batch=1,
            window=Window.of((1, rows), (1, 1)),
            inputs=depth,
            outputs=outputs,
            groups=1,
            pad_value=0,
            activation=shaped(self.input).element_type,
            weight=shaped(self.weights).element_type,
            input_axes=(0, 1),
            weight_axes=(0, 1),
        )

    def output_shape(self) -> tuple[int, ...]:
        return shape_of(self.input)[0], shape_of(self.weights)[1]

    def verify_(self) -> None:
        verify_form(self)
        x, w = shape_of(self.input), shape_of(self.weights)
        expect(len(x) == 2 and len(w) == 2, f"operands have rank 2, not {len(x)} and {len(w)}")
        expect(x[1] == w[0], f"an input of {x[1]} columns does not fit weights of {w[0]} rows")
        self.verify_linear()
