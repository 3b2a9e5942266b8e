"""Arrays at the border: what a caller may pass, and memory that is aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute

from lowbit.elements import spelling_of, value_bounds
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, ShapedValue, storage_dtype, storage_of

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An uninitialised array whose first byte lies on a boundary of 64 bytes."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def aligned_storage(type: ShapedValue) -> Array:
    """An uninitialised aligned array that stores a tensor or memref."""
    return aligned_empty(*storage_of(type))


def checked(name: str, values: Any, type: ShapedValue) -> Array:
    """`values` as an array of decoded elements of `type`, in the element's own dtype.

    Raises ValueError naming the argument unless shape, kind of dtype and every value fit.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"argument '{name}' is no array: {error}") from error
    shape = tuple(type.get_shape())
    if array.shape != shape:
        raise ValueError(
            f"argument '{name}' has shape {_shape(array.shape)}, but the program takes {_shape(shape)}"
        )
    element = type.element_type
    if isinstance(element, Float32Type):
        return _checked_floats(name, array)
    if array.dtype.kind not in "iu":
        raise ValueError(
            f"argument '{name}' holds {array.dtype}, but {spelling_of(element)} takes integers"
        )
    _check_values(name, array, element)
    return array.astype(storage_dtype(element), copy=False)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def _checked_floats(name: str, array: Array) -> Array:
    if array.dtype.kind != "f":
        raise ValueError(f"argument '{name}' holds {array.dtype}, but the program takes float32")
    if array.dtype.itemsize > 4:
        raise ValueError(
            f"argument '{name}' holds {array.dtype}, but the program takes float32: convert it"
        )
    return array.astype(np.float32, copy=False)


def _check_values(name: str, array: Array, element: Attribute) -> None:
    bounds = value_bounds(element)
    if bounds is None or array.size == 0:
        return
    low, high = int(array.min()), int(array.max())
    if low < bounds[0] or high > bounds[1]:
        raise ValueError(
            f"argument '{name}' holds values {low}..{high}, but {spelling_of(element)} is "
            f"{bounds[0]}..{bounds[1]}"
        )
    wide = array.astype(np.int64)
    if isinstance(element, CodeType) and not element.contains(wide):
        even = int(wide[(wide - element.minimum) % element.scale != 0].flat[0])
        raise ValueError(
            f"argument '{name}' holds {even}, but {spelling_of(element)} is odd integers only"
        )
