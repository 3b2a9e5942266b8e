"""The llvm types of builtin types, and how a conversion refuses what it cannot express."""

from xdsl.dialects.builtin import (
    IndexType,
    IntegerType,
    MemRefType,
    NoneAttr,
    StringAttr,
    VectorType,
)
from xdsl.dialects.llvm import is_compatible_type
from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import PassFailedException

from microkernels.llvm_types import PTR


def refusal(op: Operation, reason: str) -> PassFailedException:
    """Return the error that names `op`, its function if it has one, and the reason."""
    parent = op.parent_op()
    while parent is not None and "sym_name" not in parent.properties:
        parent = parent.parent_op()
    name = parent.properties["sym_name"] if parent is not None else None
    where = f" in @{name.data}" if isinstance(name, StringAttr) else ""
    return PassFailedException(f"{op.name}{where}: {reason}")


def llvm_type(type_: Attribute, op: Operation, index: IntegerType) -> Attribute:
    """Return the llvm type of `type_`; refuse, in the name of `op`, a type that has none."""
    match type_:
        case IndexType():
            return index
        case MemRefType() if isinstance(type_.memory_space, NoneAttr):
            return PTR
        case VectorType() if isinstance(type_.element_type, IndexType):
            type_ = VectorType(index, type_.shape, type_.scalable_dims)
        case VectorType(element_type=IntegerType(width=width)) if width.data > 64:
            raise refusal(op, f"{type_} has lanes of more than 64 bits, as no constant has")
        case _:
            pass
    if not is_compatible_type(type_):
        raise refusal(
            op,
            f"{type_} has no llvm type; signless integers, floats, fixed 1-D vectors of these, "
            "index and memrefs in the default memory space do",
        )
    return type_
