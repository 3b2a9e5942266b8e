"""Attributes of arguments, of which stages write some: each is checked before it is believed."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp, i8
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.hints import isa

from lowbit.errors import place_of

PACKED = "lowbit.packed"
ARENA = "lowbit.arena"
OUT = "lowbit.out"


def check_marks(module: ModuleOp) -> None:
    """Raise ValueError naming a function and an argument of it that is not what an attribute says."""
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
    for name, func in functions.items():
        for index, (type, marks) in enumerate(_arguments(func)):
            for mark, value in marks.items():
                wrong = _wrong(mark, value, type, functions, f"{name}_pack")
                if wrong:
                    raise ValueError(f"{place_of(func)}: {_argument(func, index)}: {wrong}")


def _wrong(
    mark: str, value: Attribute, type: Attribute, functions: dict[str, FuncOp], packer: str
) -> str | None:
    """What is wrong with a mark of an argument; None if nothing is."""
    if mark.startswith("llvm."):
        return f"'{mark}' could change how the generated function is called: remove it"
    if mark == ARENA and not _is_bytes(type):
        return f"'{mark}' marks scratch memory, a memref of i8 of one axis, not {type}"
    if mark == OUT and not isa(type, MemRefType[Attribute]):
        return f"'{mark}' marks a memref that a result is written to, not {type}"
    if mark == PACKED and not _is_result(value, type, functions.get(packer)):
        return f"'{mark} = {value}' is written by lowbit-pack, but @{packer} has no such result"
    return None


def _is_bytes(type: Attribute) -> bool:
    if not isa(type, MemRefType[Attribute]) or not type.has_static_shape():
        return False
    return type.get_num_dims() == 1 and type == MemRefType(i8, type.get_shape())


def _is_result(value: Attribute, type: Attribute, pack: FuncOp | None) -> bool:
    """Whether `value` is the number of a result of `pack` that has this type."""
    if pack is None or not isinstance(value, IntegerAttr):
        return False
    # On memrefs results are arguments.
    written = [type for type, marks in _arguments(pack) if OUT in marks]
    results = [*pack.function_type.outputs, *written]
    return value.value.data in range(len(results)) and results[value.value.data] == type


def _arguments(func: FuncOp) -> list[tuple[Attribute, dict[str, Attribute]]]:
    """Type and attributes of each argument."""
    marks = [dict(one.data) for one in func.arg_attrs or ()]
    return list(zip(func.function_type.inputs, marks))


def _argument(func: FuncOp, index: int) -> str:
    """An argument in words."""
    hint = None if func.is_declaration else func.body.block.args[index].name_hint
    return f"argument {f'%{hint}' if hint else index} of @{func.sym_name.data}"
