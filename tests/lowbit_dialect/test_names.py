"""Names are data: any text, which neither printing nor other names change."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, Builtin, DictionaryAttr, IntAttr, ModuleOp, i32
from xdsl.dialects.func import Func, FuncOp, ReturnOp
from xdsl.ir import SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.names import (
    NAME,
    argument_names,
    check_names,
    identifier,
    name_attribute,
    result_names,
)


def function(names: Sequence[str | None], hints: Sequence[str] = ()) -> FuncOp:
    """A function that returns its arguments, which have the names that are not None."""
    func = FuncOp("f", ([i32] * len(names), [i32] * len(names)))
    for argument, hint in zip(func.body.block.args, hints):
        argument.name_hint = hint
    func.body.block.add_op(ReturnOp(*func.body.block.args))
    marks = [DictionaryAttr({} if n is None else {NAME: name_attribute(n)}) for n in names]
    if any(names):
        func.properties["arg_attrs"] = func.properties["res_attrs"] = ArrayAttr(marks)
    return func


def reread(func: FuncOp) -> FuncOp:
    context = Context()
    context.load_dialect(Builtin)
    context.load_dialect(Func)
    module = ModuleOp([func])
    again = Parser(context, str(module)).parse_module()
    assert module.is_structurally_equivalent(again)
    (parsed,) = again.ops
    assert isinstance(parsed, FuncOp)
    return parsed


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(derandomize=True, max_examples=50)
@given(st.lists(TEXT, unique=True, max_size=4))
@example(["x.1", "x_1", "x1", "7", "é", "数\n", '"\\', "\0", "%x = {"])
def test_any_names_survive_text(names: list[str]):
    func = reread(function(names, ["x"] * len(names)))
    check_names(func)
    assert argument_names(func) == result_names(func) == tuple(names)


def test_hints_give_way_to_names():
    func = function([None, "x", None, "x2"], ["x", "y", "x", "z"])
    assert argument_names(func) == ("x3", "x", "x4", "x2")
    assert argument_names(function([None, None])) == ("arg0", "arg1")
    assert result_names(function([None, "result0"])) == ("result02", "result0")


@settings(derandomize=True, max_examples=50)
@given(TEXT)
@example("7")
@example("_7")
@example("x_1_2")
def test_an_identifier_is_a_hint_that_text_keeps(name: str):
    hint = identifier(name)
    assert SSAValue.is_valid_name(hint)
    assert reread(function([None], [hint])).body.block.args[0].name_hint == hint


def test_what_is_no_name_is_refused():
    with pytest.raises(VerifyException, match=r"two arguments have the 'lowbit.name' 'x'"):
        check_names(function(["x", "x"]))
    with pytest.raises(VerifyException, match=r"argument 0 has a .lowbit\.name. that is not text"):
        check_names(function(["", "y"]))
    func = function(["x"])
    func.properties["arg_attrs"] = ArrayAttr([DictionaryAttr({NAME: IntAttr(1)})])
    with pytest.raises(VerifyException, match="that is not text"):
        check_names(func)
