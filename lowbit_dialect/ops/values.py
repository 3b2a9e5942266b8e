"""The values of a constant in memory and in text: the same bits come back, and a splat costs nothing."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import AnyFloat, BytesAttr, DenseIntOrFPElementsAttr
from xdsl.irdl import IRDLOperation
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer

Dense = DenseIntOrFPElementsAttr[Any]

_LISTED = 100
"""Elements that are printed one by one, at most."""
_HEXADECIMAL = re.compile(r"[<\[ ]0x")
"""Elements in hexadecimal, unlike the bytes of all, which are a string."""


class Digests(Printer):
    """Prints digests of many bytes in their place: texts that differ where programs do, and are short."""


def compact(value: Dense) -> Dense:
    """`value` holding one element if all have the same bits."""
    size, data = value.get_element_type().compile_time_size, value.data.data
    held = np.frombuffer(data, np.uint8)
    if len(data) <= size or (held[size:] != held[:-size]).any():
        return value
    return DenseIntOrFPElementsAttr(value.type, BytesAttr(data[:size]))


def _many(value: Dense) -> bool:
    """Whether different elements are too many for a list; xDSL prints their bytes, too, 8 times as slowly."""
    size = value.get_element_type().compile_time_size
    return len(value.data.data) > _LISTED * size and compact(value) is value


def reads_back(value: Dense) -> bool:
    """Whether xDSL's parser reads what its printer writes as the same bits.

    It takes hexadecimal elements for integers, though infinite, NaN and long whole floats are printed so,
    and all of several zeros, some negative, are printed as the first.
    """
    if not isinstance(value.get_element_type(), AnyFloat):
        return True
    mixed = value.is_splat() and compact(value) is value and len(value) > 1
    return not mixed and _HEXADECIMAL.search(str(value)) is None


@irdl_custom_directive
class Values(CustomDirective):
    """`dense<...> : tensor<...>`, with the bytes of all elements where others might be read back wrong."""

    value: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        value = parser.parse_attribute()
        if isinstance(value, DenseIntOrFPElementsAttr):
            value = compact(cast(Dense, value))
        self.value.set(state, value)

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        value = cast(Dense, self.value.get(op))
        if not _many(value) and reads_back(value):
            printer.print_attribute(value)
            return
        data = value.data.data
        shown = sha256(data).hexdigest() if isinstance(printer, Digests) else data.hex().upper()
        printer.print_string(f'dense<"0x{shown}"> : ')
        printer.print_attribute(value.type)
