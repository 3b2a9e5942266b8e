"""Names that a user gave, as data: `lowbit.name` on arguments, results and ops.

    func.func @main(%x1: tensor<1x4xf32> {lowbit.name = "x.1"}) -> (tensor<1x4xf32> {lowbit.name = "7"})
    %y = lowbit.clip %x1 {minimum = 0.0 : f32, lowbit.name = "/relu/Relu"} : tensor<1x4xf32> -> ...

An SSA name is a hint, which text and passes change; it stands in only where there is no such attribute.
On an op the name is that of the layer it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, BytesAttr, DictionaryAttr, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

NAME = "lowbit.name"


def identifier(name: str) -> str:
    """A hint like a name: `_symbolic_2` becomes `symbolic2`, `11.weight` `v11_weight`, `7` `v7`."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name[:40]).strip("_")
    # Text that is parsed loses numbers after underscores at the end.
    joined = re.sub(r"(_+\d+)+$", lambda numbers: numbers[0].replace("_", ""), plain)
    return joined if joined[:1].isalpha() else f"v{joined.lstrip('_')}"


def name_attribute(name: str) -> Attribute:
    """A name as an attribute; text that is not ASCII is parsed as bytes, so it is bytes from the start."""
    return StringAttr(name) if name.isascii() else BytesAttr(name.encode("utf-8", "replace"))


def text_of(attribute: Attribute | None) -> str | None:
    """The name that an attribute holds; None if there is none, or it holds no text."""
    match attribute:
        case StringAttr():
            return attribute.data
        case BytesAttr():
            return attribute.data.decode("utf-8", "replace")
        case _:
            return None


def layer_of(op: Operation) -> str | None:
    """The name of the layer that an op belongs to."""
    return text_of(op.attributes.get(NAME))


def title(op: Operation) -> str:
    """An op by kind, and by layer or result: `conv2d /conv1/Conv`, `conv2d %y`."""
    hint = op.results[0].name_hint if op.results else None
    name = layer_of(op) or (f"%{hint}" if hint else "")
    return f"{op.name.removeprefix('lowbit.')} {name}".rstrip()


def argument_names(func: FuncOp) -> tuple[str, ...]:
    """Name of each argument; no two are the same."""
    return _names(func.body.block.args, _entries(func.arg_attrs), "arg")


def result_names(func: FuncOp) -> tuple[str, ...]:
    """Name of each result; no two are the same."""
    last = func.body.block.last_op
    values = tuple(last.operands) if isinstance(last, ReturnOp) else ()
    return _names(values, _entries(func.res_attrs), "result")


def check_names(func: FuncOp) -> None:
    """Raise VerifyException unless the names of arguments, and those of results, are text and differ."""
    for kind, attrs in (("argument", func.arg_attrs), ("result", func.res_attrs)):
        seen: set[str] = set()
        for index, entry in enumerate(_entries(attrs)):
            if NAME not in entry:
                continue
            name = text_of(entry[NAME])
            if not name:
                raise VerifyException(f"{kind} {index} has a '{NAME}' that is not text: give \"x\"")
            if name in seen:
                raise VerifyException(f"two {kind}s have the '{NAME}' {name!r:.80}: give two names")
            seen.add(name)


def _entries(attrs: ArrayAttr[DictionaryAttr] | None) -> Sequence[Mapping[str, Attribute]]:
    return [entry.data for entry in attrs] if attrs is not None else ()


def _names(
    values: Sequence[SSAValue], entries: Sequence[Mapping[str, Attribute]], default: str
) -> tuple[str, ...]:
    given = [text_of(entry.get(NAME)) for entry in entries]
    given += [None] * (len(values) - len(given))
    taken = {name for name in given if name}
    names: list[str] = []
    for index, (value, name) in enumerate(zip(values, given)):
        base = value.name_hint or f"{default}{index}"
        count = 2
        candidate = name or base
        while not name and candidate in taken:
            candidate, count = f"{base}{count}", count + 1
        taken.add(candidate)
        names.append(candidate)
    return tuple(names)
