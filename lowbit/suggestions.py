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


def explained(error: ParseError, context: Context) -> ParseError:
    """The error with what may be meant by a name that there is not, at that name."""
    unknown = _UNKNOWN.match(error.msg)
    if unknown is None:
        code = error.span.text.removeprefix("x")  # of 4xuint2
        hint = f"; did you mean {parse_code(code)}?" if code in CODE_SPELLINGS else ""
        return ParseError(error.span, error.msg.rstrip(".") + hint)
    ops, attributes = _names(context)
    name, known = unknown["op"], ops
    if name is None:
        name, known = unknown["attribute"], attributes
    hint = did_you_mean(name, known) or did_you_mean(f"func.{name}", known)
    source = cast("Input[str]", error.span.input)
    start = source.content.rfind(name, 0, error.span.end)
    return ParseError(Span(start, start + len(name), source), f"there is no '{name}'{hint}")


def _names(context: Context) -> tuple[list[str], list[str]]:
    """Ops, and types and attributes as they are written, of the dialects that programs are in."""
    dialects = [context.get_optional_dialect(name) for name in ("func", "lowbit")]
    ops = [op.name for dialect in dialects if dialect for op in dialect.operations]
    kinds = [kind for dialect in dialects if dialect for kind in dialect.attributes]
    attributes = [
        ("!" if issubclass(kind, TypeAttribute) else "#")
        + kind.name
        + ("" if kind is TernaryType else "<...>")
        for kind in kinds
    ]
    return ops, attributes
