"""What functions say of themselves on the way down, from `lowbit-pack` to the last stage.

    builtin.module attributes {lowbit.target = "x86-64-v3"} {
      func.func @main_pack(%w {lowbit.name = "w"}, %packed {lowbit.name = "w1", lowbit.out = tensor<...>})
          attributes {lowbit.packing = "5d41..."}
      func.func @main_task0(%args, %begin, %end) attributes {lowbit.extent = 56}
      func.func @main(%x {lowbit.name = "x"}, %w1 {lowbit.name = "w1", lowbit.packed = 0},
                      %y {lowbit.name = "y", lowbit.out = tensor<...>}, %arena {lowbit.arena = 4096})
          attributes {lowbit.inputs = [{name = "x", type = tensor<...>}, {constant, name = "w", ...}],
                      lowbit.schedules = [{op = "conv2d %y", schedule = #lowbit.schedule<...>}]}

The pass that decides a fact writes it; later ones keep it. So the last module tells all that there is to
know about calling it, and so does any other on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
    UnitAttr,
    i32,
    i64,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.attributes import (
    ARENA,
    CONSTANT,
    EXTENT,
    INPUTS,
    OUT,
    PACKED,
    PACKING,
    SCHEDULES,
)
from lowbit_dialect.layout import ShapedValue, layout_of, storage_bytes
from lowbit_dialect.names import (
    NAME,
    argument_names,
    name_attribute,
    result_names,
    text_of,
    title,
)
from lowbit_dialect.ops.common import check_layout
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr

AnyFuncOp = FuncOp | llvm.FuncOp
Role = Literal["in", "packed", "out", "arena"]
"""What a generated function takes an argument for; `packed` is a result of packing."""
_OF_INPUT = {"name", "type", "constant"}


@dataclass(frozen=True)
class Input:
    """An input of the program, as its user sees it."""

    name: str
    type: ShapedValue
    """Decoded elements; a layout that the program itself asks for is kept."""
    constant: bool
    """Whether it is packed ahead."""


def functions_of(module: ModuleOp) -> dict[str, AnyFuncOp]:
    """The functions of a module by name, at any stage."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, AnyFuncOp)}


def main_of(module: ModuleOp) -> AnyFuncOp | None:
    """The function of a module to call, once `lowbit-pack` has noted how."""
    functions = functions_of(module).values()
    return next((func for func in functions if INPUTS in func.attributes), None)


def argument_attributes(func: AnyFuncOp) -> Sequence[Mapping[str, Attribute]]:
    """The attributes of each argument."""
    given = func.arg_attrs or [DictionaryAttr({}) for _ in argument_types(func)]
    return [one.data for one in given]


def state_names(func: FuncOp) -> None:
    """Give arguments and results the names that they go by, which their values lose on the way."""
    for key, names in (("arg_attrs", argument_names(func)), ("res_attrs", result_names(func))):
        given = cast(ArrayAttr[DictionaryAttr] | None, func.properties.get(key))
        entries = given or [DictionaryAttr({}) for _ in names]
        named = ({**one.data, NAME: name_attribute(name)} for one, name in zip(entries, names))
        func.properties[key] = ArrayAttr(map(DictionaryAttr, named))


def state_interface(func: FuncOp) -> None:
    """Note what a function takes and by which schedules it runs, before packing takes some of it away."""
    state_names(func)
    if all(isinstance(type, TensorType) for type in argument_types(func)):
        func.attributes[INPUTS] = _inputs(func)
        func.attributes[SCHEDULES] = _schedules(func)


def _inputs(func: FuncOp) -> ArrayAttr[DictionaryAttr]:
    inputs: list[DictionaryAttr] = []
    for value, name, marks in zip(
        func.body.block.args, argument_names(func), argument_attributes(func)
    ):
        entry = {"name": name_attribute(name), "type": value.type}
        if CONSTANT in marks:
            entry["constant"] = UnitAttr()
        inputs.append(DictionaryAttr(entry))
    return ArrayAttr(inputs)


def _schedules(func: FuncOp) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr(
        DictionaryAttr({"op": name_attribute(title(op)), "schedule": op.schedule})
        for op in func.walk()
        if isinstance(op, LinearOp) and op.schedule is not None
    )


def stated_inputs(func: AnyFuncOp) -> tuple[Input, ...]:
    """What a function takes, before any of it was packed; raises VerifyException."""
    inputs: list[Input] = []
    for entry in _entries(func, INPUTS):
        name, type = text_of(entry.get("name")), _tensor(entry.get("type"))
        if not name or type is None or not entry.keys() <= _OF_INPUT:
            raise VerifyException(f"'{INPUTS}' is not written {{name = \"x\", type = tensor<...>}}")
        inputs.append(Input(name, type, "constant" in entry))
    if len({one.name for one in inputs}) != len(inputs):
        raise VerifyException(f"'{INPUTS}' has a name twice")
    return tuple(inputs)


def stated_schedules(func: AnyFuncOp) -> tuple[tuple[str, Schedule], ...]:
    """The schedule of each op of a function, by title; raises VerifyException."""
    schedules: list[tuple[str, Schedule]] = []
    for entry in _entries(func, SCHEDULES):
        name, schedule = text_of(entry.get("op")), entry.get("schedule")
        if name is None or not isinstance(schedule, ScheduleAttr) or len(entry) != 2:
            raise VerifyException(f"'{SCHEDULES}' is not written {{op = \"...\", schedule = ...}}")
        schedules.append((name, schedule.data))
    return tuple(schedules)


def role_of(marks: Mapping[str, Attribute]) -> Role | None:
    """What an argument is for; None for one that is not the program's, but of those who added it."""
    if ARENA in marks:
        return "arena"
    if OUT in marks:
        return "out"
    if not text_of(marks.get(NAME)):
        return None
    return "packed" if PACKED in marks else "in"


def whole(marks: Mapping[str, Attribute], name: str) -> int:
    """The number that an attribute holds; raises VerifyException."""
    value = marks.get(name)
    if not isinstance(value, IntegerAttr) or value.value.data < 0:
        raise VerifyException(f"has a '{name}' that is no whole number: give 4 : i64")
    return value.value.data


def check_interface(func: AnyFuncOp) -> None:
    """Raise VerifyException unless what a function says of itself is well formed, and fits its arguments."""
    stated_inputs(func)
    stated_schedules(func)
    if not isinstance(func.attributes.get(PACKING, StringAttr("")), StringAttr):
        raise VerifyException(f"has a '{PACKING}' that is no text")
    if EXTENT in func.attributes:
        whole(func.attributes, EXTENT)
        if not is_task(func):
            raise VerifyException(f"has '{EXTENT}', but takes other arguments than a task does")
    for index, (type, marks) in enumerate(zip(argument_types(func), argument_attributes(func))):
        try:
            _check_marks(type, marks)
        except VerifyException as error:
            raise VerifyException(f"argument {index} {error}") from error
    roles = map(role_of, argument_attributes(func))
    places = [("in", "out", "arena").index("in" if r == "packed" else r) for r in roles if r]
    if places != sorted(places):
        raise VerifyException("takes inputs, places of results and an arena in another order")


def is_task(func: AnyFuncOp) -> bool:
    """Whether a function takes what a task does: pointers, and the units to do of its axis."""
    match argument_types(func):
        case (llvm.LLVMPointerType(), begin, end):
            return begin == end and begin in (IndexType(), i32, i64)
        case _:
            return False


def argument_types(func: AnyFuncOp) -> tuple[Attribute, ...]:
    """The types of the arguments of a function, which may be only declared."""
    return tuple(func.function_type.inputs)


def results_of(func: AnyFuncOp) -> list[tuple[str, ShapedValue]]:
    """Name and type of each result that a function returns as a tensor, not yet through an argument."""
    if not isinstance(func, FuncOp) or not func.body.blocks:
        return []
    return list(
        zip(result_names(func), cast(Sequence[ShapedValue], func.function_type.outputs.data))
    )


def stores(type: Attribute, tensor: ShapedValue) -> bool:
    """Whether a type stores what a tensor does."""
    if not isinstance(type, TensorType | MemRefType):
        return False
    return _stored(cast(ShapedValue, type)) == _stored(tensor)


def _check_marks(type: Attribute, marks: Mapping[str, Attribute]) -> None:
    if PACKED in marks:
        whole(marks, PACKED)
    if ARENA in marks:
        size = whole(marks, ARENA)
        if isinstance(type, MemRefType) and size != storage_bytes(cast(ShapedValue, type)):
            raise VerifyException(f"is {type}, which is not the {size} bytes of its '{ARENA}'")
    if OUT in marks:
        stored = _tensor(marks[OUT])
        if stored is None:
            raise VerifyException(f"has an '{OUT}' that is no tensor type")
        if isinstance(type, MemRefType) and not stores(cast(Attribute, type), stored):
            raise VerifyException(f"is {type}, which stores no {stored}")


def _stored(type: ShapedValue) -> tuple[object, ...]:
    return type.element_type, type.get_shape(), layout_of(type)


def _tensor(attribute: Attribute | None) -> ShapedValue | None:
    """The tensor type that an attribute is; raises VerifyException if its layout is wrong."""
    if not isinstance(attribute, TensorType):
        return None
    type = cast(ShapedValue, attribute)
    check_layout(type)
    return type


def _entries(func: AnyFuncOp, name: str) -> Iterator[Mapping[str, Attribute]]:
    held = func.attributes.get(name, ArrayAttr(()))
    if not isinstance(held, ArrayAttr):
        raise VerifyException(f"has a '{name}' that is no list")
    for entry in cast(ArrayAttr[Attribute], held):
        if not isinstance(entry, DictionaryAttr):
            raise VerifyException(f"has a '{name}' with an entry that is no dictionary")
        yield entry.data
