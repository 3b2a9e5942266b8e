"""`#lowbit.layout`: how the elements of a tensor or memref lie in memory.

A layout lists the stored axes, outermost first, and the word that is stored:

    #lowbit.layout<[d3 by 32, d0, d1, d2 by 64, planes, d3 in 32], i64>

`dk` is a whole axis, `dk by B` its quotient and `dk in B` its remainder by `B`; both chain from left
to right (`d3 in 24 by 8`). `planes` runs over the bit planes of a code. With `planes` a word holds one
plane of `B` consecutive elements of the axis whose `in B` is not listed (above 64 input channels);
element 0 is the least significant bit, or the most significant with `msb`. Whatever pads an axis to a
multiple is zero. `sums` in place of `planes` stores a table of all `B` of those elements, 2^B words of
their unsigned codes: word `s` is minus the sum over the set bits `k` of `s` of code `k`, modulo 2^8 in
bytes; in `choices` the clear bits count their codes and the set bits their complements, 2^n - 1 - code.
With none of these a word holds one decoded element.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    Float32Type,
    IndexType,
    IntegerType,
    MemRefLayoutAttr,
    MemRefType,
    TensorType,
)
from xdsl.ir import Attribute, Data
from xdsl.ir.affine import AffineMap
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.hints import isa

from lowbit_dialect.codes import CodeType

Array = npt.NDArray[Any]
Chain = tuple[tuple[str, int], ...]
"""Quotients and remainders taken of an axis, left to right: `(("in", 24), ("by", 8))`."""

WORD_WIDTHS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Term:
    """One stored axis: a logical axis with its chain, or the planes (axis `None`)."""

    axis: int | None
    chain: Chain = ()

    def __str__(self) -> str:
        if self.axis is None:
            return self.chain[0][0] if self.chain else "planes"
        return " ".join([f"d{self.axis}", *(f"{kind} {block}" for kind, block in self.chain)])

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read the printed form; raises ValueError naming what is wrong."""
        if text.strip() in NAMED:
            return NAMED[text.strip()]
        match = re.fullmatch(r"d(\d+)((?: (?:by|in) [1-9]\d*)*)", " ".join(text.split()))
        if match is None:
            raise ValueError(
                f"'{text}' is not a stored axis: expected dK, dK by B, dK in B, {', '.join(NAMED)}"
            )
        words = match[2].split()
        return cls(int(match[1]), tuple((k, int(b)) for k, b in zip(words[::2], words[1::2])))


PLANES, SUMS, CHOICES = (Term(None, chain) for chain in ((), (("sums", 0),), (("choices", 0),)))
NAMED = {str(term): term for term in (PLANES, SUMS, CHOICES)}
"""The stored axes that are no part of a logical axis."""


def whole_axes(terms: Iterable[Term]) -> tuple[int, ...] | None:
    """The axes that terms stand for; None if one is a part of an axis, or of none."""
    axes = [(term.axis, term.chain) for term in terms]
    whole = [axis for axis, chain in axes if axis is not None and not chain]
    return tuple(whole) if len(whole) == len(axes) else None


@dataclass(frozen=True)
class Split:
    """An axis (or part of one) of `extent` elements cut in `count` blocks of `block`."""

    axis: int
    chain: Chain
    extent: int
    block: int

    @property
    def count(self) -> int:
        return -(-self.extent // self.block)


@dataclass(frozen=True)
class Layout:
    """The value of a `#lowbit.layout`."""

    terms: tuple[Term, ...]
    word: IntegerType | Float32Type
    msb: bool = False

    @classmethod
    def of(cls, axes: str, word: int = 32, *, msb: bool = False) -> Layout:
        """Build a layout from the printed list, `Layout.of("d0, d1, planes, d2 by 32")`."""
        return cls(tuple(Term.parse(t) for t in axes.split(",")), IntegerType(word), msb)

    @classmethod
    def tvm(cls, rank: int, pack_axis: int, bit_axis: int, width: int) -> Layout:
        """TVM's `bitpack`: the planes inserted at `bit_axis`, the first element in the top bit."""
        terms = [Term(k, (("by", width),) if k == pack_axis else ()) for k in range(rank)]
        terms.insert(bit_axis, PLANES)
        return cls(tuple(terms), IntegerType(width), msb=True)

    @classmethod
    def row_planes(cls, axes: Sequence[int], width: int = 32) -> Layout:
        """Planes in rows of full words along the last of `axes`."""
        *leading, last = axes
        word = Term(last, (("by", width),))
        return cls((*map(Term, leading), PLANES, word), IntegerType(width))

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.terms))}], {self.word}{', msb' if self.msb else ''}"

    @property
    def row_axes(self) -> tuple[int, ...] | None:
        """The axes of which this is the layout `row_planes`; None if it is another."""
        axes = whole_axes(term for term in self.terms if term not in (PLANES, self.word_term))
        if axes is None or self.word_term is None or self.word_term.axis is None:
            return None
        axes = *axes, self.word_term.axis
        return axes if self == Layout.row_planes(axes, self.word_width) else None

    @cached_property
    def packed(self) -> bool:
        """Whether a word holds one plane of several elements."""
        return PLANES in self.terms

    @cached_property
    def table(self) -> Term | None:
        """`SUMS` or `CHOICES` if this stores such tables."""
        return next((term for term in self.terms if term in (SUMS, CHOICES)), None)

    @cached_property
    def encoded(self) -> bool:
        """Whether words hold several codes, as planes or in tables, and not one decoded element."""
        return self.packed or self.table is not None

    @property
    def word_width(self) -> int:
        """Bits of a word."""
        return self.word.width.data if isinstance(self.word, IntegerType) else 32

    @property
    def word_term(self) -> Term | None:
        """The stored axis `.. by B` whose remainder a word or table holds; None unless encoded."""
        for term in self.terms:
            if term.chain and term.chain[-1][0] == "by":
                rest = (*term.chain[:-1], ("in", term.chain[-1][1]))
                if not any(
                    t.axis == term.axis and t.chain[: len(rest)] == rest for t in self.terms
                ):
                    return term
        return None

    def splits(self, shape: Sequence[int]) -> list[Split]:
        """How the axes are cut, outermost cut first."""
        cuts: list[Split] = []

        def cut(axis: int, chain: Chain, extent: int) -> None:
            for term in self.terms:
                if term.axis == axis and term.chain[: len(chain)] == chain != term.chain:
                    split = Split(axis, chain, extent, term.chain[len(chain)][1])
                    cuts.append(split)
                    cut(axis, (*chain, ("by", split.block)), split.count)
                    cut(axis, (*chain, ("in", split.block)), split.block)
                    return

        for axis, extent in enumerate(shape):
            cut(axis, (), extent)
        return cuts

    def extent(self, term: Term, shape: Sequence[int], planes: int) -> int:
        """Number of positions of a stored axis."""
        if term.axis is None:
            word = self.word_term
            return planes if term == PLANES or word is None else 1 << word.chain[-1][1]
        extent = shape[term.axis]
        for kind, block in term.chain:
            extent = -(-extent // block) if kind == "by" else block
        return extent

    def storage_shape(self, shape: Sequence[int], element: Attribute) -> tuple[int, ...]:
        """Shape of the stored array of words."""
        planes = element.planes if isinstance(element, CodeType) else 1
        return tuple(self.extent(term, shape, planes) for term in self.terms)


@irdl_attr_definition
class LayoutAttr(MemRefLayoutAttr, Data[Layout]):
    """A layout as the encoding of a tensor or the layout of a memref."""

    name = "lowbit.layout"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Layout:
        with parser.in_angle_brackets():
            terms = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, lambda: _parse_term(parser)
            )
            parser.parse_punctuation(",")
            word = parser.parse_type()
            msb = parser.parse_optional_punctuation(",") is not None
            if msb:
                parser.parse_keyword("msb")
            legal = isa(word, IntegerType) and word in map(IntegerType, WORD_WIDTHS)
            if not (isinstance(word, Float32Type) or legal):
                parser.raise_error(f"a word is i8, i16, i32, i64 or f32, not {word}")
            assert isa(word, IntegerType | Float32Type)
            return Layout(tuple(terms), word, msb)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))

    def get_affine_map(self) -> AffineMap:
        raise NotImplementedError("a packed word is no affine function of an element's index")


def _parse_term(parser: AttrParser) -> Term:
    name = parser.parse_identifier("a stored axis")
    text = [name]
    while kind := parser.parse_optional_keyword("by") or parser.parse_optional_keyword("in"):
        text += [kind, str(parser.parse_integer(allow_boolean=False, allow_negative=False))]
    try:
        return Term.parse(" ".join(text))
    except ValueError as error:
        parser.raise_error(str(error))


ShapedValue = TensorType[Any] | MemRefType[Any]


def layout_of(type: ShapedValue) -> Layout | None:
    """The layout of a tensor or memref type; None for plain row-major storage."""
    attr = type.encoding if isinstance(type, TensorType) else type.layout
    return attr.data if isinstance(attr, LayoutAttr) else None


def row_major(rank: int) -> tuple[Term, ...]:
    """The stored axes of a tensor without a layout."""
    return tuple(Term(axis) for axis in range(rank))


def plain(layout: Layout | None, element: Any) -> bool:
    """Whether a layout stores elements as no layout does: whole axes in order, the same words."""
    if layout is None:
        return True
    order = layout.terms == row_major(len(layout.terms))
    return order and not layout.encoded and storage_dtype(element, layout) == storage_dtype(element)


def with_layout(type: TensorType[Any], layout: Layout | None) -> TensorType[Any]:
    """The same tensor type stored in `layout`."""
    if layout is None:
        return TensorType(type.element_type, type.get_shape())
    return TensorType(type.element_type, type.get_shape(), LayoutAttr(layout))


def storage_dtype(element: Attribute, layout: Layout | None = None) -> np.dtype[Any]:
    """NumPy type of one stored word of an element type."""
    match element:
        case CodeType() if layout is None:
            return element.storage
        case CodeType():
            assert layout is not None
            signed = element.minimum < 0 and not layout.encoded
            return np.dtype(f"{'i' if signed else 'u'}{layout.word_width // 8}")
        case IntegerType() if element.width.data in WORD_WIDTHS:
            width = layout.word_width if layout else element.width.data
            return np.dtype(f"i{width // 8}")
        case IndexType():
            return np.dtype(np.int64)
        case Float32Type():
            return np.dtype(np.float32)
        case _:
            raise ValueError(f"no storage for elements of type {element}")


def storage_of(type: ShapedValue) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and NumPy type of the array that stores a tensor or memref."""
    layout, shape, element = layout_of(type), type.get_shape(), type.element_type
    dtype = storage_dtype(element, layout)
    return (layout.storage_shape(shape, element) if layout else tuple(shape)), dtype


def storage_bytes(type: ShapedValue) -> int:
    """Bytes that a tensor or memref occupies."""
    shape, dtype = storage_of(type)
    return prod(shape) * dtype.itemsize
