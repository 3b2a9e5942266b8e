"""Read programs from text, with every op knowing its line, and verify them."""

from __future__ import annotations

import re
from struct import error as StructError
from typing import cast

from xdsl.context import Context
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, LocationAttr, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.lexer import Input, Span

from lowbit.errors import place_of
from lowbit.literals import LiteralParser
from lowbit.suggestions import explained
from lowbit_dialect.attributes import check_function
from lowbit_dialect.interface import AnyFuncOp, check_interface
from lowbit_dialect.ranges import admit
from lowbit_dialect.verification import verify_module

# Groups that never give back what they matched: linear in the length of the text.
_TRAPS = re.compile(
    r'//[^\n]*+|"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"|(?P<open>")'
    r"|(?:(?<![\w%@#!^$.-])|(?<=[\d?]x))[su]?i(?P<bits>\d{6,})"
)


_RESULTS = re.compile(r"%[^=\n]*+=\s*+")


class SourceParser(LiteralParser):
    """A parser that notes on each op where it stands."""

    def __init__(self, context: Context, source: str | bytes, name: str, offset: int = 0):
        """`offset` lines stand before the source.

        Raises ParseError for a string that does not end, and ValueError for bytes that are no text.
        """
        if isinstance(source, bytes):
            try:
                source = source.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{name}: byte {error.start} is not UTF-8 text") from error
        # xDSL's parser takes time exponential in the length of a string that does not end, and counts
        # to 2^n for a type of n bits.
        for match in _TRAPS.finditer(source):
            span = Span(match.start(), match.end(), Input(source, name))
            if match["open"]:
                raise ParseError(span, "a string literal starts here and does not end on its line")
            if match["bits"]:
                raise ParseError(span, f"no integer has {match['bits']} bits")
        super().__init__(context, source, name)
        self.offset = offset

    def parse_operation(self) -> Operation:
        start = self._current_token.span
        named = _RESULTS.match(start.input.content, start.start)
        where = Span(named.end() if named else start.start, start.end, start.input).get_location()
        op = super().parse_operation()
        if isinstance(op, AnyFuncOp):
            try:
                check_function(op)
                check_interface(op)
            except VerifyException as error:
                self.raise_error(str(error), start)
        if not isinstance(op.location, FileLineColLoc):
            line, column = IntAttr(where.line + self.offset), IntAttr(where.col)
            place = FileLineColLoc(StringAttr(where.file), line, column)
            op.location = cast(LocationAttr, place)
        return op

    def parse_module(self, allow_implicit_module: bool = True) -> ModuleOp:
        """Parse the whole input; what an attribute or type refuses is an error at its line."""
        try:
            module = super().parse_module(allow_implicit_module)
        except ParseError as error:
            raise explained(error, self.ctx) from error
        except KeyError as error:  # all that xDSL says of a label that stands twice
            self.raise_error(f"block ^{error.args[0]} is declared twice")
        except (
            ArithmeticError,
            NotImplementedError,
            StructError,
            ValueError,
            VerifyException,
        ) as error:
            self.raise_error(str(error) or type(error).__name__)
        state_ranges(module)
        return module


def state_ranges(module: ModuleOp) -> None:
    """State the range of each op that needs it to be valid, from its weights."""
    for op in module.walk():
        admit(op)


def parse_source(source: str | bytes, name: str, context: Context) -> ModuleOp:
    """Parse a module; raises ParseError with the line, or ValueError for bytes that are no text."""
    return SourceParser(context, source, name).parse_module()


def verify(module: ModuleOp) -> None:
    """Verify a module; raises ValueError that names the op, its line and what is wrong."""
    try:
        verify_module(module)
    except VerifyException as error:
        culprit = find_culprit(module)
        where = f"{place_of(culprit)}: " if culprit is not None else ""
        raise ValueError(f"{where}{error}") from error


def find_culprit(module: ModuleOp) -> Operation | None:
    """The first op that does not verify on its own."""
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException:
            return op
    return None
