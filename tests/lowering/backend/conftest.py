"""Small modules of the `llvm` dialect to compile."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    Builtin,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    IntegerType,
    ModuleOp,
    TensorType,
)
from xdsl.parser import Parser

from lowering.backend.translate import Translated, translate
from microkernels.target import Target

ADD = """
llvm.func @add(%a: i32, %b: i32) -> i32 {
  %c = llvm.add %a, %b : i32
  llvm.return %c : i32
}
"""
READ = """
llvm.func @read(%i: i64) -> i32 {
  %t = llvm.mlir.addressof @table : !llvm.ptr
  %p = llvm.getelementptr inbounds %t[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i32
  %v = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> i32
  llvm.return %v : i32
}
"""


def parse(text: str) -> ModuleOp:
    context = Context()
    context.load_dialect(Builtin)
    context.load_dialect(llvm.LLVM)
    return Parser(context, text).parse_module()


def add_table(module: ModuleOp, values: np.ndarray, name: str = "table", linkage: str = "internal"):
    """Give a module a constant of integers, held as NumPy has them."""
    element = IntegerType(values.itemsize * 8)
    dense = DenseIntOrFPElementsAttr(
        TensorType(element, list(values.shape)), BytesAttr(values.tobytes())
    )
    array = llvm.LLVMArrayType(values.size, element)
    held = llvm.GlobalOp(array, name, linkage, constant=True, value=dense)
    module.body.block.add_op(held)


@pytest.fixture
def add() -> Callable[[Target], Translated]:
    return lambda target: translate(parse(ADD), target)


@pytest.fixture
def table() -> Callable[..., Translated]:
    def build(target: Target, values: np.ndarray, linkage: str = "internal") -> Translated:
        module = parse(READ)
        add_table(module, values, linkage=linkage)
        return translate(module, target)

    return build
