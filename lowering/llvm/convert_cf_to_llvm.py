"""Convert cf to llvm, with the arguments of the blocks that branches lead to.

Leaves `llvm.br` and `llvm.cond_br`. The llvm dialect here has no switch, so a switch becomes a
chain of comparisons. A conditional branch whose arms lead to one block with arguments becomes a
selection and a branch, since LLVM tells incoming values apart by the block they come from.
Assertions are refused: generated code has nowhere to report to.

```
cf.cond_br %0, ^bb1(%1 : index), ^bb2   -->   llvm.cond_br %0, ^bb1(%1 : i64), ^bb2
```
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import cf, llvm
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IndexType,
    MemRefType,
    VectorType,
    i32,
)
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import BlockInsertPoint, Rewriter

from lowering.llvm.conversion import Conversion, ConversionPass, Rule
from lowering.llvm.type_conversion import refusal
from microkernels.llvm_ops import compare, constant, select


def _prepare(op: Operation, conversion: Conversion) -> list[SSAValue]:
    """Retype the blocks that `op` leads to; return its operands in their llvm types."""
    for block in op.successors:
        conversion.retype_arguments(block, op, (IndexType, MemRefType, VectorType))
    return conversion.operands(op)


def _branch_op(block: Block, arguments: Sequence[SSAValue]) -> Operation:
    return llvm.BrOp.create(operands=arguments, successors=[block])


def _cond_branch_op(
    condition: SSAValue,
    then_block: Block,
    then_arguments: Sequence[SSAValue],
    else_block: Block,
    else_arguments: Sequence[SSAValue],
) -> Operation:
    segments = (1, len(then_arguments), len(else_arguments))
    return llvm.CondBrOp.create(
        operands=[condition, *then_arguments, *else_arguments],
        properties={"operandSegmentSizes": DenseArrayBase.from_list(i32, segments)},
        successors=[then_block, else_block],
    )


def _br(op: cf.BranchOp, conversion: Conversion) -> None:
    conversion.become(op, llvm.BrOp, _prepare(op, conversion), {})


def _cond_br(op: cf.ConditionalBranchOp, conversion: Conversion) -> None:
    condition, *arguments = _prepare(op, conversion)
    then_block, else_block = op.successors
    count = len(then_block.args)
    then_arguments, else_arguments = arguments[:count], arguments[count:]
    if then_block is else_block:
        chosen = [
            conversion.emit(select(condition, first, second))
            for first, second in zip(then_arguments, else_arguments, strict=True)
        ]
        conversion.insert(_branch_op(then_block, chosen))
        conversion.replace(op)
    else:
        segments = {"operandSegmentSizes": op.properties["operandSegmentSizes"]}
        conversion.become(op, llvm.CondBrOp, [condition, *arguments], segments)


def _switch(op: cf.SwitchOp, conversion: Conversion) -> None:
    """Test the cases in order, each miss leading to the next test, the last to the default."""
    flag, *arguments = _prepare(op, conversion)
    rest = iter(arguments)
    default = op.successors[0]
    default_arguments = [next(rest) for _ in default.args]
    targets = [(block, [next(rest) for _ in block.args]) for block in op.successors[1:]]
    values = op.case_values.get_values() if op.case_values is not None else ()
    for value, (block, block_arguments) in zip(values, targets, strict=True):
        expected = conversion.emit(constant(value, flag.type))
        hit = conversion.emit(compare("eq", flag, expected))
        miss = _split_before(op)
        _leave(op, miss, hit, block, block_arguments)
    conversion.insert(_branch_op(default, default_arguments))
    conversion.replace(op)


def _split_before(op: Operation) -> Block:
    """Move `op` to a block of its own behind its present one; return that."""
    block = op.parent
    assert block is not None and block.parent is not None
    miss = Block()
    Rewriter.insert_block(miss, BlockInsertPoint.after(block))
    return miss


def _leave(
    op: Operation, miss: Block, hit: SSAValue, block: Block, arguments: Sequence[SSAValue]
) -> None:
    assert op.parent is not None
    # A block of its own per case: two cases may lead to one block with different arguments.
    arrival = Block([_branch_op(block, arguments)])
    Rewriter.insert_block(arrival, BlockInsertPoint.before(miss))
    op.parent.insert_op_before(_cond_branch_op(hit, arrival, (), miss, ()), op)
    op.detach()
    miss.add_op(op)


def _assert(op: cf.AssertOp, conversion: Conversion) -> None:
    raise refusal(op, "generated code has nowhere to report to; check before the call")


_RULES: dict[type[Operation], Rule] = {
    cf.BranchOp: _br,
    cf.ConditionalBranchOp: _cond_br,
    cf.SwitchOp: _switch,
    cf.AssertOp: _assert,
}


@dataclass(frozen=True)
class ConvertCfToLLVMPass(ConversionPass):
    """Convert cf to llvm."""

    name = "convert-cf-to-llvm"
    dialect, rules = cf.Cf, _RULES
