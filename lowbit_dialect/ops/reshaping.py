"""Ops that give the same elements another shape, or another order of axes; parts of the arena."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, MemRefType, TensorType, i8, i64
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_result_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.traits import Pure

from lowbit_dialect.layout import layout_of, storage_bytes
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import (
    array,
    check_layout,
    element_of,
    expect,
    expect_output,
    ints,
    output_type,
    shape_of,
    shaped,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, memref


@irdl_op_definition
class ReshapeOp(LowbitOp, HasCanonicalizationPatternsInterface):
    """Give the same elements, in row-major order, another shape. Costs nothing."""

    name = "lowbit.reshape"
    input = operand_def()
    result = result_def()
    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, input: SSAValue | Operation, result: Attribute):
        super().__init__(operands=[input], result_types=[result])

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import ReshapePattern

        return (ReshapePattern(),)

    def verify_(self) -> None:
        check_layout(self.input.type)
        check_layout(self.result.type)
        source, target = shaped(self.input), shaped(self.result)
        expect(type(source) is type(target), "mixes tensors and memrefs")
        expect(
            prod(source.get_shape()) == prod(target.get_shape()),
            f"{source} and {target} have different numbers of elements",
        )
        expect(
            source.element_type == target.element_type,
            f"keeps the elements: {source} and {target} differ",
        )
        plain = layout_of(source) is None and layout_of(target) is None
        expect(plain, "reshapes tensors without a layout: unpack first")


@irdl_op_definition
class TransposeOp(LowbitOp, HasCanonicalizationPatternsInterface):
    """Permute the axes: axis `i` of the result is axis `permutation[i]` of the input."""

    name = "lowbit.transpose"
    input = operand_def()
    outs = opt_operand_def()
    result = opt_result_def(RESULT)
    permutation = prop_def(DenseArrayBase.constr(i64))
    traits = traits_def(WritesOuts())
    assembly_format = (
        "$input `permutation` `=` $permutation (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict "
        "`:` type($input) (`->` type($result)^)?"
    )

    def __init__(self, input: SSAValue | Operation, permutation: Sequence[int]):
        value = SSAValue.get(input)
        type = shaped(value)
        shape = [type.get_shape()[axis] for axis in permutation]
        super().__init__(
            operands=[input, None],
            result_types=[TensorType(type.element_type, shape)],
            properties={"permutation": ints(permutation)},
        )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from lowbit_dialect.canonicalization import TransposePattern

        return (TransposePattern(),)

    def verify_(self) -> None:
        verify_form(self)
        shape, order = shape_of(self.input), array(self.permutation, ())
        expect(
            sorted(order) == list(range(len(shape))), f"{list(order)} permutes no {len(shape)} axes"
        )
        plain = layout_of(shaped(self.input)) is None and layout_of(output_type(self)) is None
        expect(plain, "transposes tensors without a layout: unpack first")
        expect_output(self, [shape[axis] for axis in order], element_of(self.input.type))


@irdl_op_definition
class SliceOp(LowbitOp):
    """Part of a buffer of bytes, at a static offset, as a memref: how the arena is shared out."""

    name = "lowbit.slice"
    buffer = operand_def(memref("buffer"))
    offset = prop_def(IntegerAttr.constr(i64))
    result = result_def(memref("the result"))
    traits = traits_def(Pure())
    assembly_format = "$buffer `at` $offset attr-dict `:` type($buffer) `to` type($result)"

    def __init__(self, buffer: SSAValue, offset: int, result: MemRefType[Any]):
        super().__init__(
            operands=[buffer],
            result_types=[result],
            properties={"offset": IntegerAttr(offset, i64)},
        )

    def verify_(self) -> None:
        check_layout(self.result.type)
        buffer = shaped(self.buffer)
        bytes_ = buffer.element_type == i8 and buffer.get_num_dims() == 1
        expect(bytes_, f"slices a buffer of bytes, memref<Nxi8>, not {buffer}")
        begin = self.offset.value.data
        end = begin + storage_bytes(shaped(self.result))
        size = buffer.get_shape()[0]
        expect(begin >= 0 and end <= size, f"is bytes {begin} to {end} of a buffer of {size}")
