"""`corrections`: the rank-one terms that bitserial forms of `conv2d` and `dense` need."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import (
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    i32,
    i64,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    traits_def,
)

from lowbit_dialect.geometry import Window
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    FORMATS,
    array,
    expect,
    ints,
    output_type,
    shape_of,
    shaped,
    verify_form,
    verify_window,
)
from lowbit_dialect.ops.contraction import (
    PRODUCTS,
    Contraction,
    correction_shape,
    verify_corrections,
    verify_pad,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, integer, integers, one_of


@irdl_op_definition
class CorrectionsOp(LowbitOp):
    """The rank-one terms of a bitserial product, from its weights alone.

    With planes `b_i` of the activation and `w_j` of the weight, the raw sum of a pair of codes is
    `sum c_i d_j popcount(b_i OP w_j)` over the taps inside the image, and `x . w = factor * raw +
    corrections[row class, column class, output channel]` (see `lowbit_dialect.algebra`). Border classes
    are those of `lowbit_dialect.geometry`; the taps on padding contribute `pad_value` times their weight.
    Carries the attributes of the convolution it corrects; `size` is the height and width of its image.
    With `fill` those taps are in the sum too, with that code as activations, and are corrected likewise.
    Where `products` is `multiply`, the sum is of products of decoded values over the taps inside, and the
    corrections are what the taps on padding contribute; where it is `offset` or `offset_16`, activations
    are 128 or 16 more in the sum, and the corrections take that times each weight inside off, too.
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
    fill = opt_prop_def(integer("fill"))
    format = prop_def(one_of("format", FORMATS), default_value=StringAttr("nhwc"))
    products = prop_def(one_of("products", PRODUCTS), default_value=StringAttr("popcount"))

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(WritesOuts())
    assembly_format = (
        "$weights (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($weights) "
        "(`->` type($result)^)?"
    )

    @classmethod
    def of(
        cls,
        work: Contraction,
        weights: SSAValue,
        products: str = "popcount",
        fill: int | None = None,
        element: IntegerType = i32,
    ) -> CorrectionsOp:
        """The corrections of an op with the numbers `work` and these weights, in any layout."""
        rows, columns = work.window.rows, work.window.columns
        return cls.build(
            operands=[weights, None],
            result_types=[TensorType(element, correction_shape(work))],
            properties={
                "activation": work.activation,
                "size": ints((rows.size, columns.size)),
                "strides": ints((rows.stride, columns.stride)),
                "padding": ints((rows.before, columns.before, rows.after, columns.after)),
                "dilations": ints((rows.dilation, columns.dilation)),
                "groups": IntegerAttr(work.groups, i64),
                "pad_value": IntegerAttr(work.pad_value, i64),
                "fill": None if fill is None else IntegerAttr(fill, i64),
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
            work.bitserial or products != "popcount",
            "only products of codes have popcount corrections",
        )
        expect(min(array(self.size, ())) >= 1, f"size is at least 1 each way, not {self.size}")
        verify_window(work.window)
        verify_pad(work)
        if self.fill is not None:
            verify_pad(replace(work, pad_value=self.fill.value.data), "fill")
        verify_corrections(work, output_type(self))
