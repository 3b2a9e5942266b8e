import random

import numpy as np
import pytest
from llvm_jit import Jit, body, convert, parse
from xdsl.dialects.builtin import i32, i64

from lowering.llvm.pipeline import to_llvm

KERNEL = """
func.func @f(%a: memref<4x16xi8>, %b: memref<4x16xi8>, %o: memref<4xi32>) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %4 = arith.constant 4 : index
  %8 = arith.constant 8 : index
  %16 = arith.constant 16 : index
  scf.for %i = %0 to %4 step %1 {
    %row = memref.subview %b[%i, 0] [1, 16] [1, 1] : memref<4x16xi8> to
      memref<16xi8, strided<[1], offset: ?>>
    %zero = arith.constant 0 : i32
    %sum = scf.for %j = %0 to %16 step %8 iter_args(%s = %zero) -> (i32) {
      %x = vector.load %a[%i, %j] : memref<4x16xi8>, vector<8xi8>
      %y = vector.load %row[%j] : memref<16xi8, strided<[1], offset: ?>>, vector<8xi8>
      %z = arith.xori %x, %y : vector<8xi8>
      %c = math.ctpop %z : vector<8xi8>
      %w = llvm.zext %c : vector<8xi8> to vector<8xi32>
      %t = vector.reduction <add>, %w, %s : vector<8xi32> into i32
      scf.yield %t : i32
    }
    memref.store %sum, %o[%i] : memref<4xi32>
  }
  func.return
}
"""


def test_a_kernel_runs():
    a, b = np.random.default_rng(0).integers(0, 256, (2, 4, 16), np.uint8)
    out = np.empty(4, np.int32)
    Jit(KERNEL)("f", a, b, out)
    np.testing.assert_array_equal(out, np.bitwise_count(a ^ b).sum(1, dtype=np.int32))


@pytest.mark.parametrize("seed", range(6))
def test_passes_commute(seed: int):
    first, *ours, last = to_llvm()
    random.Random(seed).shuffle(ours)
    module = convert(parse(KERNEL), [first, *ours, last])
    names = {op.name.split(".")[0] for op in module.walk()} - {"builtin"}
    assert names == {"llvm"}
    assert "unrealized" not in body(module)


def test_indices_have_the_bits_of_a_pointer():
    module = convert(parse(KERNEL), to_llvm(index_bitwidth=32))
    types = {value.type for op in module.walk() for value in (*op.operands, *op.results)}
    assert i32 in types and i64 not in types


def test_each_pass_is_idempotent():
    module = convert(parse(KERNEL))
    text = str(module)
    assert str(convert(module)) == text


def test_pointers_from_outside_meet_memrefs():
    text = """
    func.func @f(%p: !llvm.ptr, %n: i64) {
      %m = builtin.unrealized_conversion_cast %p : !llvm.ptr to memref<8xi8>
      %i = builtin.unrealized_conversion_cast %n : i64 to index
      %x = memref.load %m[%i] : memref<8xi8>
      %q = builtin.unrealized_conversion_cast %m : memref<8xi8> to !llvm.ptr
      llvm.store %x, %q {alignment = 1 : i64} : i8, !llvm.ptr
      func.return
    }"""
    after = """llvm.func @f(%p: !llvm.ptr, %n: i64) {
  %0 = llvm.getelementptr inbounds %p[%n] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  %x = llvm.load %0 {alignment = 1 : i64} : !llvm.ptr -> i8
  llvm.store %x, %p {alignment = 1 : i64} : i8, !llvm.ptr
  llvm.return
}"""
    assert body(convert(parse(text))) == after
