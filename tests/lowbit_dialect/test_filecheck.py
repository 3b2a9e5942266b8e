"""The files of `tests/filecheck/dialect`, run in this process."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from dialect_text import context, parse, programs
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser as CheckParser
from filecheck.parser import pattern_for_opts
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.utils.exceptions import ParseError, VerifyException


def chunks(name: str) -> list[object]:
    """The programs of a file, each a test named by its first function."""
    found = [(re.search(r"func\.func @(\w+)", part), part) for part in programs(name)]
    return [pytest.param(part, id=match[1]) for match, part in found if match]


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
    error = caught.value
    assert (error.msg if isinstance(error, ParseError) else str(error)) == expected[1]
