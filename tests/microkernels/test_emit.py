"""What an emitter makes of Python's numbers."""

import ctypes

import pytest
from llvm_jit import Jit
from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp, i8
from xdsl.ir import Block, Region

from microkernels.emit import Emitter
from microkernels.llvm_types import PTR, vector

AMOUNTS = (0, 7, -7, 2**31 - 1, 2**31, 2**32 - 1, 2**32 + 5, 2**40, 1 - 2**31, -(2**31), -(2**33))


@pytest.mark.parametrize("amount", AMOUNTS)
def test_a_pointer_moves_by_any_number_of_bytes(amount: int) -> None:
    block = Block([end := llvm.ReturnOp()], arg_types=[PTR])
    end.operands = [Emitter(end).offset(block.args[0], amount)]
    func = llvm.FuncOp("f", llvm.LLVMFunctionType([PTR], PTR), body=Region(block))
    move = Jit(ModuleOp([func])).function("f", ctypes.c_int64, ctypes.c_int64)
    assert move(2**45) == 2**45 + amount


def test_lanes_that_all_stay_are_no_shuffle() -> None:
    block = Block([end := llvm.ReturnOp()], arg_types=[vector(4, i8)])
    emit, value = Emitter(end), block.args[0]
    assert emit.shuffle(value, range(4)) is value
    assert emit.shuffle(value, range(3)) is not value
    assert len(list(block.ops)) == 2
