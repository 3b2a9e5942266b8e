"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import (
    Float32Type,
    IntegerAttr,
    StringAttr,
    TensorType,
    f32,
    i32,
    i64,
)
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
    traits_def,
)

from lowbit_dialect.codes import CodeType
from lowbit_dialect.geometry import Window
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    FORMATS,
    I32_MAX,
    array,
    element_of,
    expect,
    expect_output,
    image_shape,
    ints,
    shape_of,
    spatial_axes,
    value_range,
    verify_form,
    verify_window,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, integer, integers, one_of


class PoolOp(LowbitOp):
    """What the pools share: a window that slides over every channel alone."""

    FORM: ClassVar[str] = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    kernel = prop_def(integers("kernel", 2))
    strides = prop_def(integers("strides", 2), default_value=ints((1, 1)))
    padding = prop_def(integers("padding", 4), default_value=ints((0, 0, 0, 0)))
    dilations = prop_def(integers("dilations", 2), default_value=ints((1, 1)))
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(WritesOuts())

    @property
    def window(self) -> Window:
        """The window over the spatial axes."""
        shape = shape_of(self.input)
        h, w, _ = spatial_axes(self.format.data)
        properties = (self.kernel, self.strides, self.padding, self.dilations)
        return Window.of((shape[h], shape[w]), *(array(p, ()) for p in properties))

    def _verify_pool(self, element: Any) -> None:
        verify_form(self)
        shape = shape_of(self.input)
        expect(len(shape) == 4, f"input has rank 4, not {len(shape)}")
        verify_window(self.window)
        channels = shape[spatial_axes(self.format.data)[2]]
        expect_output(
            self, image_shape(self.format.data, shape[0], self.window.out, channels), element
        )


def _pool_type(
    input: SSAValue | Operation,
    element: Any,
    format: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilations: Sequence[int],
) -> TensorType[Any]:
    shape = shape_of(SSAValue.get(input))
    h, w, c = spatial_axes(format)
    window = Window.of((shape[h], shape[w]), kernel, strides, padding, dilations)
    verify_window(window)
    return TensorType(element, image_shape(format, shape[0], window.out, shape[c]))


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """Largest element under the window; positions outside the image do not count, nor does NaN: a window of
    NaN alone gives -infinity."""

    name = "lowbit.max_pool"
    assembly_format = PoolOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        kernel: Sequence[int],
        *,
        strides: Sequence[int] = (1, 1),
        padding: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        format: str = "nhwc",
    ):
        element = element_of(SSAValue.get(input).type)
        result = _pool_type(input, element, format, kernel, strides, padding, dilations)
        super().__init__(
            operands=[input, None],
            result_types=[result],
            properties={
                "kernel": ints(kernel),
                "strides": ints(strides),
                "padding": ints(padding),
                "dilations": ints(dilations),
                "format": StringAttr(format),
            },
        )

    def verify_(self) -> None:
        element = element_of(self.input.type)
        expect(element != i64, "pools codes, i8, i16, i32 or f32, not i64")
        self._verify_pool(element)
        for axis in (self.window.rows, self.window.columns):
            border = (*range(axis.head), *range(axis.out - axis.tail, axis.out))
            inside = all(axis.low(o) < axis.high(o) for o in border)
            expect(
                inside, "every window covers at least one position of the image, not padding alone"
            )


@irdl_op_definition
class AvgPoolOp(PoolOp):
    """`floor(sum / divisor)` under the window as i32; `sum / divisor` on f32. Padding counts as 0.

    The divisor is the number of positions of the window unless given. A divisor of 1 keeps the exact sum,
    so that a scale can take the division. The sum of codes is refused where it could wrap; that of i32
    wraps, as `add` does.
    """

    name = "lowbit.avg_pool"
    divisor = opt_prop_def(integer("divisor"))
    assembly_format = PoolOp.FORM

    def __init__(
        self,
        input: SSAValue | Operation,
        kernel: Sequence[int],
        *,
        strides: Sequence[int] = (1, 1),
        padding: Sequence[int] = (0, 0, 0, 0),
        divisor: int | None = None,
        format: str = "nhwc",
    ):
        element = f32 if element_of(SSAValue.get(input).type) == f32 else i32
        super().__init__(
            operands=[input, None],
            result_types=[_pool_type(input, element, format, kernel, strides, padding, (1, 1))],
            properties={
                "kernel": ints(kernel),
                "strides": ints(strides),
                "padding": ints(padding),
                "format": StringAttr(format),
                "divisor": None if divisor is None else IntegerAttr(divisor, i64),
            },
        )

    @property
    def count(self) -> int:
        """What the sum is divided by."""
        if self.divisor is not None:
            return self.divisor.value.data
        height, width = array(self.kernel, ())
        return height * width

    def verify_(self) -> None:
        element = element_of(self.input.type)
        legal = isinstance(element, CodeType | Float32Type) or element == i32
        expect(legal, f"averages codes, i32 or f32, not {element}")
        self._verify_pool(f32 if element == f32 else i32)
        expect(1 <= self.count <= I32_MAX, f"divisor is at least 1, not {self.count}")
        if isinstance(element, CodeType):
            height, width = array(self.kernel, ())
            bound = height * width * max(abs(v) for v in value_range(element))
            expect(bound <= I32_MAX, "the sum of the window can wrap in i32")
