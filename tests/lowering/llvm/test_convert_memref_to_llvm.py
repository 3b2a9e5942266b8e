import ctypes

import numpy as np
import pytest
from llvm_jit import Jit, assert_converts, convert, parse
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_memref_to_llvm import ConvertMemRefToLLVMPass


def test_accesses_are_one_address_and_state_their_alignment():
    assert_converts(
        ConvertMemRefToLLVMPass(),
        """
        func.func @f(%a: memref<4x8xi16>, %i: index) {
          %c = arith.constant 3 : index
          %x = memref.load %a[%i, %c] : memref<4x8xi16>
          memref.store %x, %a[%c, %c] {alignment = 2 : i64} : memref<4x8xi16>
          func.return
        }
        """,
        """
        func.func @f(%a: memref<4x8xi16>, %i: index) {
          %i_1 = builtin.unrealized_conversion_cast %i : index to i64
          %a_1 = builtin.unrealized_conversion_cast %a : memref<4x8xi16> to !llvm.ptr
          %c = arith.constant 3 : index
          %0 = llvm.getelementptr inbounds %a_1[%i_1, 3] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<8 x i16>
          %x = llvm.load %0 {alignment = 2 : i64} : !llvm.ptr -> i16
          %1 = llvm.getelementptr inbounds %a_1[27] : (!llvm.ptr) -> !llvm.ptr, i16
          llvm.store %x, %1 {alignment = 2 : i64} : i16, !llvm.ptr
          func.return
        }
        """,
    )


def test_strided_access_steps_by_strides_and_ignores_the_offset():
    assert_converts(
        ConvertMemRefToLLVMPass(),
        """
        func.func @f(%p: !llvm.ptr, %i: index, %j: index) {
          %a = builtin.unrealized_conversion_cast %p : !llvm.ptr to memref<4x8xf32, strided<[100, 1]>>
          %x = memref.load %a[%i, %j] : memref<4x8xf32, strided<[100, 1]>>
          func.return
        }
        """,
        """
        func.func @f(%p: !llvm.ptr, %i: index, %j: index) {
          %j_1 = builtin.unrealized_conversion_cast %j : index to i64
          %i_1 = builtin.unrealized_conversion_cast %i : index to i64
          %a = builtin.unrealized_conversion_cast %p : !llvm.ptr to memref<4x8xf32, strided<[100, 1]>>
          %0 = llvm.getelementptr inbounds %p[%i_1] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<100 x f32>
          %1 = llvm.getelementptr inbounds %0[%j_1] : (!llvm.ptr, i64) -> !llvm.ptr, f32
          %x = llvm.load %1 {alignment = 4 : i64} : !llvm.ptr -> f32
          func.return
        }
        """,
    )


def test_globals_keep_their_bytes_and_alignment():
    assert_converts(
        ConvertMemRefToLLVMPass(),
        """
        "memref.global"() <{sym_name = "t", sym_visibility = "private", type = memref<2x2xi8>,
          initial_value = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, constant}> : () -> ()
        "memref.global"() <{sym_name = "arena", sym_visibility = "public", type = memref<64xi8>,
          initial_value, alignment = 128 : i64}> : () -> ()
        func.func @f() {
          %t = memref.get_global @t : memref<2x2xi8>
          %p = builtin.unrealized_conversion_cast %t : memref<2x2xi8> to !llvm.ptr
          llvm.return %p : !llvm.ptr
        }
        """,
        """
        llvm.mlir.global internal constant @t(dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>) {addr_space = 0 : i32, alignment = 64 : i64} : !llvm.array<4 x i8>
        llvm.mlir.global external @arena() {addr_space = 0 : i32, alignment = 128 : i64} : !llvm.array<64 x i8>
        func.func @f() {
          %0 = llvm.mlir.addressof @t : !llvm.ptr
          %t = llvm.bitcast %0 : !llvm.ptr to !llvm.ptr
          llvm.return %t : !llvm.ptr
        }
        """,  # noqa: E501
    )


def test_globals_are_read():
    text = """
    "memref.global"() <{sym_name = "t", sym_visibility = "private", type = memref<2x3xi16>,
      initial_value = dense<[[1, 2, 3], [4, -5, 6]]> : tensor<2x3xi16>, constant}> : () -> ()
    "memref.global"() <{sym_name = "s", sym_visibility = "public", type = memref<4xf32>,
      initial_value = dense<1.5> : tensor<4xf32>, constant}> : () -> ()
    "memref.global"() <{sym_name = "n", sym_visibility = "private", type = memref<2xindex>,
      initial_value = dense<[7, 9]> : tensor<2xindex>, constant}> : () -> ()
    func.func @f(%i: index, %j: index) -> f32 {
      %t = memref.get_global @t : memref<2x3xi16>
      %s = memref.get_global @s : memref<4xf32>
      %n = memref.get_global @n : memref<2xindex>
      %x = memref.load %t[%i, %j] : memref<2x3xi16>
      %y = memref.load %s[%j] : memref<4xf32>
      %z = memref.load %n[%i] : memref<2xindex>
      %0 = arith.index_cast %z : index to i16
      %1 = arith.addi %x, %0 : i16
      %2 = arith.sitofp %1 : i16 to f32
      %3 = arith.addf %2, %y : f32
      func.return %3 : f32
    }"""
    f = Jit(text).function("f", ctypes.c_float, ctypes.c_int64, ctypes.c_int64)
    assert [f(0, 2), f(1, 1)] == [11.5, 5.5]


VIEWS = """
func.func @subview(%a: memref<6x8xi32>, %o: memref<2x3xi32>, %i: index) {
  %v = memref.subview %a[%i, 2] [2, 3] [2, 2] : memref<6x8xi32> to
    memref<2x3xi32, strided<[16, 2], offset: ?>>
  %w = memref.subview %v[1, 1] [1, 2] [1, 1] : memref<2x3xi32, strided<[16, 2], offset: ?>> to
    memref<2xi32, strided<[2], offset: ?>>
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %x = memref.load %v[%0, %1] : memref<2x3xi32, strided<[16, 2], offset: ?>>
  %y = memref.load %w[%1] : memref<2xi32, strided<[2], offset: ?>>
  memref.store %x, %o[%0, %0] : memref<2x3xi32>
  memref.store %y, %o[%1, %1] : memref<2x3xi32>
  func.return
}
func.func @view(%a: memref<192xi8>, %o: memref<2x3xi32>, %i: index) {
  %c = arith.constant 8 : index
  %v = memref.view %a[%c][] : memref<192xi8> to memref<4xi32>
  %w = memref.view %a[%i][] : memref<192xi8> to memref<4xi8>
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %x = memref.load %v[%1] : memref<4xi32>
  %h = memref.load %w[%1] : memref<4xi8>
  %y = arith.extsi %h : i8 to i32
  memref.store %x, %o[%0, %0] : memref<2x3xi32>
  memref.store %y, %o[%1, %1] : memref<2x3xi32>
  func.return
}
func.func @cast(%a: memref<6x8xi32>, %o: memref<2x3xi32>, %i: index) {
  %c = memref.collapse_shape %a [[0, 1]] : memref<6x8xi32> into memref<48xi32>
  %r = memref.reinterpret_cast %a to offset: [5], sizes: [4], strides: [3] : memref<6x8xi32> to
    memref<4xi32, strided<[3], offset: 5>>
  %s = memref.reinterpret_cast %r to offset: [%i], sizes: [4], strides: [1] :
    memref<4xi32, strided<[3], offset: 5>> to memref<4xi32, strided<[1], offset: ?>>
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %n = memref.dim %c, %0 : memref<48xi32>
  %last = arith.subi %n, %1 : index
  %x = memref.load %c[%last] : memref<48xi32>
  %y = memref.load %r[%1] : memref<4xi32, strided<[3], offset: 5>>
  %z = memref.load %s[%0] : memref<4xi32, strided<[1], offset: ?>>
  memref.store %x, %o[%0, %0] : memref<2x3xi32>
  memref.store %y, %o[%1, %1] : memref<2x3xi32>
  memref.store %z, %o[%0, %1] : memref<2x3xi32>
  func.return
}
func.func @alloca(%a: memref<6x8xi32>, %o: memref<2x3xi32>, %i: index) {
  %m = memref.alloca() : memref<4x4xi32>
  %x = memref.load %a[%i, %i] : memref<6x8xi32>
  memref.store %x, %m[%i, %i] : memref<4x4xi32>
  %y = memref.load %m[%i, %i] : memref<4x4xi32>
  %0 = arith.constant 0 : index
  memref.store %y, %o[%0, %0] : memref<2x3xi32>
  func.return
}
func.func @scratch(%a: memref<6x8xi32>, %o: memref<2x3xi32>, %i: index) {
  %m = memref.alloca() {alignment = 64 : i64} : memref<64xi8>
  %c = arith.constant 16 : index
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %v = memref.view %m[%c][] : memref<64xi8> to memref<2x4xi32>
  %x = vector.load %a[%i, %0] : memref<6x8xi32>, vector<4xi32>
  vector.store %x, %v[%1, %0] : memref<2x4xi32>, vector<4xi32>
  %y = memref.load %v[%1, %1] : memref<2x4xi32>
  memref.store %y, %o[%0, %0] : memref<2x3xi32>
  func.return
}
func.func @address(%a: memref<6x8xi32>) -> i64 {
  %p = "memref.extract_aligned_pointer_as_index"(%a) : (memref<6x8xi32>) -> index
  %r = arith.index_cast %p : index to i64
  func.return %r : i64
}
"""


@pytest.fixture(scope="module")
def views() -> Jit:
    return Jit(VIEWS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("subview", [[3 * 8 + 4, 0, 0], [0, 5 * 8 + 6, 0]]),
        ("view", [[3, 0, 0], [0, 1, 0]]),
        ("cast", [[47, 3, 0], [0, 8, 0]]),
        ("alloca", [[27, 0, 0], [0, 0, 0]]),
        ("scratch", [[25, 0, 0], [0, 0, 0]]),
    ],
)
def test_views(views: Jit, name: str, expected: list[list[int]]):
    a, out = np.arange(48, dtype=np.int32), np.zeros((2, 3), np.int32)
    pointer, index = ctypes.c_void_p, ctypes.c_int64
    views.function(name, None, pointer, pointer, index)(a.ctypes.data, out.ctypes.data, 3)
    np.testing.assert_array_equal(out, expected)


def test_address_is_the_pointer(views: Jit):
    assert views.function("address", ctypes.c_int64, ctypes.c_void_p)(4096) == 4096


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("%m = memref.alloc() : memref<4xi8>", "memref.alloc in @f: generated code never alloc"),
        ("memref.dealloc %a : memref<4x4xi8>", "memref.dealloc in @f: generated code never"),
        ('"memref.copy"(%a, %a) : (memref<4x4xi8>, memref<4x4xi8>) -> ()', "a copy is a loop"),
        ("%x = memref.load %b[%i] : memref<4xi8, affine_map<(d0) -> (d0)>>", "neither identity"),
        ("%x = memref.load %c[%i] : memref<4xi8, strided<[?]>>", "dynamic or negative"),
        ("%x = memref.load %d[%i] : memref<4xtensor<2xi8>>", "has no llvm type"),
        ("%m = memref.alloca(%i) : memref<?xi8>", "has no static size"),
        ("%n = memref.dim %a, %i : memref<4x4xi8>", "a bare pointer has no size"),
    ],
)
def test_refusals(op: str, message: str):
    text = f"""
    func.func @f(%a: memref<4x4xi8>, %b: memref<4xi8, affine_map<(d0) -> (d0)>>,
                 %c: memref<4xi8, strided<[?]>>, %d: memref<4xtensor<2xi8>>, %i: index) {{
      {op}
      func.return
    }}"""
    with pytest.raises(PassFailedException, match=message):
        convert(parse(text), [ConvertMemRefToLLVMPass()])
