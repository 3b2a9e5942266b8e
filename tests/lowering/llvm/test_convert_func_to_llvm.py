import ctypes

import pytest
from llvm_jit import Jit, assert_converts, convert, parse
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_func_to_llvm import ConvertFuncToLLVMPass
from lowering.llvm.convert_index_to_llvm import ConvertIndexToLLVMPass


def test_memrefs_become_pointers_that_do_not_alias():
    assert_converts(
        ConvertFuncToLLVMPass(),
        """
        func.func @f(%a: memref<8xi32> {llvm.align = 64 : i64}, %n: index) {
          %v = memref.load %a[%n] : memref<8xi32>
          func.return
        }
        """,
        """
        llvm.func @f(%a: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias, llvm.nonnull}, %n: i64) {
          %n_1 = builtin.unrealized_conversion_cast %n : i64 to index
          %a_1 = builtin.unrealized_conversion_cast %a : !llvm.ptr to memref<8xi32>
          %v = memref.load %a_1[%n_1] : memref<8xi32>
          llvm.return
        }
        """,
    )


def test_memrefs_of_any_type_pass_through():
    assert_converts(
        ConvertFuncToLLVMPass(),
        """
        func.func @f(%a: memref<8xtensor<2xi3>, strided<[?]>>) {
          %p = builtin.unrealized_conversion_cast %a : memref<8xtensor<2xi3>, strided<[?]>> to !llvm.ptr
          %v = llvm.load %p {alignment = 1 : i64} : !llvm.ptr -> i8
          func.return
        }
        """,
        """
        llvm.func @f(%a: !llvm.ptr {llvm.noalias, llvm.nonnull}) {
          %v = llvm.load %a {alignment = 1 : i64} : !llvm.ptr -> i8
          llvm.return
        }
        """,
    )


def test_calls():
    text = """
    func.func private @abs(i32) -> i32
    func.func @store(%a: memref<4xi32>, %i: index, %x: i32) {
      memref.store %x, %a[%i] : memref<4xi32>
      func.return
    }
    func.func @double(%x: i32) -> i32 {
      %r = arith.addi %x, %x : i32
      func.return %r : i32
    }
    func.func @f(%a: memref<4xi32>, %i: index) -> i32 {
      %c = arith.constant 21 : i32
      %x = func.call @double(%c) : (i32) -> i32
      func.call @store(%a, %i, %x) : (memref<4xi32>, index, i32) -> ()
      %r = memref.load %a[%i] : memref<4xi32>
      func.return %r : i32
    }"""
    values = (ctypes.c_int32 * 4)()
    f = Jit(text).function("f", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64)
    assert f(values, 2) == 42
    assert list(values) == [0, 0, 42, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("func.func private @f() -> (i32, i32)", "func.func: LLVM returns at most one value"),
        ("func.func private @f() -> memref<4xi8>", "a memref cannot be returned"),
        ("func.func private @f(tensor<4xi8>)", "tensor<4xi8> has no llvm type"),
        ("func.func private @f(memref<4xi8, 3 : i32>)", "default memory space"),
    ],
)
def test_refusals(text: str, message: str):
    with pytest.raises(PassFailedException, match=message):
        convert(parse(text), [ConvertFuncToLLVMPass()])


def test_index_arguments_of_blocks():
    assert_converts(
        ConvertIndexToLLVMPass(),
        """
        func.func @f(%n: index) -> index {
          cf.br ^bb1(%n : index)
        ^bb1(%i: index):
          func.return %i : index
        }
        """,
        """
        func.func @f(%n: index) -> index {
          %n_1 = builtin.unrealized_conversion_cast %n : index to i64
          cf.br ^bb1(%n_1 : i64)
        ^bb1(%i: i64):
          %i_1 = builtin.unrealized_conversion_cast %i : i64 to index
          func.return %i_1 : index
        }
        """,
    )
