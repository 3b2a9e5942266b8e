"""Layouts: packing and unpacking, words against their definition, TVM's bitpack, text, refusals."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from dialect_text import context, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from strategies import code_types, element, fill, fills, layouts, seeds, summed_codes, table_layouts
from xdsl.dialects.builtin import MemRefType, TensorType, f32, i8, i16, i32
from xdsl.ir import Attribute
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from lowbit_dialect.codes import CODE_SPELLINGS, CodeType, OddType, UIntType, parse_code
from lowbit_dialect.layout import (
    CHOICES,
    Array,
    Layout,
    LayoutAttr,
    Term,
    storage_bytes,
    storage_of,
)
from lowbit_dialect.layout_verifier import verify_layout
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.storage import from_storage, pack, to_storage, unpack

Case = tuple[CodeType, tuple[int, ...], Layout, Array]


@st.composite
def stored(draw: DrawFn, packed: bool | None = None) -> Case:
    """A code, a shape, a legal layout of it, and values."""
    code = draw(code_types())
    rank = draw(st.integers(1, 4))
    most = {1: 200, 2: 40, 3: 12, 4: 8}[rank]
    shape = tuple(draw(st.integers(1, most)) for _ in range(rank))
    layout = draw(layouts(rank, packed))
    while layout.word_width < 8 * code.storage.itemsize and not layout.packed:
        layout = Layout(layout.terms, i32, layout.msb)
    return code, shape, layout, fill(draw(fills()), shape, code, draw(seeds()))


@given(stored())
def test_unpack_undoes_pack(case: Case):
    code, shape, layout, values = case
    verify_layout(layout, len(shape), code)
    type = TensorType(code, shape, LayoutAttr(layout))
    words = to_storage(values, type)
    assert (words.shape, words.dtype) == storage_of(type)
    assert words.nbytes == storage_bytes(type)
    assert np.array_equal(from_storage(words, type), values)


def position(layout: Layout, index: tuple[int, ...]) -> tuple[list[int | None], int]:
    """Where an element lies, by the definition: its place along each stored axis (None for the planes),
    and its place within the word."""
    place: list[int | None] = []
    for term in layout.terms:
        if term.axis is None:
            place.append(None)
            continue
        at = index[term.axis]
        for kind, block in term.chain:
            at = at // block if kind == "by" else at % block
        place.append(at)
    if not layout.packed:
        return place, 0
    return place, values_at(layout, index)


@settings(max_examples=60)
@given(stored(packed=True))
def test_every_bit_of_packed_words(case: Case):
    code, shape, layout, values = case
    words = pack(layout, values, code)
    expected = [0] * words.size
    for index in np.ndindex(shape):
        bits = int(code.encode(values[index].reshape(1))[0])
        place, lane = position(layout, index)
        shift = layout.word_width - 1 - lane if layout.msb else lane
        for plane in range(code.planes):
            at = tuple(plane if p is None else p for p in place)
            expected[np.ravel_multi_index(at, words.shape)] |= ((bits >> plane) & 1) << shift
    assert [int(word) for word in words.ravel()] == expected  # so what pads is zero


@settings(max_examples=60)
@given(stored(packed=False))
def test_every_word_of_unpacked_elements(case: Case):
    code, shape, layout, values = case
    words = pack(layout, values, code)
    expected = np.zeros_like(words)
    for index in np.ndindex(shape):
        at = tuple(p for p in position(layout, index)[0] if p is not None)
        expected[at] = values[index]
    assert np.array_equal(words, expected)


@st.composite
def tabled(draw: DrawFn) -> Case:
    """A code, a shape, a legal layout of tables, and values."""
    code, rank = draw(summed_codes()), draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, {1: 40, 2: 12, 3: 7}[rank])) for _ in range(rank))
    return (
        code,
        shape,
        draw(table_layouts(rank, code)),
        fill(draw(fills()), shape, code, draw(seeds())),
    )


@settings(max_examples=60)
@given(tabled())
def test_every_entry_of_tables(case: Case):
    code, shape, layout, values = case
    verify_layout(layout, len(shape), code)
    words, word = pack(layout, values, code), layout.word_term
    assert word is not None and words.dtype == np.uint8
    assert words.shape == layout.storage_shape(shape, code)
    size, ones = word.chain[-1][1], (1 << code.planes) - 1
    choices = layout.table == CHOICES
    # What pads is the code 0, which a choice complements.
    expected = np.zeros((*words.shape, size), np.int64)
    subsets = np.arange(1 << size)[:, None] >> np.arange(size) & 1
    axis = layout.terms.index(layout.table) if layout.table else 0
    if choices:
        expected += np.expand_dims(subsets * ones, tuple(i for i in range(words.ndim) if i != axis))
    for index in np.ndindex(shape):
        number = int(code.encode(values[index].reshape(1))[0])
        place = [slice(None) if p is None else p for p in position(layout, index)[0]]
        at = values_at(layout, index)
        bits = subsets[:, at]
        expected[(*place, at)] = np.where(bits, ones - number, number) if choices else bits * number
    assert np.array_equal(words, (-expected.sum(-1)).astype(np.uint8))
    assert np.array_equal(unpack(layout, words, shape, code), values)


def values_at(layout: Layout, index: tuple[int, ...]) -> int:
    """Which element of its word or table one is."""
    word = layout.word_term
    assert word is not None and word.axis is not None
    at = index[word.axis]
    for kind, block in word.chain[:-1]:
        at = at // block if kind == "by" else at % block
    return at % word.chain[-1][1]


@given(st.integers(1, 3), st.data())
def test_plain_elements(rank: int, data: st.DataObject):
    kind = element(data.draw(st.sampled_from(["i8", "i16", "f32"])))
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(rank))
    layout = data.draw(layouts(rank, packed=False))
    layout = Layout(layout.terms, f32 if kind == f32 else i32)
    type = TensorType(kind, shape, LayoutAttr(layout))
    values = fill("random", shape, kind, data.draw(seeds()))
    assert np.array_equal(from_storage(to_storage(values, type), type), values)


# TVM's bitpack, as its own loop has it: element k of a word is shifted left by all that follow.


def bitpack(values: Array, bits: int, pack_axis: int, bit_axis: int, width: int) -> Array:
    shape = list(values.shape)
    shape[pack_axis] //= width
    out = np.zeros((*shape[:bit_axis], bits, *shape[bit_axis:]), np.uint64)
    for index in np.ndindex(out.shape):
        bit = index[bit_axis]
        source = [*index[:bit_axis], *index[bit_axis + 1 :]]
        packed = 0
        for k in range(width):
            source[pack_axis] = index[pack_axis + (bit_axis <= pack_axis)] * width + k
            element = (int(values[tuple(source)]) & (1 << bit)) >> bit
            packed = (packed | element) << 1 if k < width - 1 else packed | element
        out[index] = packed
    return out


@pytest.mark.parametrize("width", [8, 16, 32])
@pytest.mark.parametrize("rank", [2, 3, 4])
def test_tvm(rank: int, width: int):
    shape = tuple((2, 3, 2, 3)[:rank])
    for bits, pack_axis, bit_axis in [
        (1 + (p + b) % 3, p, b) for p in range(rank) for b in range(rank + 1)
    ]:
        code = UIntType(bits)
        sized = tuple(width * 2 if k == pack_axis else size for k, size in enumerate(shape))
        values = fill("random", sized, code, 10 * pack_axis + bit_axis)
        words = pack(Layout.tvm(rank, pack_axis, bit_axis, width), values, code)
        expected = bitpack(values, bits, pack_axis, bit_axis, width)
        assert words.shape == expected.shape
        assert np.array_equal(words.astype(np.uint64), expected)


def test_tvm_shape_arithmetic():
    """NHWC with 64 channels, packed along channels, planes before them, in u8."""
    layout = Layout.tvm(4, pack_axis=3, bit_axis=3, width=8)
    assert str(layout) == "[d0, d1, d2, planes, d3 by 8], i8, msb"
    assert layout.storage_shape((1, 56, 56, 64), UIntType(2)) == (1, 56, 56, 2, 8)


@given(stored())
def test_text(case: Case):
    code, shape, layout, _ = case
    for type in (
        TensorType(code, shape, LayoutAttr(layout)),
        MemRefType(code, shape, LayoutAttr(layout)),
    ):
        assert Parser(context(), str(type)).parse_type() == type


def test_blocks_that_chain():
    layout = Layout.of("d1 by 24 by 2, d0, d1 by 24 in 2, planes, d1 in 24 by 8", 8)
    code, values = parse_code("uint2"), fill("random", (3, 100), parse_code("uint2"), 0)
    verify_layout(layout, 2, code)
    words = pack(layout, values, code)
    assert words.shape == (3, 3, 2, 2, 3)
    assert words[1, 2, 1, 1, 2] == sum(
        ((int(values[2, 3 * 24 + 16 + lane]) >> 1) & 1) << lane for lane in range(8)
    )


@pytest.mark.parametrize(
    ("axes", "rank", "kind", "word", "message"),
    [
        ("d0, d0", 1, "odd1", 8, "lists a stored axis twice"),
        ("d0, d1", 1, "odd1", 8, "names an axis that a tensor of rank 1 lacks"),
        ("d0 by 4, sums", 1, "i8", 8, "has sums, but i8 is not a code type"),
        ("d0 by 4, sums", 1, "int2", 8, "sums codes of !lowbit.int<2>, which has a negative plane"),
        ("d0 by 4, choices", 1, "uint7", 8, "sums more codes than a word can hold"),
        ("d0 by 9, sums", 1, "uint1", 8, "sums more codes than a word can hold"),
        ("d0, sums", 1, "uint1", 8, "packs no axis: one axis needs 'dK by B' alone"),
        ("d0 by 4, sums, planes", 1, "uint1", 8, "does not store every part of every axis once"),
        ("d0", 2, "odd1", 8, "does not store every part of every axis once"),
        ("d0 by 4", 1, "odd1", 8, "does not store every part of every axis once"),
        ("d0 by 4, d0 in 8", 1, "odd1", 8, "does not store every part of every axis once"),
        ("d0, d0 in 4", 1, "odd1", 8, "does not store every part of every axis once"),
        ("planes, d0 by 8, d1 by 8", 2, "odd1", 8, "does not store every part of every axis once"),
        ("planes, d0", 1, "odd1", 8, "packs no axis: one axis needs 'dK by B' alone"),
        ("planes, d0 by 9", 1, "odd1", 8, "packs more elements than a word has bits"),
        ("planes, d0 by 8", 1, "i8", 8, "has planes, but i8 is not a code type"),
        ("d0", 1, "odd8", 8, "stores !lowbit.odd<8> in words of less than 16 bits"),
        ("d0", 1, "f32", 32, "stores f32 in words of i32"),
    ],
)
def test_illegal_layouts(axes: str, rank: int, kind: str, word: int, message: str):
    with pytest.raises(VerifyException) as caught:
        verify_layout(Layout.of(axes, word), rank, element(kind))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<[d0], i7>", "a word is i8, i16, i32, i64 or f32, not i7"),
        ("<[d0], f64>", "a word is i8, i16, i32, i64 or f32, not f64"),
        (
            "<[x0], i8>",
            "'x0' is not a stored axis: expected dK, dK by B, dK in B, planes, sums, choices",
        ),
        ("<[d0 by 0], i8>", "'d0 by 0' is not a stored axis"),
        ("<[d0 by], i8>", "Expected integer literal"),
        ("<[d0], i8, lsb>", "Expected 'msb'"),
        ("<[d0]>", "Expected ','"),
    ],
)
def test_illegal_text(text: str, message: str):
    with pytest.raises(ParseError) as caught:
        Parser(context(), f"#lowbit.layout{text}").parse_attribute()
    assert message.lower() in str(caught.value).lower()


def test_terms_refuse_what_is_no_axis():
    for text in ("", "d", "d0 in", "d0 at 4", "d0 by -1", "planes by 2"):
        with pytest.raises(ValueError, match="is not a stored axis"):
            Term.parse(text)


def test_storage_without_a_layout_is_one_value_a_word():
    assert storage_of(TensorType(OddType(8), (2, 3))) == ((2, 3), np.dtype(np.int16))
    assert storage_bytes(TensorType(i8, (5, 7))) == prod((5, 7))


@pytest.mark.parametrize("spelling", CODE_SPELLINGS)
def test_constants_of_every_code(spelling: str):
    """The text shows decoded values, the largest of `uint8` too."""
    code = parse_code(spelling)
    values = np.array([code.minimum, code.maximum], code.storage)
    op = ConstantOp.of(values, code)
    op.verify()
    assert f"dense<[{code.minimum}, {code.maximum}]>" in str(op)
    (read,) = parse(str(op)).ops
    assert isinstance(read, ConstantOp)
    assert read.array().dtype == code.storage and read.array().tolist() == values.tolist()


@pytest.mark.parametrize(
    "value,element", [(40000, i16), (-32769, i16), (2**31, i32), (2**15, OddType(8)), (1.5, i32)]
)
def test_constants_refuse_what_their_storage_would_change(value: float, element: Attribute):
    with pytest.raises(ValueError, match=f"a constant of {element} does not hold {value}"):
        ConstantOp.of(np.array([1, value]), element)
