"""How a compiled function is called: what it takes, in which order, and what is packed ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.ir import SSAValue

from lowbit.argument_checks import instance
from lowbit.element_types import typed
from lowbit.program import Program
from lowbit.shown import listed
from lowbit_dialect.attributes import ARENA, INPUTS, OUT, PACKED, PACKING
from lowbit_dialect.interface import (
    AnyFuncOp,
    Input,
    argument_attributes,
    functions_of,
    main_of,
    results_of,
    role_of,
    stated_inputs,
    whole,
)
from lowbit_dialect.layout import ShapedValue, storage_bytes
from lowbit_dialect.names import NAME, text_of


@dataclass(frozen=True)
class Parameter:
    """One pointer that the generated function takes."""

    name: str
    type: ShapedValue
    packed: int | None
    """Which result of packing it is; None for an input as it stands."""


@dataclass(frozen=True)
class Function:
    """The C interface of one generated function: parameters, results, then scratch memory if any."""

    symbol: str
    parameters: tuple[Parameter, ...]
    results: tuple[ShapedValue, ...]
    result_names: tuple[str, ...]
    arena: int
    """Bytes of scratch memory; 0 if the function takes none."""

    @property
    def pointers(self) -> int:
        """How many pointers it takes."""
        return len(self.parameters) + len(self.results) + bool(self.arena)


@dataclass(frozen=True, repr=False)
class Signature:
    """Everything about calling a kernel."""

    inputs: tuple[Input, ...]
    main: Function
    pack: Function | None
    """The function that packs constant inputs; None if nothing is packed."""
    packing: str
    """A sum of its text: the types of what it returns are not all, corrections depend on padding too."""

    @property
    def constants(self) -> tuple[Input, ...]:
        """The inputs that are packed ahead."""
        return tuple(one for one in self.inputs if one.constant)

    def __str__(self) -> str:
        inputs = [
            f"{one.name}: {typed(one.type)}{' packed ahead' * one.constant}" for one in self.inputs
        ]
        results = zip(self.main.result_names, self.main.results)
        outputs = [f"{name}: {typed(type)}" for name, type in results]
        return f"{self.main.symbol}({listed(inputs)}) -> ({listed(outputs)})"

    def __repr__(self) -> str:
        return f"<Signature {self}>"

    def in_words(self) -> list[tuple[str, str]]:
        """What a table about a kernel says of its inputs, outputs and memory."""
        return [
            *(
                (f"input {one.name}", typed(one.type) + " packed ahead" * one.constant)
                for one in self.inputs
            ),
            *(
                (f"output {name}", typed(type))
                for name, type in zip(self.main.result_names, self.main.results)
            ),
            (
                "memory",
                f"{self.main.arena} bytes to work in, {self.packed_bytes} bytes packed ahead",
            ),
        ]

    def verify(self) -> None:
        """Raise ValueError unless the functions take what the inputs and packing give."""
        given = {(one.name, one.type) for one in self.inputs}
        packed = self.pack.results if self.pack else ()
        for function in filter(None, (self.main, self.pack)):
            for one in function.parameters:
                index = one.packed
                known = (one.name, one.type) in given if index is None else function is self.main
                if not known or (index is not None and packed[index : index + 1] != (one.type,)):
                    raise ValueError(f"nothing gives parameter '{one.name:.40}' of a function")
            if function.arena < 0 or len(function.results) != len(function.result_names):
                raise ValueError("a function has no names for its results, or less than no memory")

    @property
    def packed_bytes(self) -> int:
        """Bytes of everything that packing computes."""
        return sum(storage_bytes(type) for type in self.pack.results) if self.pack else 0


def inputs_of(program: Program) -> tuple[Input, ...]:
    """The inputs of a program, whatever its stage."""
    from lowbit.lowered import Lowered

    if isinstance(program, Lowered):
        return program.inputs
    constant = instance("program", program, Program).constant_names
    return tuple(
        Input(name, shaped(value), name in constant)
        for name, value in zip(program.argument_names, program.arguments)
    )


def shaped(value: SSAValue) -> ShapedValue:
    """The tensor type of an argument or result; raises ValueError for anything else."""
    if not isinstance(value.type, TensorType):
        raise ValueError(f"inputs and outputs of a program are tensors, not {value.type}")
    return cast(TensorType[Any], value.type)


def signature_of(module: ModuleOp) -> Signature:
    """What the functions of a module say of themselves after stage `plan` or later; raises ValueError."""
    functions, main = functions_of(module), main_of(module)
    if main is None:
        raise ValueError(f"no function has '{INPUTS}', which lowbit-pack writes: run that first")
    inputs = stated_inputs(main)
    given: dict[str | int, ShapedValue] = {one.name: one.type for one in inputs}
    packing, pack, told = functions.get(f"{main.sym_name.data}_pack"), None, ""
    if packing is not None and isinstance(mark := packing.attributes.get(PACKING), StringAttr):
        pack, told = _function(packing, given), mark.data
        given |= dict(enumerate(pack.results))
    signature = Signature(inputs, _function(main, given), pack, told)
    signature.verify()
    return signature


def _function(func: AnyFuncOp, given: Mapping[str | int, ShapedValue]) -> Function:
    """The interface of a function that takes inputs by name, and results of packing by number."""
    parameters: list[Parameter] = []
    results = results_of(func)
    arena, symbol = 0, func.sym_name.data
    for marks in argument_attributes(func):
        name, role = text_of(marks.get(NAME)) or "", role_of(marks)
        if role == "arena":
            arena = whole(marks, ARENA)
        elif role == "out":
            results.append((name, cast(ShapedValue, marks[OUT])))
        elif role is not None:
            index = whole(marks, PACKED) if role == "packed" else None
            type = given.get(name if index is None else index)
            if type is None:
                raise ValueError(f"nothing gives parameter '{name:.40}' of @{symbol}")
            parameters.append(Parameter(name, type, index))
    names, types = zip(*results) if results else ((), ())
    return Function(symbol, tuple(parameters), types, names, arena)
