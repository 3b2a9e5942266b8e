"""`conv2d`, `dense`, and the corrections that bitserial forms of them need."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    Float32Type,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, Region, SSAValue
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
    region_def,
    traits_def,
)
from xdsl.traits import NoTerminator

from lowbit_dialect.codes import CodeType
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import (
    FORMATS,
    I32_MAX,
    array,
    expect,
    image_shape,
    ints,
    is_scalar,
    output_type,
    shape_of,
    shaped,
    spatial_axes,
    value_range,
    verify_form,
    verify_window,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.properties import RESULT, Fits, integer, integers, one_of
from lowbit_dialect.schedule import ScheduleAttr

PRODUCTS = ("popcount", "multiply")


@dataclass(frozen=True)
class Contraction:
    """The numbers of a `conv2d` or `dense`: a dense layer is a 1x1 window over one row of M pixels."""

    batch: int
    window: Window
    inputs: int
    """Input channels of one group."""
    outputs: int
    """Output channels of one group."""
    groups: int
    pad_value: int
    activation: Attribute
    weight: Attribute
    input_axes: tuple[int, ...]
    """Axes of the input: batch, spatial..., channels; a dense layer has rows and channels."""
    weight_axes: tuple[int, ...]
    """Axes of the weights: spatial..., inputs, outputs."""

    @property
    def depth(self) -> int:
        """Terms of one sum, padding included."""
        return self.window.rows.kernel * self.window.columns.kernel * self.inputs

    @property
    def macs(self) -> int:
        """Multiply-adds on taps inside the image."""
        taps = self.window.rows.taps_inside * self.window.columns.taps_inside
        return self.batch * taps * self.inputs * self.outputs * self.groups

    @property
    def bitserial(self) -> bool:
        """Whether both operands are codes."""
        return isinstance(self.activation, CodeType) and isinstance(self.weight, CodeType)


class LinearOp(IRDLOperation, ABC):
    """What `conv2d` and `dense` share: operands, epilogue, the bound on the accumulator."""

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
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(NoTerminator(), WritesOuts())

    @property
    def contraction(self) -> Contraction:
        """The numbers of this op."""
        raise AssertionError(self.name)

    @property
    def products_form(self) -> str:
        """What corrections correct: `popcount` or `multiply`."""
        return self.products.data if isinstance(self, Conv2dOp) else "popcount"

    def output_shape(self) -> tuple[int, ...]:
        """Shape of what this op computes."""
        raise AssertionError(self.name)

    @property
    def accumulator(self) -> Attribute:
        """Type of the accumulator that the epilogue receives."""
        if self.epilogue.blocks:
            return self.epilogue.block.args[0].type
        return output_type(self).element_type

    def verify_linear(self) -> None:
        """Verify what `conv2d` and `dense` have in common."""
        work = self.contraction
        verify_operands(work.activation, work.weight)
        if self.epilogue.blocks:
            verify_epilogue(self)
        verify_accumulator(self, work)
        expect(
            tuple(output_type(self).get_shape()) == self.output_shape(),
            f"computes a shape of {'x'.join(map(str, self.output_shape()))}, but its result is "
            f"{output_type(self)}",
        )
        if self.corrections is not None:
            expect(
                work.bitserial or self.products_form == "multiply",
                "only products of codes have popcount corrections",
            )
            expect(self.accumulator == i32, f"corrections add to i32, not {self.accumulator}")
            verify_corrections(work, shaped(self.corrections))


def correction_shape(work: Contraction) -> tuple[int, int, int]:
    """Shape of the corrections: border classes of rows and columns, output channels."""
    channels = work.groups * work.outputs
    return work.window.rows.classes, work.window.columns.classes, channels


def verify_corrections(work: Contraction, got: ShapedValue) -> None:
    """One i32 for each border class and output channel."""
    shape = correction_shape(work)
    expect(
        tuple(got.get_shape()) == shape and got.element_type == i32,
        f"corrections are i32 of shape {'x'.join(map(str, shape))}, not {got}",
    )


def verify_operands(activation: Attribute, weight: Attribute) -> None:
    """Codes with codes, or i8, i16, f32 with the same; a code also with i8 or i16."""
    codes = isinstance(activation, CodeType), isinstance(weight, CodeType)
    plain = [e for e, code in zip((activation, weight), codes) if not code]
    for element in plain:
        legal = isinstance(element, Float32Type) or (
            isinstance(element, IntegerType) and element.width.data in (8, 16)
        )
        expect(legal, f"multiplies codes, i8, i16 or f32, not {element}")
    floats = [isinstance(e, Float32Type) for e in (activation, weight)]
    expect(floats[0] == floats[1], f"cannot multiply {activation} by {weight}")


def verify_pad(work: Contraction) -> None:
    """The pad value is one that the activation could have, a code or not; 0 for f32."""
    verify_operands(work.activation, work.weight)
    pad, element = work.pad_value, work.activation
    if isinstance(element, Float32Type):
        expect(pad == 0, f"an f32 convolution pads with 0, not {pad}")
        return
    low, high = value_range(element)
    low, high = min(low, 0), max(high, 0)
    expect(
        low <= pad <= high, f"pad_value {pad} lies outside {low}..{high}, the range of {element}"
    )


def verify_accumulator(op: LinearOp, work: Contraction) -> None:
    """The accumulator is f32, or an integer that no sum can wrap."""
    got = op.accumulator
    if isinstance(work.activation, Float32Type):
        expect(got == work.activation, f"accumulates in f32, not {got}")
        return
    expect(got in (i32, i64), f"accumulates in i32 or i64, not {got}")
    low, high = accumulator_bound(op, work)
    limit = I32_MAX if got == i32 else 2**63 - 1
    expect(
        -limit <= low and high <= limit,
        f"the sum of {work.depth} products lies in {low}..{high}, which can wrap in {got}",
    )


def accumulator_bound(op: LinearOp, work: Contraction) -> tuple[int, int]:
    """Range of the accumulator: from the weights if they are constant, else K max|x| max|w|."""
    from lowbit_dialect.ranges import accumulator_range

    known = accumulator_range(op)
    if known is not None:
        return int(known[0].min()), int(known[1].max())
    magnitude = max(max(abs(v) for v in (*value_range(work.activation), work.pad_value)), 0) * max(
        abs(v) for v in value_range(work.weight)
    )
    return -work.depth * magnitude, work.depth * magnitude


def verify_epilogue(op: LinearOp) -> None:
    """One block over one accumulator that yields one element."""
    from lowbit_dialect.ops.tile import YieldOp

    blocks = op.epilogue.blocks
    expect(len(blocks) == 1, f"an epilogue is one block, not {len(blocks)}")
    block = op.epilogue.block
    expect(len(block.args) == 1, "an epilogue has one argument, the accumulator")
    expect(isinstance(block.last_op, YieldOp), "an epilogue ends in lowbit.yield")
    *steps, last = block.ops
    for step in steps:
        expect(
            isinstance(step, ElementwiseOp) and is_scalar(step.input.type),
            f"an epilogue holds elementwise ops on one element, not {step.name}",
        )
        verify_step(op, cast(ElementwiseOp, step))
    got, element = last.operands[0].type, output_type(op).element_type
    expect(got == element, f"the epilogue yields {got}, but the result holds {element}")


def verify_step(op: LinearOp, step: ElementwiseOp) -> None:
    """What an op of an epilogue reads beside the accumulator fits the result around it."""
    shape, work = op.output_shape(), op.contraction
    channels = work.groups * work.outputs
    for value in step.operands:
        if is_scalar(value.type):
            continue
        if value in step.tables:
            rows = shape_of(value)[0]
            expect(rows in (1, channels), f"a table has 1 row or {channels}, not {rows}")
        else:
            text = "x".join(map(str, shape))
            expect(
                shape_of(value) == shape, f"{step.name} reads {value.type} beside a shape of {text}"
            )


@irdl_op_definition
class Conv2dOp(LinearOp):
    """Convolution over decoded integers (or f32).

    `y[n, oy, ox, o] = sum x[n, oy s - p + ky d, ox s - p + kx d, c] * w[ky, kx, c, o]`, where `x` is
    `pad_value` outside the image. `format` is `nhwc` (weights HWIO) or `nchw` (weights OIHW); padding is
    top, left, bottom, right. With `corrections` the products are formed bitserially
    (`lowbit.corrections`). The epilogue maps each accumulator to the element that is stored.
    """

    name = "lowbit.conv2d"

    strides = prop_def(integers("strides", 2), default_value=ints((1, 1)))
    padding = prop_def(integers("padding", 4), default_value=ints((0, 0, 0, 0)))
    dilations = prop_def(integers("dilations", 2), default_value=ints((1, 1)))
    groups = prop_def(integer("groups"), default_value=IntegerAttr(1, i64))
    pad_value = prop_def(integer("pad_value"), default_value=IntegerAttr(0, i64))
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    products = prop_def(one_of("products", PRODUCTS), default_value=StringAttr("popcount"))

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
        schedule: ScheduleAttr | None = None,
        epilogue: Region | None = None,
    ):
        super().__init__(
            operands=[input, weights, corrections, outs],
            result_types=[result],
            properties={"schedule": schedule},
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


@irdl_op_definition
class CorrectionsOp(IRDLOperation):
    """The rank-one terms of a bitserial product, from its weights alone.

    With planes `b_i` of the activation and `w_j` of the weight, the raw sum of a pair of codes is
    `sum c_i d_j popcount(b_i OP w_j)` over the taps inside the image, and `x . w = factor * raw +
    corrections[row class, column class, output channel]` (see `lowbit_dialect.algebra`). Border classes
    are those of `lowbit_dialect.geometry`; the taps on padding contribute `pad_value` times their weight.
    Carries the attributes of the convolution it corrects; `size` is the height and width of its image.
    Where `products` is `multiply`, the sum is of products of decoded values over the taps inside, and the
    corrections are what the taps on padding contribute.
    """

    name = "lowbit.corrections"

    weights = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    activation = prop_def()
    size = prop_def(integers("size", 2))
    strides = prop_def(integers("strides", 2), default_value=ints((1, 1)))
    padding = prop_def(integers("padding", 4), default_value=ints((0, 0, 0, 0)))
    dilations = prop_def(integers("dilations", 2), default_value=ints((1, 1)))
    groups = prop_def(integer("groups"), default_value=IntegerAttr(1, i64))
    pad_value = prop_def(integer("pad_value"), default_value=IntegerAttr(0, i64))
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    products = prop_def(one_of("products", PRODUCTS), default_value=StringAttr("popcount"))

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(WritesOuts())
    assembly_format = (
        "$weights (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($weights) "
        "(`->` type($result)^)?"
    )

    @classmethod
    def of(cls, op: LinearOp, weights: SSAValue, products: str = "popcount") -> CorrectionsOp:
        """The corrections of `op`, whose weights (in any layout) are `weights`."""
        work = op.contraction
        rows, columns = work.window.rows, work.window.columns
        return cls.build(
            operands=[weights, None],
            result_types=[TensorType(i32, correction_shape(work))],
            properties={
                "activation": work.activation,
                "size": ints((rows.size, columns.size)),
                "strides": ints((rows.stride, columns.stride)),
                "padding": ints((rows.before, columns.before, rows.after, columns.after)),
                "dilations": ints((rows.dilation, columns.dilation)),
                "groups": IntegerAttr(work.groups, i64),
                "pad_value": IntegerAttr(work.pad_value, i64),
                "format": StringAttr("nchw" if work.weight_axes == (2, 3, 1, 0) else "nhwc"),
                "products": StringAttr(products),
            },
        )

    @property
    def contraction(self) -> Contraction:
        """The numbers of the op that this corrects (batch 1)."""
        w = shape_of(self.weights)
        axes = {2: (0, 1), 4: (0, 1, 2, 3) if self.format.data == "nhwc" else (2, 3, 1, 0)}[len(w)]
        kernel = (w[axes[0]], w[axes[1]]) if len(w) == 4 else (1, 1)
        window = Window.of(
            array(self.size, ()),
            kernel,
            array(self.strides, ()),
            array(self.padding, ()),
            array(self.dilations, ()),
        )
        groups = self.groups.value.data
        return Contraction(
            batch=1,
            window=window,
            inputs=w[axes[-2]],
            outputs=w[axes[-1]] // groups,
            groups=groups,
            pad_value=self.pad_value.value.data,
            activation=self.activation,
            weight=shaped(self.weights).element_type,
            input_axes=(),
            weight_axes=axes,
        )

    def verify_(self) -> None:
        verify_form(self)
        rank, groups = len(shape_of(self.weights)), self.groups.value.data
        expect(rank in (2, 4), f"weights have rank 2 or 4, not {rank}")
        expect(groups >= 1, f"groups is at least 1, not {groups}")
        work = self.contraction
        channels = shape_of(self.weights)[work.weight_axes[-1]]
        expect(channels % groups == 0, f"{channels} output channels do not fit {groups} groups")
        products = self.products.data
        expect(
            work.bitserial or products == "multiply",
            "only products of codes have popcount corrections",
        )
        expect(min(array(self.size, ())) >= 1, f"size is at least 1 each way, not {self.size}")
        verify_window(work.window)
        verify_pad(work)
        verify_corrections(work, output_type(self))
