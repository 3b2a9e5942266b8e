"""What passes check of the functions that they are given: each refusal is one sentence that names the op."""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.legality import Demand, refusal
from microkernels.target import Target


def target_of(spec: str) -> Target:
    """The target of a pass option; raises PassFailedException if there is none of that name."""
    try:
        return resolve_target(spec)
    except ValueError as error:
        raise PassFailedException(str(error)) from error


def schedule_of(op: LinearOp, target: Target) -> Schedule:
    """The schedule of an op that is to be executed; raises ValueError unless it is complete and legal."""
    schedule = op.schedule.data if op.schedule else Schedule()
    if error := refusal(Demand.of(op), schedule, target):
        raise ValueError(error)
    return schedule


def block_of(func: FuncOp) -> Block:
    """The one block of a function on tensors."""
    if len(func.body.blocks) != 1:
        raise PassFailedException(f"@{func.sym_name.data} has several blocks: expected one")
    return func.body.block


def return_of(func: FuncOp) -> ReturnOp:
    """The `func.return` that ends a function of one block, and returns tensors."""
    last = block_of(func).last_op
    if not isinstance(last, ReturnOp):
        raise PassFailedException(f"@{func.sym_name.data} does not end in func.return")
    for value in last.operands:
        if not isinstance(value.type, TensorType):
            raise PassFailedException(
                f"@{func.sym_name.data} returns {value.type}: expected tensors alone"
            )
    return last
