"""An op of a program as a program of its own, which is what workers measure."""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, TensorType, UnitAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue

from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.linear import LinearOp


def alone(op: LinearOp) -> ModuleOp:
    """A module of one function with a copy of an op on tensors, without its schedule.

    Constants stay, as a range may rest on them; weights that are none are packed ahead, other operands are
    arguments.
    """
    operands = (value for inner in op.walk() for value in inner.operands)
    read = dict.fromkeys(value for value in operands if isinstance(value.type, TensorType))
    given = [value for value in read if not isinstance(value.owner, ConstantOp)]
    block = Block(arg_types=[value.type for value in given])
    values: dict[SSAValue, SSAValue] = dict(zip(given, block.args))
    for value in read:
        if isinstance(value.owner, ConstantOp):
            block.add_op(constant := value.owner.clone())
            values[value] = constant.results[0]
    copy = op.clone(values)
    copy.properties.pop("schedule", None)
    block.add_ops([copy, ReturnOp(copy.results[0])])
    attributes = ArrayAttr([_attributes(value is op.weights) for value in given])
    types = [value.type for value in given], [copy.results[0].type]
    func = FuncOp("main", types, Region(block), arg_attrs=attributes)
    return ModuleOp([func])


def _attributes(packed: bool) -> DictionaryAttr:
    found: dict[str, Attribute] = {"lowbit.constant": UnitAttr()} if packed else {}
    return DictionaryAttr(found)
