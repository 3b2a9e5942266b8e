"""Which attributes ops, functions, arguments and results may have: a misspelt one would do nothing.

Attributes with the prefix of another dialect (`tool.note`) are that dialect's: they are kept, and mean
nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.llvm import FuncOp as LLVMFuncOp
from xdsl.irdl import IRDLOperation
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.names import NAME
from lowbit_dialect.spelling import did_you_mean

TARGET = "lowbit.target"
"""Of a module: what it was packed for."""

INPUTS = "lowbit.inputs"
"""Of a function to call: what it takes, before any of it was packed ahead."""
SCHEDULES = "lowbit.schedules"
"""Of a function to call: the schedule of each op that has one."""
PACKING = "lowbit.packing"
"""Of a function that packs for another: a sum of its text."""
EXTENT = "lowbit.extent"
"""Of a task: how many units its axis has."""

CONSTANT = "lowbit.constant"
"""Of an argument: it is packed ahead."""
PACKED = "lowbit.packed"
"""Of an argument: which result of packing it is."""
OUT = "lowbit.out"
"""Of an argument: which tensor, a result, is written there."""
ARENA = "lowbit.arena"
"""Of an argument: how many bytes there are to work in."""

OF_FUNCTIONS = (INPUTS, SCHEDULES, PACKING, EXTENT)
WRITTEN = (PACKED, OUT, ARENA)
"""Of arguments, and by passes alone, as are all those of functions."""
OF_ARGUMENTS = (CONSTANT, NAME, *WRITTEN)
OF_RESULTS = (NAME,)


def check_op(op: IRDLOperation) -> None:
    """Raise VerifyException naming an attribute that an op of ours does not have."""
    definition = op.get_irdl_definition()
    check((*op.properties, *op.attributes), (*definition.properties, *definition.attributes, NAME))


def check_function(func: FuncOp | LLVMFuncOp) -> None:
    """Raise VerifyException naming an attribute of ours on a function, argument or result that is none."""
    check((name for name in func.attributes if "." in name), OF_FUNCTIONS, "the function ")
    for kind, entries, known in (
        ("argument", func.arg_attrs, OF_ARGUMENTS),
        ("result", func.res_attrs, OF_RESULTS),
    ):
        for index, names in enumerate(_entries(entries)):
            check(names.data, known, f"{kind} {index} ")


def check(names: Iterable[str], known: Sequence[str], owner: str = "") -> None:
    """Raise VerifyException for a name that is neither known nor another dialect's."""
    for name in names:
        foreign = "." in name and not name.startswith("lowbit.")
        if name not in known and not foreign:
            raise VerifyException(f"{owner}has no attribute '{name}'{did_you_mean(name, known)}")


def _entries(attrs: ArrayAttr[DictionaryAttr] | None) -> Iterable[DictionaryAttr]:
    return () if attrs is None else attrs
