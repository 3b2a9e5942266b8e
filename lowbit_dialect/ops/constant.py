"""Tensors of known values."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    Float32Type,
    TensorType,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, prop_def, result_def, traits_def
from xdsl.traits import Pure

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, storage_bytes, storage_dtype
from lowbit_dialect.ops.base import LowbitOp
from lowbit_dialect.ops.common import check_layout, expect, shaped
from lowbit_dialect.ops.properties import RESULT
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
