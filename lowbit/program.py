"""`Program`: what to compute, built op by op, parsed from text, or imported from a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    ModuleOp,
    TensorType,
    UnitAttr,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from lowbit.argument_checks import instance, integers
from lowbit.builder import Builder
from lowbit.element_types import parse_element, typed
from lowbit.errors import USER_ERRORS, describe, pointing
from lowbit.function_verifier import verify_functions
from lowbit.registry import context
from lowbit.shown import counted, html_table, listed
from lowbit.source import parse_source, verify
from lowbit_dialect.attributes import CONSTANT
from lowbit_dialect.interface import argument_attributes, main_of
from lowbit_dialect.layout import Array, Layout, with_layout
from lowbit_dialect.names import (
    NAME,
    argument_names,
    identifier,
    name_attribute,
    result_names,
    title,
)
from lowbit_dialect.ops.common import check_layout, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ranges import admit

STAGE = "lowbit.stage"
"""Attribute of a module that is no program as written any more (`lowbit.lowered`)."""


class Program(Builder):
    """A program in the `lowbit` dialect: a module, of which the first function runs.

    Without a module it is empty, and grows by one op a call: `input`, `conv2d`, ..., `output`.
    """

    def __init__(self, module: ModuleOp | None = None):
        if module is None:
            module = ModuleOp([_empty_function()])
        self.module = instance("module", module, ModuleOp)
        self.func = verify_functions(self.module)
        name_arguments(self.func)

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.func.sym_name.data

    @property
    def arguments(self) -> tuple[SSAValue, ...]:
        """The inputs, in order."""
        return tuple(self.func.body.block.args)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """Name of each input; no two are the same."""
        return argument_names(self.func)

    @property
    def result_names(self) -> tuple[str, ...]:
        """Name of each result; no two are the same."""
        return result_names(self.func)

    @property
    def constant_names(self) -> tuple[str, ...]:
        """Names of the inputs that are packed ahead."""
        attributes = argument_attributes(self.func)
        return tuple(n for n, attrs in zip(self.argument_names, attributes) if CONSTANT in attrs)

    @property
    def outputs(self) -> tuple[SSAValue, ...]:
        """The results, in order."""
        last = self.func.body.block.last_op
        return tuple(last.operands) if isinstance(last, ReturnOp) else ()

    def __str__(self) -> str:
        return str(self.module)

    def __repr__(self) -> str:
        inputs, outputs = (
            listed([f"{name}: {typed(shaped(value))}" for name, value in zip(names, values)])
            for names, values in (
                (self.argument_names, self.arguments),
                (self.result_names, self.outputs),
            )
        )
        ops = counted(len(self.func.body.block.ops) - 1, "op")
        return f"<Program {self.name}({inputs}) -> ({outputs}), {ops}>"

    def _repr_html_(self) -> str:
        rows = [
            (f"input {name}", typed(shaped(value)))
            for name, value in zip(self.argument_names, self.arguments)
        ]
        for op in self.func.body.block.ops:
            rows += [(title(op), typed(shaped(value))) for value in op.results]
        rows += [(f"output {name}", "") for name in self.result_names]
        return html_table(("program", self.name), rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reparsed, (str(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Program:
        return type(self)(self.module.clone())

    def input(
        self,
        shape: Sequence[int],
        element: str,
        *,
        name: str = "",
        constant: bool = False,
        layout: Layout | None = None,
    ) -> SSAValue:
        """Add an argument of decoded elements, or stored in a layout.

        The name is any text that no other input has. `constant` ones are packed ahead of the call. Raises
        ValueError naming the argument.
        """
        if layout is not None:
            instance("layout", layout, Layout)
        if instance("name", name, str) in self.argument_names:
            raise ValueError(f"there is an input '{name}' already: give this one another name")
        block = self.func.body.block
        type = with_layout(TensorType(parse_element(element), _extents(shape)), layout)
        try:
            check_layout(type)
        except VerifyException as error:
            raise ValueError(f"argument '{name or 'x'}': {error}") from error
        marks = [DictionaryAttr(attrs) for attrs in argument_attributes(self.func)]
        value = block.insert_arg(type, len(block.args))
        value.name_hint = identifier(name or "x")
        mark: dict[str, Attribute] = {CONSTANT: UnitAttr()} if constant else {}
        if name and name != value.name_hint:
            mark[NAME] = name_attribute(name)
        marks.append(DictionaryAttr(mark))
        self.func.properties["arg_attrs"] = ArrayAttr(marks)
        name_arguments(self.func)
        self._retype()
        return value

    def constant(self, array: Array, element: str) -> SSAValue:
        """Add a tensor of known decoded values."""
        kind = parse_element(element)
        return self.add_op(
            "lowbit.constant", lambda: ConstantOp.of(checked_values(array, element), kind)
        )

    def output(self, *values: SSAValue) -> None:
        """Return values from the program, after those returned already."""
        last = self.func.body.block.last_op
        assert isinstance(last, ReturnOp)
        added = [instance("an output", value, SSAValue) for value in values]
        for value in added:
            self._require_own("an output", value)
        last.operands = [*last.operands, *added]
        if self.func.res_attrs is not None:
            marks = [*self.func.res_attrs, *[DictionaryAttr({})] * len(added)]
            self.func.properties["res_attrs"] = ArrayAttr(marks)
        self._retype()

    def add_op(self, name: str, make: Callable[[], Operation], *operands: SSAValue) -> SSAValue:
        """Build an op on `operands`, verify it, add it and return its result.

        Raises ValueError naming the op.
        """
        block = self.func.body.block
        assert block.last_op is not None
        op = None
        try:
            for index, operand in enumerate(operands):
                instance(f"operand {index}", operand, SSAValue)
            op = make()
            for index, operand in enumerate(op.operands):
                self._require_own(f"operand {index}", operand)
            admit(op)
            op.verify()
        except (
            VerifyException,
            ValueError,
            TypeError,
            IndexError,
            AttributeError,
            OverflowError,
        ) as error:
            if op is not None:
                op.drop_all_references()
            raise ValueError(f"'{name}': {describe(error)}") from error
        block.insert_op_before(op, block.last_op)
        return op.results[0]

    def _require_own(self, name: str, value: SSAValue) -> None:
        """Raise ValueError for a value that this program does not compute."""
        owner = value.owner
        home = owner if isinstance(owner, Block) else owner.parent
        if home is not self.func.body.block:
            hint = f" %{value.name_hint}" if value.name_hint else ""
            raise ValueError(f"{name}{hint} is a value of another program: build it in this one")

    def _retype(self) -> None:
        """Make the type of the function agree with its block."""
        inputs = [argument.type for argument in self.arguments]
        outputs = [value.type for value in self.outputs]
        self.func.properties["function_type"] = FunctionType.from_lists(inputs, outputs)


def _empty_function() -> FuncOp:
    return FuncOp("main", FunctionType.from_lists([], []), Region(Block([ReturnOp()])))


def name_arguments(func: FuncOp) -> None:
    """Make the hint of every argument without a name the one that it goes by."""
    names = zip(func.body.block.args, argument_names(func), argument_attributes(func))
    for argument, name, attributes in names:
        if NAME not in attributes:
            argument.name_hint = name


def checked_values(array: Array, element: str) -> Array:
    """Return `array` if it holds decoded values of `element`; raises ValueError otherwise."""
    from lowbit.arrays import checked

    return checked("constant", array, TensorType(parse_element(element), np.shape(array)))


def _reparsed(text: str) -> Program:
    from lowbit.lowered import program_of

    return program_of(parse_module(text))


def _extents(shape: Sequence[int]) -> tuple[int, ...]:
    extents = integers("shape", shape)
    if any(extent < 1 for extent in extents):
        raise ValueError(f"a shape of {'x'.join(map(str, extents))}: every extent is at least 1")
    return extents


def was_lowered(module: ModuleOp) -> bool:
    """Whether stages are behind a module, as it says itself or as passes have noted on it."""
    return STAGE in module.attributes or main_of(module) is not None


def parse_module(source: str | Path) -> ModuleOp:
    """Read a module from text, or from a file if `source` is a path.

    Raises ValueError that begins with the place, with the line and a caret as a note.
    """
    instance("source", source, str, Path)
    is_path = isinstance(source, Path) or ("\n" not in source and source.endswith(".mlir"))
    text = Path(source).read_bytes() if is_path else str(source)
    name = str(source) if is_path else "<text>"
    try:
        module = parse_source(text, name, context())
        verify(module)
        if not was_lowered(module):  # what was lowered is checked where it is taken up
            verify_functions(module)
    except USER_ERRORS as error:
        raise pointing(ValueError(describe(error)), name, text) from error
    return module
