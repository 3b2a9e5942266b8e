"""Bodies of functions as LLVM IR: xDSL translates one op of a kind, and the others are written like it.

Ops of one class, on the same types, with the same properties, differ by their operands alone, and a function
of 3,000 ops has some tens of such kinds. Through xDSL's and llvmlite's objects an op takes 20 us.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from itertools import count, islice
from typing import Any

from llvmlite import ir
from xdsl.backend.llvm.convert_op import convert_op, create_constant
from xdsl.backend.llvm.convert_type import convert_type
from xdsl.dialects import llvm
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

_Form = Callable[..., str]
"""The text of an op of a kind, without its result, by those of its operands."""

_UNLIKE = frozenset((llvm.AddressOfOp, llvm.BrOp, llvm.CondBrOp, llvm.ReturnOp, llvm.UnreachableOp))
"""Ops that are no instruction, or of which a block knows."""
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
        self._forms: dict[Hashable, _Form] = {}
        self._types: dict[int, Any] = {}
        self._numbers: dict[Attribute, int] = {}
        # By identity, as the ops keep them alive: hashing an attribute takes longer.
        self._seen: dict[int, int] = {}

    def write(self, op: llvm.FuncOp) -> None:
        """Give a function the body of `op`; raises what xDSL's translation does."""
        function = self._module.get_global(op.sym_name.data)
        blocks: dict[Block, Any] = {
            block: function.append_basic_block(block.name_hint or "") for block in op.body.blocks
        }
        values: dict[SSAValue, Any] = dict(zip(op.body.blocks[0].args, function.args))
        for block, written in islice(blocks.items(), 1, None):
            builder: Any = ir.IRBuilder(written)
            for argument in block.args:
                values[argument] = builder.phi(self._type(argument.type))
        names = (f"%{number}" for number in count())
        scratch = ir.Block(function)
        for block, written in blocks.items():
            for inner in block.ops:
                if type(inner) is llvm.ConstantOp:
                    values[inner.result] = self._constant(inner)
                    continue
                operands = [*inner.operands]
                form = self._form(inner, operands, values, scratch)
                if form is None:
                    convert_op(inner, ir.IRBuilder(written), values, blocks)
                    continue
                text = form(*[values[operand].get_reference() for operand in operands])
                for result in inner.results:
                    name = next(names)
                    values[result] = _Value(self._type(result.type), name)
                    text = f"{name} = {text}"
                written.instructions.append(text)

    def _number(self, attribute: Attribute) -> int:
        """The same for all attributes that are equal."""
        number = self._seen.get(id(attribute))
        if number is None:
            number = self._numbers.setdefault(attribute, len(self._numbers))
            self._seen[id(attribute)] = number
        return number

    def _type(self, type_: Attribute) -> Any:
        number = self._number(type_)
        if number not in self._types:
            self._types[number] = convert_type(type_)
        return self._types[number]

    def _constant(self, op: llvm.ConstantOp) -> Any:
        value, type_ = op.value, op.result.type
        if (
            isinstance(value, DenseIntOrFPElementsAttr)
            and isinstance(type_, VectorType)
            and len(value) == 1
            and value.get_shape() == type_.get_shape()
        ):
            vector: Any = op.result.type
            one = ir.Constant(self._type(vector.element_type), value.get_values()[0])
            return _Value(self._type(vector), f"splat ({one})")
        return create_constant(op.result.type, value)

    def _form(
        self,
        op: Operation,
        operands: Sequence[SSAValue],
        values: dict[SSAValue, Any],
        scratch: Any,
    ) -> _Form | None:
        """How ops of this kind are written; None if each is translated for itself."""
        if type(op) in _UNLIKE or op.attributes:
            return None
        if type(op) is llvm.GEPOp and len(operands) == 1:
            return self._offset(op)
        number, which = self._number, [*map(id, operands)]
        key = (
            type(op),
            *op.properties,
            *[number(one) for one in op.properties.values()],
            *[number(value.type) for value in (*operands, *op.results)],
            *([] if len({*which}) == len(which) else [which.index(one) for one in which]),
        )
        form = self._forms.get(key)
        if form is None and (form := self._learnt(op, values, scratch)) is not None:
            self._forms[key] = form
        return form

    def _offset(self, op: llvm.GEPOp) -> _Form:
        """The text of an address at a constant distance: there are as many kinds of these as distances."""
        inbounds = "inbounds " if "inbounds" in op.properties else ""
        indices = "".join(f", i32 {index}" for index in op.rawConstantIndices.iter_values())
        element, pointer = self._type(op.elem_type), self._type(op.ptr.type)
        return f"getelementptr {inbounds}{element}, {pointer} {{}}{indices}".format

    def _learnt(self, op: Operation, values: dict[SSAValue, Any], scratch: Any) -> _Form | None:
        """The text of an op with marks where its operands stand."""
        marked: dict[SSAValue, Any] = {
            operand: _Value(values[operand].type, f"\0{number}\1")
            for number, operand in enumerate(op.operands)
        }
        scratch.instructions.clear()
        convert_op(op, ir.IRBuilder(scratch), marked)
        if len(scratch.instructions) != 1:
            return None
        text = str(scratch.instructions[0])
        if op.results:
            _, _, text = text.partition(" = ")
        text = _SPLAT.sub(r"splat (\1)", text).replace("{", "{{").replace("}", "}}")
        return text.replace("\0", "{").replace("\1", "}").format
