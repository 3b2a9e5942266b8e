"""Bodies of functions as LLVM IR: xDSL translates one op of a kind, and the others are written like it.

Ops of one class, on the same types, with the same properties, differ by their operands alone, and a function
of 3,000 ops has some tens of such kinds. Through xDSL's and llvmlite's objects an op takes 20 us.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import count
from typing import Any, cast

from llvmlite import ir
from xdsl.backend.llvm.convert_op import convert_op, create_constant
from xdsl.backend.llvm.convert_type import convert_type
from xdsl.dialects import llvm
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

_Form = Callable[..., str]
"""The text of an op of a kind, without its result, by those of its operands."""

_UNLIKE = frozenset((llvm.AddressOfOp, llvm.ReturnOp, llvm.UnreachableOp))
"""Ops that are no instruction, or end a function."""
_SPLAT = re.compile(r"<(i\d+ \d+)(?:, \1)+>")


class _Value(ir.Value):
    """What xDSL and llvmlite ask of an operand."""

    def __init__(self, type: Any, reference: str):
        self.type, self._reference = type, reference

    def get_reference(self) -> str:
        """How text names it."""
        return self._reference


class Bodies:
    """Writes the bodies of the functions that a module declares."""

    def __init__(self, module: Any):
        self._module = module
        # By identity, as the ops keep attributes alive: hashing one takes longer.
        self._forms: dict[Hashable, _Form] = {}
        self._types: dict[int, Any] = {}
        self._alike: dict[Hashable, _Form] = {}
        """By equality, for attributes that were built more than once."""
        self._first: dict[int, int] = {}
        self._equal: dict[Attribute, int] = {}
        """The identity of the first of equal attributes, by identity and by equality."""

    def write(self, op: llvm.FuncOp) -> None:
        """Give a function the body of `op`; raises what xDSL's translation does."""
        _Body(self, self._module.get_global(op.sym_name.data), op).write()

    def type(self, type_: Attribute) -> Any:
        """A type as llvmlite has it."""
        found = self._types.get(id(type_))
        if found is None:
            found = self._types[id(type_)] = convert_type(type_)
        return found

    def constant(self, op: Operation) -> str:
        """The text of a constant."""
        value, type_ = op.properties["value"], op.results[0].type
        if isinstance(value, IntegerAttr):
            return str(value.value.data)
        text = self._splat(value, type_)
        if text is None:
            constant: Any = create_constant(type_, value)
            text = str(constant.get_reference())
        return text

    def _splat(self, value: Any, type_: Any) -> str | None:
        """The text of a vector whose lanes are all the same."""
        if not isinstance(value, DenseIntOrFPElementsAttr) or not isinstance(type_, VectorType):
            return None
        dense, vector = cast(Any, value), cast(Any, type_)
        held, count = dense.data.data, len(dense)
        if count == 1 or held != held[: len(held) // count] * count:
            return None
        return f"splat ({ir.Constant(self.type(vector.element_type), dense.get_values()[0])})"

    def form(
        self, op: Operation, operands: Sequence[SSAValue], learn: Callable[[], str | None]
    ) -> _Form | None:
        """How ops of this kind are written, which one teaches; None if each is translated for itself."""
        kind = type(op)
        if kind in _UNLIKE or op.attributes:
            return None
        which = [*map(id, operands)]
        attributes = [
            *op.properties.values(),
            *[value.type for value in operands],
            *[result.type for result in op.results],
        ]
        twice = () if len({*which}) == len(which) else map(which.index, which)
        key = (kind, *op.properties, *map(id, attributes), *twice)
        form = self._forms.get(key)
        if form is None and (form := self._known(op, key, attributes, learn)) is not None:
            self._forms[key] = form
        return form

    def _known(
        self,
        op: Operation,
        key: tuple[object, ...],
        attributes: Sequence[Attribute],
        learn: Callable[[], str | None],
    ) -> _Form | None:
        """How ops with equal attributes are written."""
        if type(op) is llvm.GEPOp and len(op.operands) == 1:
            return self._offset(op).format
        names = 1 + len(op.properties)
        key = (*key[:names], *map(self._same, attributes), *key[names + len(attributes) :])
        form = self._alike.get(key)
        if form is None and (text := learn()) is not None:
            form = self._alike[key] = text.format
        return form

    def _same(self, attribute: Attribute) -> int:
        """The identity of the first attribute that is equal: each is hashed once, not for each kind of op."""
        found = self._first.get(id(attribute))
        if found is None:
            found = self._first[id(attribute)] = self._equal.setdefault(attribute, id(attribute))
        return found

    def _offset(self, op: llvm.GEPOp) -> str:
        """The text of an address at a constant distance: there are as many kinds of these as distances."""
        inbounds = "inbounds " if "inbounds" in op.properties else ""
        indices = "".join(f", i32 {index}" for index in op.rawConstantIndices.iter_values())
        element, pointer = self.type(op.elem_type), self.type(op.ptr.type)
        return f"getelementptr {inbounds}{element}, {pointer} {{}}{indices}"


class _Body:
    """The body of one function, as it is written."""

    def __init__(self, bodies: Bodies, function: Any, op: llvm.FuncOp):
        self._bodies = bodies
        self._blocks: dict[Block, Any] = {
            block: function.append_basic_block(block.name_hint or "") for block in op.body.blocks
        }
        self._scratch: Any = ir.Block(function)
        # By identity: a value hashes by a method of Python's.
        self._names: dict[int, str] = {
            id(argument): given.get_reference()
            for argument, given in zip(op.body.blocks[0].args, function.args)
        }
        self._numbers = (f"%{number}" for number in count())
        self._incoming: dict[Block, list[tuple[str, list[str]]]] = {
            block: [] for block in self._blocks
        }
        """Where a block is entered from, with the values of its arguments."""

    def write(self) -> None:
        """Write all blocks, in an order in which what dominates comes first."""
        entry = next(iter(self._blocks))
        for block, written in self._blocks.items():
            if block is not entry:
                for argument in block.args:
                    self._names[id(argument)] = next(self._numbers)
            inner = block.first_op
            while inner is not None:
                self._write(inner, written)
                inner = inner._next_op  # pyright: ignore[reportPrivateUsage]
        for block, written in self._blocks.items():
            if block is not entry:
                written.instructions[:0] = self._phis(block)

    def _phis(self, block: Block) -> Iterator[str]:
        for number, argument in enumerate(block.args):
            incoming = ", ".join(
                f"[{given[number]}, {where}]" for where, given in self._incoming[block]
            )
            yield f"{self._names[id(argument)]} = phi {self._bodies.type(argument.type)} {incoming}"

    def _write(self, op: Operation, written: Any) -> None:
        kind, names = type(op), self._names
        if kind is llvm.ConstantOp:
            names[id(op.results[0])] = self._bodies.constant(op)
            return
        if kind is llvm.BrOp or kind is llvm.CondBrOp:
            written.instructions.append(self._branch(op, written))
            return
        operands = op._operands  # pyright: ignore[reportPrivateUsage]
        form = self._bodies.form(op, operands, lambda: self._learnt(op))
        if form is None:
            self._translate(op, written)
            return
        text = form(*[names[id(operand)] for operand in operands])
        if op.results:
            (result,) = op.results
            name = names[id(result)] = next(self._numbers)
            text = f"{name} = {text}"
        written.instructions.append(text)

    def _branch(self, op: Operation, written: Any) -> str:
        here = written.get_reference()
        labels = [self._blocks[block].get_reference() for block in op.successors]
        if isinstance(op, llvm.CondBrOp):
            given = [op.then_arguments, op.else_arguments]
            text = f"br i1 {self._names[id(op.cond)]}, label {labels[0]}, label {labels[1]}"
        else:
            given, text = [op.operands], f"br label {labels[0]}"
        for block, values in zip(op.successors, given):
            self._incoming[block].append((here, [self._names[id(value)] for value in values]))
        return text

    def _values(self, op: Operation, names: Callable[[int, SSAValue], str]) -> dict[SSAValue, Any]:
        return {
            operand: _Value(self._bodies.type(operand.type), names(number, operand))
            for number, operand in enumerate(op.operands)
        }

    def _translate(self, op: Operation, written: Any) -> None:
        """Give an op to xDSL."""
        values = self._values(op, lambda _, operand: self._names[id(operand)])
        convert_op(op, ir.IRBuilder(written), values, self._blocks)
        for result in op.results:
            self._names[id(result)] = values[result].get_reference()

    def _learnt(self, op: Operation) -> str | None:
        """The text of an op with marks where its operands stand; None if it is not one instruction."""
        values = self._values(op, lambda number, _: f"\0{number}\1")
        self._scratch.instructions.clear()
        convert_op(op, ir.IRBuilder(self._scratch), values)
        if len(self._scratch.instructions) != 1:
            return None
        text = str(self._scratch.instructions[0])
        if op.results:
            _, _, text = text.partition(" = ")
        text = _SPLAT.sub(r"splat (\1)", text).replace("{", "{{").replace("}", "}}")
        return text.replace("\0", "{").replace("\1", "}")
