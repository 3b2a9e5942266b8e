"""Convert the `index` arguments of blocks to integers as wide as a pointer.

The ops on `index` are arith's; what is left of the type are the arguments of the blocks that
`convert-scf-to-cf` makes. Needs branches, not `scf`; leaves casts where a value of the old type is
used. Functions convert their own arguments, in `convert-func-to-llvm`.

```
cf.br ^bb1(%0 : index)              %1 = builtin.unrealized_conversion_cast %0 : index to i64
^bb1(%i : index):             -->   cf.br ^bb1(%1 : i64)
                                  ^bb1(%i : i64):
```
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.dialects.cf import SwitchOp
from xdsl.passes import ModulePass

from lowering.llvm.conversion import Conversion, ops_below


@dataclass(frozen=True)
class ConvertIndexToLLVMPass(ModulePass):
    """Convert the `index` arguments of blocks to integers as wide as a pointer."""

    name = "convert-index-to-llvm"

    index_bitwidth: int = 64
    """Bits of `index`, which are those of a pointer."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert the arguments of all blocks that a branch leads to."""
        conversion = Conversion(self.index_bitwidth)
        ends = [below for below in ops_below(op) if below.next_op is None]  # branches are last
        for branch in [below for below in ends if below.successors]:
            conversion.at(branch)
            for block in branch.successors:
                conversion.retype_arguments(block, branch, (IndexType,))
            for i, operand in enumerate(branch.operands):
                # The flag of a switch goes to no block, and its type is that of the cases.
                forwarded = i > 0 or not isinstance(branch, SwitchOp)
                if forwarded and isinstance(operand.type, IndexType):
                    branch.operands[i] = conversion.operand(operand)
