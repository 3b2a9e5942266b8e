"""What every function of a program has, verified where the program comes in."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import VerifyException

from lowbit.errors import place_of
from lowbit_dialect.attributes import OF_FUNCTIONS, WRITTEN, check_function
from lowbit_dialect.names import check_names
from lowbit_dialect.ops.common import check_layout, expect

LONGEST = 200
"""Characters of a function's name, of which symbols and files are made."""
_BEFORE = "say after which stage the program is, or give it as it was before"


def verify_functions(module: ModuleOp) -> FuncOp:
    """Verify the functions of a module and return the first, the one that runs.

    Raises ValueError naming the function, its argument and its line.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if not functions:
        raise ValueError("the program has no function: expected func.func @NAME(...) {...}")
    for func in functions:
        try:
            _verify_function(func)
        except VerifyException as error:
            raise ValueError(f"{place_of(func)} @{func.sym_name.data}: {error}") from error
    first = functions[0]
    if first.sym_visibility == StringAttr("private"):
        raise ValueError(
            f"{place_of(first)} @{first.sym_name.data}: is private, but the first function is the one "
            "to call: leave out `private`"
        )
    return first


def _verify_function(func: FuncOp) -> None:
    blocks = len(func.body.blocks)
    expect(blocks > 0, "is declared without a body: give it one, or leave it out")
    expect(blocks == 1, f"has {blocks} blocks: expected one, which ends in func.return")
    name = func.sym_name.data
    symbol = 0 < len(name) <= LONGEST and name.isprintable() and not name.startswith("llvm.")
    expect(
        symbol,
        f"a function is called by 1 to {LONGEST} printable characters, and not llvm.something",
    )
    check_function(func)
    check_names(func)
    for mark in func.attributes:
        written = f"has '{mark}', which a pass writes: {_BEFORE}"
        expect(mark not in OF_FUNCTIONS, written)
    attributes = func.arg_attrs.data if func.arg_attrs else ()
    for index, argument in enumerate(func.body.block.args):
        name = f"argument %{argument.name_hint or index}"
        for mark in attributes[index].data if attributes else ():
            written = f"{name} has '{mark}', which a pass writes: {_BEFORE}"
            expect(mark not in WRITTEN, written)
            abi = f"{name} has '{mark}', which could change how @{func.sym_name.data} is called"
            expect(not mark.startswith("llvm."), f"{abi}: remove it")
        type = argument.type
        expect(isinstance(type, TensorType), f"{name} is {type}: expected a tensor")
        try:
            check_layout(type)
        except VerifyException as error:
            raise VerifyException(f"{name}: {error}") from error
