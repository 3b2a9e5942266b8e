"""Read `dense<...>` attributes: floats in hexadecimal by their bits, splats of many elements at once."""

from __future__ import annotations

from math import prod
from struct import error as StructError
from typing import Any

from xdsl.dialects.builtin import (
    AnyFloat,
    BytesAttr,
    ComplexType,
    DenseIntOrFPElementsAttr,
    TensorType,
)
from xdsl.parser import Parser

LARGEST = 2**28
"""Bytes that an attribute in text may stand for: as many as a model has."""

MOST_EQUAL = 2**26
"""Elements of a splat: few characters stand for them, of which xDSL's printer makes a list again."""


class Hexadecimal(int):
    """An element in hexadecimal: of a float it is the bits."""


class LiteralParser(Parser):
    """xDSL's parser, but that takes hexadecimal floats for integers, and lists the elements of a splat."""

    def parse_dense_int_or_fp_elements_attr(self, type: Any) -> DenseIntOrFPElementsAttr[Any]:
        self.parse_punctuation("<", " in dense attribute")
        start = self._current_token.span
        text = self.parse_optional_str_literal()
        numbers, shape = self._numbers() if text is None else ([], [])
        self.parse_punctuation(">", " in dense attribute")
        if type is None:
            self.parse_punctuation(":", " in dense attribute")
            type = self._parse_dense_literal_type()
        held, wanted = type.get_element_type(), list(type.get_shape())
        if isinstance(held, ComplexType):
            self.raise_error("elements are integers or floats, not complex", start)
        size = prod(wanted) * held.compile_time_size
        if size > LARGEST:
            self.raise_error(f"{type} takes {size} bytes: a constant has at most {LARGEST}", start)
        if text is None and not shape and prod(wanted) > MOST_EQUAL:
            self.raise_error(f"{type} repeats its element more than {MOST_EQUAL} times", start)
        if shape and shape != wanted:
            self.raise_error(f"elements of shape {shape} are no {type}", start)
        try:
            data = _pack(numbers, held) if text is None else _unhex(text)
        except (ValueError, OverflowError, StructError) as error:
            self.raise_error(f"not elements of {held}: {error}", start)
        if not shape and len(data) == held.compile_time_size:
            data *= prod(wanted)
        if len(data) != size:
            self.raise_error(f"{len(data)} bytes are no {type}, which takes {size}", start)
        return DenseIntOrFPElementsAttr(type, BytesAttr(data))

    def _numbers(self) -> tuple[list[int | float], list[int]]:
        """Elements in row-major order and their shape, which is [] for one without brackets."""
        if self._current_token.text == ">":
            return [], [0]
        rows = self.parse_optional_comma_separated_list(self.Delimiter.SQUARE, self._numbers)
        if rows is None:
            digits = self._current_token.text
            number = self.parse_number(allow_boolean=True)
            return [Hexadecimal(number) if digits[:2] == "0x" else number], []
        inner = rows[0][1] if rows else []
        if any(shape != inner for _, shape in rows):
            self.raise_error("the rows of a dense attribute differ in shape")
        return [number for row, _ in rows for number in row], [len(rows), *inner]


def _pack(numbers: list[int | float], held: Any) -> bytes:
    """Elements as they are stored; raises ValueError, OverflowError or StructError if they are none."""
    if isinstance(held, AnyFloat):
        size = held.compile_time_size
        return b"".join(
            n.to_bytes(size, "little") if isinstance(n, Hexadecimal) else held.pack((float(n),))
            for n in numbers
        )
    for number in numbers:
        if isinstance(number, float):
            raise ValueError(f"{number} is a float")
    return DenseIntOrFPElementsAttr.from_list(TensorType(held, [len(numbers)]), numbers).data.data


def _unhex(text: str) -> bytes:
    if text[:2] != "0x":
        raise ValueError('the bytes of elements are a string "0x..."')
    return bytes.fromhex(text[2:])
