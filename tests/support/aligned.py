"""What code may assume of addresses: arguments are aligned to their element, the arena to 64 bytes."""

from collections.abc import Sequence

from guarded import Function
from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, SSAValue


def check_alignment(module: ModuleOp, functions: Sequence[Function]) -> None:
    """Raise AssertionError naming a load or store that assumes more of the argument it accesses."""
    promised = {function.symbol: function.arguments for function in functions}
    for func in module.ops:
        if not isinstance(func, llvm.FuncOp) or func.sym_name.data not in promised:
            continue
        entry = func.body.first_block
        for op in func.walk():
            if isinstance(op, llvm.LoadOp | llvm.StoreOp) and op.alignment is not None:
                base = _base(op.ptr)
                if isinstance(base, BlockArgument) and base.owner is entry:
                    most = promised[func.sym_name.data][base.index].alignment
                    assert op.alignment.value.data <= most, f"argument {base.index} of {op}"


def _base(pointer: SSAValue) -> SSAValue:
    while isinstance(pointer.owner, llvm.GEPOp):
        pointer = pointer.owner.ptr
    return pointer
