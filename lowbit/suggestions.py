"""What a program meant by an op or a type that there is not."""

from __future__ import annotations

import re
from typing import cast

from xdsl.context import Context
from xdsl.ir import TypeAttribute
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Input, Span

from lowbit_dialect.codes import CODE_SPELLINGS, TernaryType, parse_code
from lowbit_dialect.spelling import did_you_mean

_UNKNOWN = re.compile(r"(?:Operation (?P<op>\S+)|'(?P<attribute>\S+)') is not registered")


_TYPES = ("tensor", "memref", "vector", "index", "i8", "i16", "i32", "i64", "f32")


def explained(error: ParseError, context: Context) -> ParseError:
    """The error with what may be meant by a name that there is not, at that name."""
    if error.msg.startswith("Could not parse entire input"):
        return ParseError(error.span, _no_op(error.span.text))
    unknown = _UNKNOWN.match(error.msg)
    if unknown is None:
        return ParseError(error.span, error.msg.rstrip(".") + _type_meant(error))
    name = unknown["op"] or unknown["attribute"]
    ops, attributes = _names(context, name)
    known = ops if unknown["op"] else attributes
    hint = did_you_mean(name, known) or did_you_mean(f"func.{name}", known)
    source = cast("Input[str]", error.span.input)
    start = source.content.rfind(name, 0, error.span.end)
    span = Span(start, start + len(name), source) if start >= 0 else error.span
    return ParseError(span, f"there is no '{name}'{hint}")


def _no_op(word: str) -> str:
    """What to say where an op should begin, or the input ends before any."""
    if not word:
        return "the program is empty: expected func.func @NAME(...) {...}"
    return f"expected an op or the end, not '{word}'"


def _type_meant(error: ParseError) -> str:
    """A guess at a word that stands where a type should."""
    word = error.span.text.removeprefix("x")  # of 4xuint2
    if word in CODE_SPELLINGS:
        return f"; did you mean {parse_code(word)}?"
    return did_you_mean(word, _TYPES) if "type" in error.msg and word.isidentifier() else ""


def _names(context: Context, name: str) -> tuple[list[str], list[str]]:
    """Ops, and types and attributes as they are written, of the dialects that `name` may be of."""
    sources = dict.fromkeys(("func", "lowbit", name.partition(".")[0]))
    dialects = [found for one in sources if (found := context.get_optional_dialect(one))]
    ops = [op.name for dialect in dialects for op in dialect.operations]
    attributes = [
        ("!" if issubclass(kind, TypeAttribute) else "#")
        + kind.name
        + ("" if kind is TernaryType else "<...>")
        for dialect in dialects
        for kind in dialect.attributes
    ]
    return ops, attributes
