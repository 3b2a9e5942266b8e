"""How a compiled function is called: what it takes, in which order, and what is packed ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import SSAValue

from lowbit.argument_checks import instance
from lowbit.element_types import typed
from lowbit.function_verifier import ARENA, PACKED
from lowbit.program import Program, argument_attributes
from lowbit.shown import listed
from lowbit_dialect.layout import ShapedValue, storage_bytes
from lowbit_dialect.names import argument_names, result_names


@dataclass(frozen=True)
class Input:
    """An input of the program, as its user sees it."""

    name: str
    type: ShapedValue
    """Decoded elements; a layout that the program itself asks for is kept."""
    constant: bool
    """Whether it is packed ahead."""


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

    def with_arenas(self, arenas: dict[str, int]) -> Signature:
        """The same with the scratch memory of each function by symbol."""
        pack = self.pack and replace(self.pack, arena=arenas.get(self.pack.symbol, 0))
        main = replace(self.main, arena=arenas.get(self.main.symbol, 0))
        return replace(self, main=main, pack=pack)

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


def functions_of(module: ModuleOp) -> dict[str, FuncOp]:
    """The functions of a module by name."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}


def signature_of(program: Program, planned: ModuleOp) -> Signature:
    """Read the interface from the program after stage `plan`, where arenas are not known yet."""
    functions, name = functions_of(planned), program.name
    main = _function(functions[name])
    if all(parameter.packed is None for parameter in main.parameters):
        return Signature(inputs_of(program), main, None, "")
    pack = functions[f"{name}_pack"]
    packing = sha256(str(pack).encode()).hexdigest()
    return Signature(inputs_of(program), main, _function(pack), packing)


def _function(func: FuncOp) -> Function:
    parameters: list[Parameter] = []
    arguments = zip(func.body.block.args, argument_names(func), argument_attributes(func))
    for value, name, attributes in arguments:
        index = attributes.get(PACKED)
        packed = index.value.data if isinstance(index, IntegerAttr) else None
        parameters.append(Parameter(name, shaped(value), packed))
    last = func.body.block.last_op
    values = tuple(last.operands) if isinstance(last, ReturnOp) else ()
    return Function(
        func.sym_name.data,
        tuple(parameters),
        tuple(shaped(value) for value in values),
        result_names(func),
        0,
    )


def arena_bytes(func: FuncOp) -> int:
    """Bytes of scratch memory that a function on memrefs takes."""
    for value, attributes in zip(func.body.block.args, argument_attributes(func)):
        if ARENA in attributes and isinstance(value.type, MemRefType):
            return storage_bytes(cast(MemRefType[Any], value.type))
    return 0
