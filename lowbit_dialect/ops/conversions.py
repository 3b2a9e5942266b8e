"""Ops that store data in another layout without changing its meaning."""

from __future__ import annotations

from typing import Any, ClassVar

from xdsl.dialects.builtin import TensorType
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, opt_result_def, traits_def
from xdsl.pattern_rewriter import RewritePattern

from lowbit_dialect.layout import layout_of, with_layout
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import expect, output_type, shaped, tensor_of, verify_form
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT


class ConversionOp(LowbitOp, HasCanonicalizationPatternsInterface):
    """An op that changes how a tensor is stored and not what it means."""

    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    traits = traits_def(WritesOuts())
    FORM: ClassVar[str] = (
        "$input (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict `:` type($input) "
        "(`->` type($result)^)?"
    )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import (
            ComposeConversionsPattern,
            ConvertConstantPattern,
        )

        return ConvertConstantPattern(), ComposeConversionsPattern()

    def _verify_same(self) -> tuple[Any, Any]:
        verify_form(self)
        source, target = shaped(self.input), output_type(self)
        expect(
            tuple(source.get_shape()) == tuple(target.get_shape())
            and source.element_type == target.element_type,
            f"changes the layout alone: {source} and {target} differ in more",
        )
        return layout_of(source), layout_of(target)


@irdl_op_definition
class BitpackOp(ConversionOp):
    """Store the planes of codes as words: the input is unpacked, the result's layout has `planes`
    (or the tables of `sums` or `choices`).

    TVM's `bitpack(data, bits, pack_axis, bit_axis, pack_type)` is the layout `Layout.tvm(rank, pack_axis,
    bit_axis, width)`.
    """

    name = "lowbit.bitpack"
    assembly_format = ConversionOp.FORM

    def __init__(self, input: SSAValue | Operation, result: TensorType[Any]):
        super().__init__(operands=[input, None], result_types=[result])

    def verify_(self) -> None:
        source, target = self._verify_same()
        expect(source is None or not source.encoded, "packs an input that is packed already")
        expect(
            target is not None and target.encoded,
            "packs to a layout with planes, as in [d0, planes, d1 by 32]",
        )


@irdl_op_definition
class UnpackOp(ConversionOp):
    """Store codes one decoded value a word; the inverse of `bitpack`."""

    name = "lowbit.unpack"
    assembly_format = ConversionOp.FORM

    def __init__(self, input: SSAValue | Operation, result: TensorType[Any]):
        super().__init__(operands=[input, None], result_types=[result])

    def verify_(self) -> None:
        source, target = self._verify_same()
        expect(source is not None and source.encoded, "unpacks an input that is not packed")
        expect(target is None or not target.encoded, "unpacks to a layout without planes")


@irdl_op_definition
class RelayoutOp(ConversionOp):
    """Store the same values in another layout, both packed or both not."""

    name = "lowbit.relayout"
    assembly_format = ConversionOp.FORM

    def __init__(self, input: SSAValue | Operation, result: TensorType[Any]):
        super().__init__(operands=[input, None], result_types=[result])

    def verify_(self) -> None:
        source, target = self._verify_same()
        packed = [layout is not None and layout.encoded for layout in (source, target)]
        expect(packed[0] == packed[1], "packs or unpacks: use lowbit.bitpack or lowbit.unpack")


def convert_layout(value: SSAValue, layout: Any) -> Operation | None:
    """The op that stores `value` in `layout`; None if it is stored so already."""
    source = layout_of(shaped(value))
    if source == layout:
        return None
    packed = [one is not None and one.encoded for one in (source, layout)]
    kinds = {(False, True): BitpackOp, (True, False): UnpackOp}
    kind = kinds.get((packed[0], packed[1]), RelayoutOp)
    return kind(value, with_layout(tensor_of(value), layout))
