"""Ops that hold, move and reshape data without changing its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    Float32Type,
    IntegerAttr,
    MemRefType,
    TensorType,
    i8,
    i16,
    i32,
    i64,
)
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

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, layout_of, storage_bytes, storage_dtype, with_layout
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
    tensor_of,
    verify_form,
)
from lowbit_dialect.ops.effects import WritesOuts
from lowbit_dialect.ops.properties import RESULT, memref
from lowbit_dialect.ops.values import Values, compact

MAX_CONSTANT_BYTES = 2**30
"""Bytes of one constant, which compiled code holds in full: as many f32 as a model may have."""


@irdl_op_definition
class ConstantOp(LowbitOp):
    """A tensor of known values, `lowbit.constant dense<[1, -1]> : tensor<2xi8> -> tensor<2x!lowbit.odd<1>>`.

    The attribute holds decoded values whatever the layout of the result: `dense` cannot have a code type.
    """

    name = "lowbit.constant"

    value = prop_def(DenseIntOrFPElementsAttr)
    result = result_def(RESULT)
    traits = traits_def(Pure())
    custom_directives = (Values,)
    assembly_format = "custom<Values>($value) attr-dict `->` type($result)"

    def __init__(self, value: DenseIntOrFPElementsAttr, result: TensorType[Any]):
        super().__init__(properties={"value": value}, result_types=[result])

    @classmethod
    def of(cls, values: Array, element: Attribute) -> ConstantOp:
        """A constant of decoded `values` whose elements are of type `element`.

        Raises ValueError for integers that the storage of the element would change.
        """
        shape, dtype = values.shape, storage_dtype(element)
        if isinstance(element, CodeType) and element.maximum > 127:
            dtype = np.dtype(np.int16)  # i8 is signed: 255 would be read as -1
        kinds = {"float32": Float32Type(), "uint8": i8, "int8": i8, "int16": i16, "int32": i32}
        held = kinds.get(dtype.name, i64)
        data = np.ascontiguousarray(values, dtype)
        if held != Float32Type() and not np.array_equal(data, values):
            stray = np.asarray(values)[data != values].flat[0]
            raise ValueError(f"a constant of {element} does not hold {stray}")
        attr = DenseIntOrFPElementsAttr(TensorType(held, shape), BytesAttr(data.tobytes()))
        return cls(compact(attr), TensorType(element, shape))

    def array(self) -> Array:
        """The decoded values, in the storage type of the element."""
        element = shaped(self.result).element_type
        held = self._held().astype(storage_dtype(element), copy=False)
        shape = self.value.get_shape()
        return np.broadcast_to(held, shape) if held.size == 1 else held.reshape(shape)

    def _held(self) -> Array:
        """The values that the attribute holds: all of them, or the one that all are."""
        return np.frombuffer(self.value.data.data, storage_dtype(self.value.get_element_type()))

    def verify_(self) -> None:
        check_layout(self.result.type)
        type = shaped(self.result)
        small = storage_bytes(type) <= MAX_CONSTANT_BYTES
        expect(small, f"a constant takes at most {MAX_CONSTANT_BYTES} bytes, unlike {type}")
        fits = tuple(self.value.get_shape()) == tuple(type.get_shape())
        expect(fits, f"a value of {self.value.type} does not fit a result of {type}")
        held = self.value.get_element_type()
        element = type.element_type
        if isinstance(element, CodeType):
            expect(
                held in (i8, i16, i32, i64), f"a constant of {element} holds i8 to i64, not {held}"
            )
            stray = element.stray(self._held())
            wide = ": i8 ends at 127, use i16" if held == i8 and element.maximum > 127 else ""
            expect(stray is None, f"holds {stray}, which is no value of {element}{wide}")
            return
        expect(held == element, f"a constant of {element} holds {element}, not {held}")


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
