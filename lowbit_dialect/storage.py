"""How values lie in memory: decoded NumPy arrays to the words of a layout, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import (
    CHOICES,
    PLANES,
    Array,
    Chain,
    Layout,
    ShapedValue,
    layout_of,
    storage_dtype,
)

Name = tuple[int | None, Chain]
"""A stored axis, or a part of an axis that words or tables hold."""


def to_storage(values: Array, type: ShapedValue) -> Array:
    """Return decoded `values` as the array that stores them in `type`."""
    layout = layout_of(type)
    if layout is None:
        return np.ascontiguousarray(values, storage_dtype(type.element_type))
    return pack(layout, values, type.element_type)


def from_storage(words: Array, type: ShapedValue) -> Array:
    """Return the decoded values of the array that stores `type`; the inverse of `to_storage`."""
    layout = layout_of(type)
    return words if layout is None else unpack(layout, words, type.get_shape(), type.element_type)


def pack(layout: Layout, values: Array, element: Attribute) -> Array:
    """Return the stored words of decoded `values`."""
    dtype = storage_dtype(element, layout)
    if not layout.encoded:
        digits, names = _digits(layout, values.astype(dtype))
        order = [names.index((t.axis, t.chain)) for t in layout.terms]
        return np.ascontiguousarray(digits.transpose(order))
    assert isinstance(element, CodeType)
    codes = element.encode(values)
    if layout.table:
        return _pack_tables(layout, codes, element, dtype)
    cut, parts = _digits(layout, codes)
    digits = (
        cut[None] >> np.arange(element.planes, dtype=np.uint8).reshape(-1, *[1] * cut.ndim)
    ) & 1
    names: list[Name] = [(None, ()), *parts]
    inner = inner_of(layout)
    order = [names.index((t.axis, t.chain)) for t in layout.terms] + [names.index(inner)]
    rows = digits.transpose(order)
    if rows.shape[-1] < layout.word_width:
        rows = np.zeros((*rows.shape[:-1], layout.word_width), np.uint8)
        rows[..., : inner[1][-1][1]] = digits.transpose(order)
    packed = np.packbits(rows, axis=-1, bitorder="big" if layout.msb else "little")
    packed = np.ascontiguousarray(packed)
    return packed.view(dtype.newbyteorder(">" if layout.msb else "<"))[..., 0].astype(dtype)


def unpack(layout: Layout, words: Array, shape: Sequence[int], element: Attribute) -> Array:
    """Return the decoded values that `pack` stored; the inverse of `pack`."""
    digits, names = _digits(layout, np.zeros(shape, np.uint8))
    if not layout.encoded:
        order = [[(t.axis, t.chain) for t in layout.terms].index(name) for name in names]
        return _join(layout, words.transpose(order), shape)
    assert isinstance(element, CodeType)
    stored: list[Name] = [(t.axis, t.chain) for t in layout.terms if t.axis is not None]
    stored.append(inner_of(layout))
    if layout.table:
        codes = _unpack_tables(layout, words, element)
        return element.decode(
            _join(layout, codes.transpose([stored.index(name) for name in names]), shape)
        )
    raw = np.ascontiguousarray(words).astype(words.dtype.newbyteorder(">" if layout.msb else "<"))
    bits = np.unpackbits(
        raw[..., None].view(np.uint8), axis=-1, bitorder="big" if layout.msb else "little"
    )[..., : inner_of(layout)[1][-1][1]]
    bits = np.moveaxis(bits, layout.terms.index(PLANES), 0)
    planes = bits.transpose([0, *(1 + stored.index(name) for name in names)])
    weights = (1 << np.arange(element.planes)).reshape(-1, *[1] * digits.ndim)
    return element.decode(_join(layout, (planes * weights).sum(0).astype(np.uint8), shape))


def inner_of(layout: Layout) -> Name:
    """The part of an axis that a word or a table holds."""
    word = layout.word_term
    assert word is not None
    return word.axis, (*word.chain[:-1], ("in", word.chain[-1][1]))


def _pack_tables(layout: Layout, codes: Array, code: CodeType, dtype: np.dtype[Any]) -> Array:
    digits, names = _digits(layout, codes)
    table = layout.table
    outer = [t for t in layout.terms if t != table]
    order = [names.index((t.axis, t.chain)) for t in outer] + [names.index(inner_of(layout))]
    elements = digits.transpose(order).astype(np.int64)
    subsets = subsets_of(elements.shape[-1])
    sums = elements @ subsets.T
    if table == CHOICES:
        complements = (1 << code.planes) - 1 - elements
        sums = elements @ (1 - subsets.T) + complements @ subsets.T
    assert table is not None
    return np.ascontiguousarray(np.moveaxis(-sums, -1, layout.terms.index(table)), dtype)


def _unpack_tables(layout: Layout, words: Array, code: CodeType) -> Array:
    """The codes of each table as its last axis."""
    table = layout.table
    assert table is not None
    sums = np.moveaxis(np.negative(words), layout.terms.index(table), -1).astype(np.int64)
    single = sums[..., [1 << k for k in range(inner_of(layout)[1][-1][1])]]
    if table == CHOICES:
        single = (sums[..., :1] + (1 << code.planes) - 1 - single) // 2
    return single.astype(np.uint8)


def subsets_of(size: int) -> Array:
    """Rows of bits of the numbers below `2^size`, the lowest first: `[2^size, size]`."""
    return (np.arange(1 << size)[:, None] >> np.arange(size)) & 1


def _digits(layout: Layout, values: Array) -> tuple[Array, list[Name]]:
    """Pad and cut the axes of `values`; return it with the name of each of its axes."""
    names: list[Name] = [(axis, ()) for axis in range(values.ndim)]
    for cut in layout.splits(values.shape):
        at = names.index((cut.axis, cut.chain))
        pad = [(0, 0)] * values.ndim
        pad[at] = (0, cut.count * cut.block - cut.extent)
        values = np.pad(values, pad) if pad[at][1] else values
        values = values.reshape(*values.shape[:at], cut.count, cut.block, *values.shape[at + 1 :])
        names[at : at + 1] = [(cut.axis, (*cut.chain, (k, cut.block))) for k in ("by", "in")]
    return values, names


def _join(layout: Layout, digits: Array, shape: Sequence[int]) -> Array:
    """Undo `_digits`: glue the cut axes together and crop them."""
    names: list[Name] = _digits(layout, np.zeros(shape, np.uint8))[1]
    for cut in reversed(layout.splits(shape)):
        at = names.index((cut.axis, (*cut.chain, ("by", cut.block))))
        glued = (*digits.shape[:at], cut.count * cut.block, *digits.shape[at + 2 :])
        digits = digits.reshape(glued)
        digits = digits[(slice(None),) * at + (slice(cut.extent),)]
        names[at : at + 2] = [(cut.axis, cut.chain)]
    return digits
