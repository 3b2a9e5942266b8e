"""Memory on the boundary that generated code relies on."""

from __future__ import annotations

from ctypes import addressof, c_char
from math import prod
from typing import Any

import numpy as np

from lowbit_dialect.layout import Array, ShapedValue, storage_of

BYTES = np.dtype(np.uint8)
ALIGNMENT = 64
"""Bytes that buffers are aligned to: a cache line, and the widest vector."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An uninitialised array whose first byte lies on a boundary of 64 bytes."""
    raw = np.empty(prod(shape) * dtype.itemsize + ALIGNMENT, BYTES)
    return np.ndarray(shape, dtype, raw, -address_of(raw) % ALIGNMENT)


def aligned_storage(type: ShapedValue) -> Array:
    """An uninitialised aligned array that stores a tensor or memref."""
    return aligned_empty(*storage_of(type))


def aligned_copy(array: Array) -> Array:
    """The same values in aligned memory."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def aligned_bytes(content: bytes) -> Array:
    """Bytes in aligned memory."""
    return aligned_copy(np.frombuffer(content, BYTES))


def address_of(array: Any) -> int:
    """Where an array lies."""
    try:
        return addressof(c_char.from_buffer(array))  # a third of the time of `array.ctypes`
    except (TypeError, ValueError, BufferError):  # read-only, or empty
        return array.ctypes.data
