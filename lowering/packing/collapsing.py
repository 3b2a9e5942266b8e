"""Elementwise ops on channels of any axis, as ops on images: the axes before and after are collapsed.

%y = lowbit.mul %x, %s {axis = 0} : tensor<5x2x3xf32>, tensor<5xf32> -> tensor<5x2x3xf32>
->  %image = lowbit.reshape %x : tensor<5x2x3xf32> -> tensor<1x5x1x6xf32>
    %z = lowbit.mul %image, %s {axis = 1} : tensor<1x5x1x6xf32>, tensor<5xf32> -> tensor<1x5x1x6xf32>
    %y = lowbit.reshape %z : tensor<1x5x1x6xf32> -> tensor<5x2x3xf32>
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import IntegerAttr, TensorType, i64
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shape_of, shaped, tensor_of
from lowbit_dialect.ops.conversions import convert_layout
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.reshaping import ReshapeOp
from lowering.packing.layout_assignment import Storage
from lowering.rebuild import rebuild

CHANNELS = 1
"""The axis of an image that channels become."""


def has_channels_within(op: ElementwiseOp) -> bool:
    """Whether tables vary along an axis that is not the last, nor the channels of an image already."""
    rank, axis = len(shape_of(op.input)), op.channel_axis
    varies = any(shape_of(table)[0] != 1 for table in op.tables)
    return varies and axis != rank - 1 and (rank, axis) != (4, CHANNELS)


def collapse(op: ElementwiseOp, storage: Storage) -> ElementwiseOp:
    """Replace an op on tensors by one on an image between reshapes; return that."""
    shape, axis, result = shape_of(op.input), op.channel_axis, op.results[0]
    image = prod(shape[:axis]), shape[axis], 1, prod(shape[axis + 1 :])
    changed: dict[str, SSAValue | None] = {"input": _reshaped(op, op.input, image, storage)}
    for other in op.others:
        changed["other"] = _reshaped(op, other, image, storage)
    new = rebuild(op, TensorType(op.output_element, image), without=["axis"], operands=changed)
    new.properties["axis"] = IntegerAttr(CHANNELS, i64)
    back = ReshapeOp(new.results[0], TensorType(op.output_element, shape))
    back.result.name_hint = result.name_hint
    stored = convert_layout(back.result, layout_of(tensor_of(result)))
    Rewriter.replace_op(op, [new, back, *([stored] if stored else [])])
    return new


def _reshaped(
    op: ElementwiseOp, value: SSAValue, shape: tuple[int, ...], storage: Storage
) -> SSAValue:
    plain = storage.stored(value, None)
    reshaped = ReshapeOp(plain, TensorType(shaped(value).element_type, shape))
    Rewriter.insert_op(reshaped, InsertPoint.before(op))
    return reshaped.result
