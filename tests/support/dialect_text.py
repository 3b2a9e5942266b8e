"""Text of the dialect: a context, parsing with verification, the programs of a filecheck file."""

from __future__ import annotations

from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.parser import Parser

from lowbit_dialect.dialect import Lowbit

FOLDER = Path(__file__).parents[1] / "filecheck" / "dialect"


def context() -> Context:
    """A context with the dialects of these tests."""
    result = Context()
    for dialect in (Builtin, Func, Lowbit):
        result.load_dialect(dialect)
    return result


def parse(text: str) -> ModuleOp:
    """Parse and verify a module."""
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def programs(name: str) -> list[str]:
    """The programs of a file, between its `// -----` lines."""
    return [part for part in (FOLDER / name).read_text().split("// -----\n") if "func.func" in part]
