"""The files of `tests/filecheck/dialect`, run in this process."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser as CheckParser
from filecheck.parser import pattern_for_opts
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.parser import Parser
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.utils.exceptions import ParseError, VerifyException

from lowbit_dialect.dialect import Lowbit

FOLDER = Path(__file__).parents[1] / "filecheck" / "dialect"


def context() -> Context:
    result = Context()
    for dialect in (Builtin, Func, Lowbit):
        result.load_dialect(dialect)
    return result


def parse(text: str) -> ModuleOp:
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def chunks(name: str) -> list[object]:
    """The parts of a file between its `// -----` lines, each a test named by its function."""
    parts = (FOLDER / name).read_text().split("// -----\n")
    named = [(re.search(r"@(\w+)", part.split("func.func")[-1]), part) for part in parts]
    return [pytest.param(part, id=found[1]) for found, part in named if found]


def check(checks: str, output: str) -> None:
    options = Options("checks.mlir")
    parser = CheckParser(options, StringIO(checks), *pattern_for_opts(options))
    matcher = Matcher(options, FInput("output", output), parser)
    assert matcher.run() == 0, output


@pytest.mark.parametrize("text", chunks("ops.mlir"))
def test_ops(text: str):
    module = parse(text)
    printed = str(module)
    check(text, printed)
    again = parse(printed)
    assert again.is_structurally_equivalent(module)
    assert str(again) == printed


@pytest.mark.parametrize("text", chunks("canonicalize.mlir"))
def test_canonicalize(text: str):
    module = parse(text)
    CanonicalizePass().apply(context(), module)
    module.verify()
    check(text, str(module))


@pytest.mark.parametrize("text", chunks("invalid.mlir"))
def test_invalid(text: str):
    expected = re.search(r"// ERROR: (.*)", text)
    assert expected
    with pytest.raises((VerifyException, ParseError)) as caught:
        parse(text)
    message = re.sub(r"\s+", " ", str(caught.value))
    assert expected[1] in message
