"""What gathers the elements that a convolution reads (im2col): `lines` and `windows`, or `subsample`.

A line is a row of an image with its padding, pixels end to end, so that the elements under one row of a
window follow each other whatever the number of channels; `windows` puts those of all rows of the window end
to end:

    %l = lowbit.lines %x {padding = array<i64: 1, 1, 1, 1>} : tensor<1x28x28x65x!lowbit.uint<1>>
           -> tensor<1x30x1950x!lowbit.uint<1>>
    %y = lowbit.windows %l {channels = 65 : i64, kernel = array<i64: 3, 3>}
           : tensor<1x30x1950x!lowbit.uint<1>> -> tensor<1x28x28x585x!lowbit.uint<1>>

A window of a single tap that skips pixels needs no lines:

    %y = lowbit.subsample %x {strides = array<i64: 2, 2>} : tensor<1x28x28x128x!lowbit.uint<1>>
           -> tensor<1x14x14x128x!lowbit.uint<1>>
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import IntegerAttr, StringAttr, TensorType, i64
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_result_def,
    prop_def,
    traits_def,
)

from lowbit_dialect.codes import CodeType
from lowbit_dialect.geometry import LIMIT
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    FORMATS,
    array,
    element_of,
    expect,
    expect_output,
    image_shape,
    ints,
    output_type,
    shape_of,
    spatial_axes,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, integer, integers, one_of


class GatherOp(LowbitOp):
    """What they share."""

    FORM: ClassVar[str] = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(WritesOuts())

    @property
    def image_axes(self) -> tuple[int, int, int, int]:
        """Axes of batch, rows, columns and channels of the image that is read or written."""
        return (0, *spatial_axes(self.format.data))

    def _verify_gather(self, rank: int) -> None:
        verify_form(self)
        got, element = len(shape_of(self.input)), element_of(self.input.type)
        expect(got == rank, f"input has rank {rank}, not {got}")
        expect(isinstance(element, CodeType), f"gathers codes, not {element}")


@irdl_op_definition
class LinesOp(GatherOp):
    """The rows of an image, `y[n, i, j C + c] = x[n, i - top, j - left, c]`, `pad_value` outside it.

    Padding is top, left, bottom, right; the pad value is a value of the element.
    """

    name = "lowbit.lines"
    padding = prop_def(integers("padding", 4), default_value=ints((0, 0, 0, 0)))
    pad_value = prop_def(integer("pad_value"), default_value=IntegerAttr(0, i64))
    assembly_format = GatherOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        *,
        padding: Sequence[int] = (0, 0, 0, 0),
        pad_value: int = 0,
        format: str = "nhwc",
    ):
        value = SSAValue.get(input)
        shape, axes = shape_of(value), (0, *spatial_axes(format))
        top, left, bottom, right = padding
        batch, height, width, channels = (shape[axis] for axis in axes)
        lines = batch, top + height + bottom, (left + width + right) * channels
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(element_of(value.type), lines)],
            properties={
                "padding": ints(padding),
                "pad_value": IntegerAttr(pad_value, i64),
                "format": StringAttr(format),
            },
        )

    def verify_(self) -> None:
        self._verify_gather(4)
        shape, padding = shape_of(self.input), array(self.padding, ())
        fits = min(padding) >= 0 and max(padding) <= LIMIT
        expect(fits, f"padding is 0 to {LIMIT} on each side, not {list(padding)}")
        element, pad = element_of(self.input.type), self.pad_value.value.data
        assert isinstance(element, CodeType)
        if any(padding):
            expect(pad in element.values(), f"pads with {pad}, which is no value of {element}")
        top, left, bottom, right = padding
        batch, height, width, channels = (shape[axis] for axis in self.image_axes)
        lines = batch, top + height + bottom, (left + width + right) * channels
        expect_output(self, lines, element)


@irdl_op_definition
class SubsampleOp(GatherOp):
    """Some pixels of an image, evenly spaced: `y[n, i, j, c] = x[n, i s, j s, c]`."""

    name = "lowbit.subsample"
    strides = prop_def(integers("strides", 2))
    assembly_format = GatherOp.FORM

    def __init__(
        self, input: SSAValue | Operation, strides: Sequence[int], *, format: str = "nhwc"
    ):
        value = SSAValue.get(input)
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(element_of(value.type), _sampled(value, strides, format))],
            properties={"strides": ints(strides), "format": StringAttr(format)},
        )

    def verify_(self) -> None:
        self._verify_gather(4)
        strides = array(self.strides, ())
        expect(
            all(1 <= one <= LIMIT for one in strides),
            f"strides are 1 to {LIMIT}, not {list(strides)}",
        )
        shape = _sampled(self.input, strides, self.format.data)
        expect_output(self, shape, element_of(self.input.type))


def _sampled(image: SSAValue, strides: Sequence[int], format: str) -> list[int]:
    """Shape of every so many pixels of an image."""
    shape = list(shape_of(image))
    for axis, stride in zip(spatial_axes(format), strides):
        shape[axis] = -(-shape[axis] // stride)
    return shape


@irdl_op_definition
class WindowsOp(GatherOp):
    """What each output of a window sees, end to end.

    `y[n, i, j, (ky KW + kx) C + c] = x[n, i s + ky d, (j s + kx d) C + c]`.

    Reads lines of pixels of `channels` elements. How many outputs there are is the result's to say: lines
    may be longer, and more, than the windows reach.
    """

    name = "lowbit.windows"
    channels = prop_def(integer("channels"))
    kernel = prop_def(integers("kernel", 2))
    strides = prop_def(integers("strides", 2), default_value=ints((1, 1)))
    dilations = prop_def(integers("dilations", 2), default_value=ints((1, 1)))
    assembly_format = GatherOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        size: Sequence[int],
        *,
        channels: int,
        kernel: Sequence[int],
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        format: str = "nhwc",
    ):
        value = SSAValue.get(input)
        depth = kernel[0] * kernel[1] * channels
        shape = image_shape(format, shape_of(value)[0], size, depth)
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(element_of(value.type), shape)],
            properties={
                "channels": IntegerAttr(channels, i64),
                "kernel": ints(kernel),
                "strides": ints(strides),
                "dilations": ints(dilations),
                "format": StringAttr(format),
            },
        )

    @property
    def size(self) -> tuple[int, int]:
        """Outputs along height and width."""
        shape = output_type(self).get_shape()
        return shape[self.image_axes[1]], shape[self.image_axes[2]]

    @property
    def numbers(self) -> tuple[Any, ...]:
        """`channels, kernel, strides, dilations`."""
        pairs = (array(one, ()) for one in (self.kernel, self.strides, self.dilations))
        return self.channels.value.data, *pairs

    def verify_(self) -> None:
        self._verify_gather(3)
        channels, kernel, strides, dilations = self.numbers
        small = all(1 <= one <= LIMIT for one in (channels, *kernel, *strides, *dilations))
        expect(small, f"channels, kernel, strides and dilations are 1 to {LIMIT}")
        batch, lines, length = shape_of(self.input)
        rank = len(output_type(self).get_shape())
        expect(rank == 4, f"the result has rank 4, not {rank}")
        depth = kernel[0] * kernel[1] * channels
        shape = image_shape(self.format.data, batch, self.size, depth)
        expect_output(self, shape, element_of(self.input.type))
        reach = [
            (out - 1) * stride + (taps - 1) * step + 1
            for out, stride, taps, step in zip(self.size, strides, kernel, dilations)
        ]
        expect(
            reach[0] <= lines and reach[1] * channels <= length,
            f"reaches over {reach[0]} lines of {reach[1] * channels} elements, but there are {lines} "
            f"of {length}",
        )
