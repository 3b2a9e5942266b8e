"""`lowbit.tile`: one register block over its whole reduction, and the terminator of epilogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    StringAttr,
    i64,
)
from xdsl.ir import Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import IsTerminator, NoTerminator, Pure

from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import array, check_layout, expect, ints, shape_of, shaped
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import integer, integers, memref, one_of, string
from lowbit_dialect.schedule import CHOICES


@irdl_op_definition
class YieldOp(LowbitOp):
    """Ends an epilogue with the element to store."""

    name = "lowbit.yield"
    value = operand_def()
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "$value attr-dict `:` type($value)"

    def __init__(self, value: SSAValue | Operation):
        super().__init__(operands=[value])


@irdl_op_definition
class TileOp(LowbitOp):
    """Compute `pixels` neighbouring outputs of one row times `channels` output channels.

    At `batch, group, channel, row, column` (channel is the first of the block within the group); kernel
    rows `[row_low, row_high)` lie inside the image. `columns` lists `low, high` of the kernel columns
    inside for each pixel; without it there is one pixel, and `[column_low, column_high)` are operands.
    A microkernel forms the accumulators, the corrections of the border class are added, the epilogue maps
    each to what is stored. `input_axes`, `weight_axes` and `output_axes` name the axes of the operands:
    batch, rows, columns, channels; kernel rows, kernel columns, inputs, outputs (-1 for one that is not
    there). `classes` are the border class of the row and, with column bounds as operands, of the column;
    else `column_classes` lists that of each pixel. A sum is divided by `divisor`, rounding down.
    """

    name = "lowbit.tile"

    input = operand_def(memref("input"))
    weights = opt_operand_def(memref("weights"))
    corrections = opt_operand_def(memref("corrections"))
    outs = operand_def(memref("outs"))
    batch = operand_def(IndexType)
    group = operand_def(IndexType)
    channel = operand_def(IndexType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    row_low = operand_def(IndexType)
    row_high = operand_def(IndexType)
    column_bounds = var_operand_def(IndexType)
    classes = var_operand_def(IndexType)
    epilogue = region_def()

    microkernel = prop_def(string("microkernel"))
    pixels = prop_def(integer("pixels"))
    vectors = prop_def(integer("vectors"))
    channels = prop_def(integer("channels"))
    groups = prop_def(integer("groups"))
    unroll = prop_def(integer("unroll"))
    taps = prop_def(one_of("taps", CHOICES["taps"]))
    columns = prop_def(integers("columns"))
    kernel = prop_def(integers("kernel", 2))
    strides = prop_def(integers("strides", 2))
    padding = prop_def(integers("padding", 2))
    dilations = prop_def(integers("dilations", 2))
    input_axes = prop_def(integers("input_axes", 4))
    weight_axes = prop_def(integers("weight_axes", 4))
    output_axes = prop_def(integers("output_axes", 4))
    column_classes = prop_def(integers("column_classes"), default_value=ints(()))
    divisor = prop_def(integer("divisor"), default_value=IntegerAttr(1, i64))
    planes = prop_def(one_of("planes", CHOICES["planes"]), default_value=StringAttr("outer"))
    prefetch = prop_def(integer("prefetch"), default_value=IntegerAttr(0, i64))

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(NoTerminator(), WritesOuts())
    assembly_format = (
        "$microkernel `at` `(` $batch `,` $group `,` $channel `,` $row `,` $column `)` "
        "`rows` `(` $row_low `,` $row_high `)` (`columns` `(` $column_bounds^ `)`)? "
        "`ins` `(` $input `:` type($input) `)` (`weights` `(` $weights^ `:` type($weights) `)`)? "
        "(`corrections` `(` $corrections^ `:` type($corrections) `)` `classes` `(` $classes `)`)? "
        "`outs` `(` $outs `:` type($outs) `)` attr-dict (`epilogue` $epilogue^)?"
    )

    def __init__(
        self,
        microkernel: str,
        input: SSAValue,
        weights: SSAValue | None,
        corrections: SSAValue | None,
        outs: SSAValue,
        position: Sequence[SSAValue],
        row_bounds: Sequence[SSAValue],
        column_bounds: Sequence[SSAValue],
        classes: Sequence[SSAValue],
        numbers: dict[str, int],
        arrays: dict[str, Sequence[int]],
        names: dict[str, str],
        epilogue: Region,
    ):
        properties: dict[str, Any] = {k: IntegerAttr(v, i64) for k, v in numbers.items()}
        properties |= {k: ints(v) for k, v in arrays.items()}
        properties |= {k: StringAttr(v) for k, v in names.items()}
        properties["microkernel"] = StringAttr(microkernel)
        super().__init__(
            operands=[
                input,
                weights,
                corrections,
                outs,
                *position,
                *row_bounds,
                column_bounds,
                classes,
            ],
            properties=properties,
            regions=[epilogue],
        )

    @property
    def tap_columns(self) -> list[tuple[int, int]]:
        """`(low, high)` of each pixel; empty when the bounds are operands."""
        flat = array(self.columns, ())
        return list(zip(flat[::2], flat[1::2]))

    def verify_(self) -> None:
        pixels, bounds = self.pixels.value.data, len(self.column_bounds)
        known = len(array(self.columns, ()))
        expect(
            (known, bounds) == (2 * pixels, 0) or (known, bounds, pixels) == (0, 2, 1),
            "has column bounds as two operands for one pixel, or as two numbers for each pixel",
        )
        for name in ("pixels", "vectors", "channels", "groups", "unroll", "divisor"):
            count = getattr(self, name).value.data
            expect(count >= 1, f"{name} is at least 1, not {count}")
        for value in self.operands:
            check_layout(value.type)
        self._verify_epilogue()
        for value, axes in ((self.input, self.input_axes), (self.outs, self.output_axes)):
            rank = len(shape_of(value))
            expect(all(a < rank for a in array(axes, ())), f"{value.type} lacks a named axis")

    def _verify_epilogue(self) -> None:
        if not self.epilogue.blocks:
            return
        blocks, element = self.epilogue.blocks, shaped(self.outs).element_type
        last = blocks[0].last_op
        legal = len(blocks) == 1 and len(blocks[0].args) == 1 and isinstance(last, YieldOp)
        expect(legal, "an epilogue is one block with one argument that ends in lowbit.yield")
        assert last is not None
        got = last.operands[0].type
        expect(got == element, f"the epilogue yields {got}, but outs holds {element}")
