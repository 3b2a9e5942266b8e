import ctypes

import numpy as np
import pytest
from llvm_jit import Jit, assert_converts, convert, parse, vectorwise
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_vector_to_llvm import ConvertVectorToLLVMPass


def test_accesses_are_aligned_to_an_element_unless_they_say_more():
    assert_converts(
        ConvertVectorToLLVMPass(),
        """
        func.func @f(%p: !llvm.ptr, %i: index) {
          %a = builtin.unrealized_conversion_cast %p : !llvm.ptr to memref<4x16xi8>
          %x = vector.load %a[%i, %i] : memref<4x16xi8>, vector<16xi8>
          vector.store %x, %a[%i, %i] {alignment = 16 : i64} : memref<4x16xi8>, vector<16xi8>
          func.return
        }
        """,
        """
        func.func @f(%p: !llvm.ptr, %i: index) {
          %i_1 = builtin.unrealized_conversion_cast %i : index to i64
          %a = builtin.unrealized_conversion_cast %p : !llvm.ptr to memref<4x16xi8>
          %0 = llvm.getelementptr inbounds %p[%i_1, %i_1] : (!llvm.ptr, i64, i64) -> !llvm.ptr, !llvm.array<16 x i8>
          %x = llvm.load %0 {alignment = 1 : i64} : !llvm.ptr -> vector<16xi8>
          %1 = llvm.getelementptr inbounds %p[%i_1, %i_1] : (!llvm.ptr, i64, i64) -> !llvm.ptr, !llvm.array<16 x i8>
          llvm.store %x, %1 {alignment = 16 : i64} : vector<16xi8>, !llvm.ptr
          func.return
        }
        """,  # noqa: E501
    )


def test_lanes():
    jit = Jit(
        vectorwise(
            "splat",
            ["i16"],
            "i16",
            """%e = vector.extract %0[3] : i16 from vector<8xi16>
            %r = vector.broadcast %e : i16 to vector<8xi16>""",
            8,
        )
        + vectorwise(
            "swap",
            ["f32", "f32"],
            "f32",
            """%e = vector.extract %0[7] : f32 from vector<8xf32>
            %five = arith.constant 5 : index
            %s = vector.insert %e, %1[0] : f32 into vector<8xf32>
            %r = vector.insert %e, %s[%five] : f32 into vector<8xf32>""",
            8,
        )
        + vectorwise(
            "shuffle",
            ["i8", "i8"],
            "i8",
            """%a = vector.shuffle %0, %1 [15, 0, 8, 1] : vector<8xi8>, vector<8xi8>
            %r = vector.shuffle %a, %0 [0, 1, 2, 3, 4, 11, 5, 10] : vector<4xi8>, vector<8xi8>""",
            8,
        )
        + vectorwise(
            "constant",
            ["i8"],
            "i8",
            """%c = arith.constant -3 : i8
            %v = vector.broadcast %c : i8 to vector<8xi8>
            %r = arith.addi %v, %0 : vector<8xi8>""",
            8,
        )
        + vectorwise(
            "bits",
            ["f32"],
            "f32",
            """%b = vector.bitcast %0 : vector<8xf32> to vector<32xi8>
            %r = vector.bitcast %b : vector<32xi8> to vector<8xf32>""",
            8,
        )
        + vectorwise("fma", ["f32"] * 3, "f32", "%r = vector.fma %0, %1, %2 : vector<8xf32>", 8)
    )
    a = np.arange(8)
    cases = [
        ("splat", [a.astype(np.int16)], np.full(8, 3)),
        ("swap", [a.astype(np.float32)] * 2, [7, 1, 2, 3, 4, 7, 6, 7]),
        ("shuffle", [a.astype(np.int8), a.astype(np.int8) + 10], [17, 0, 10, 1, 0, 7, 1, 6]),
        ("constant", [a.astype(np.int8)], a - 3),
        ("bits", [a.astype(np.float32)], a),
        ("fma", [a.astype(np.float32)] * 3, a * a + a),
    ]
    for name, inputs, expected in cases:
        out = np.empty_like(inputs[0])
        jit(name, *inputs, out)
        np.testing.assert_array_equal(out, expected, err_msg=name)


REDUCTIONS = {
    "add": ("i32", np.add.reduce),
    "mul": ("i32", np.multiply.reduce),
    "minsi": ("i32", np.min),
    "maxsi": ("i32", np.max),
    "minui": ("i32", lambda a: a.view(np.uint32).min()),
    "maxui": ("i32", lambda a: a.view(np.uint32).max()),
    "and": ("i32", np.bitwise_and.reduce),
    "or": ("i32", np.bitwise_or.reduce),
    "xor": ("i32", np.bitwise_xor.reduce),
    "minnumf": ("f32", np.min),
    "maxnumf": ("f32", np.max),
    "minimumf": ("f32", np.min),
    "maximumf": ("f32", np.max),
}


def _reduction(name: str, kind: str, element: str, start: str) -> str:
    return f"""
    func.func @{name}(%a: memref<8x{element}>, %o: memref<1x{element}>) {{
      %z = arith.constant 0 : index
      %v = vector.load %a[%z] : memref<8x{element}>, vector<8x{element}>
      %s = memref.load %o[%z] : memref<1x{element}>
      %r = vector.reduction <{kind}>, %v {start} : vector<8x{element}> into {element}
      memref.store %r, %o[%z] : memref<1x{element}>
      func.return
    }}"""


def test_reductions():
    text = [_reduction(f"r_{k}", k, element, "") for k, (element, _) in REDUCTIONS.items()]
    text += [_reduction(f"s_{k}", k, element, ", %s") for k, (element, _) in REDUCTIONS.items()]
    text += [_reduction("fadd", "add", "f32", ", %s"), _reduction("fmul", "mul", "f32", "")]
    jit = Jit("\n".join(text))
    for kind, (element, meaning) in REDUCTIONS.items():
        dtype = np.float32 if element == "f32" else np.int32
        a = np.array([5, -7, 3, 11, 2, -1, 6, 9], dtype)
        out = np.array([-2], dtype)
        jit(f"r_{kind}", a, out)
        assert out[0] == np.asarray(meaning(a)).astype(dtype), kind
        out[0] = -2
        jit(f"s_{kind}", a, out)
        assert out[0] == np.asarray(meaning(np.append(a, dtype(-2)))).astype(dtype), kind
    a = np.array([1e8, 1, -1e8, 1, 2, 3, 4, 5], np.float32)
    total = np.array([1], np.float32)
    jit("fadd", a, total)
    in_order = np.float32(1)
    for x in a:
        in_order += x
    assert total[0] == in_order
    jit("fmul", np.arange(1, 9, dtype=np.float32), total)
    assert total[0] == 40320


def test_masked_accesses_touch_only_their_lanes():
    text = """
    func.func @f(%a: memref<4xi32>, %o: memref<4xi32>, %n: index) {
      %z = arith.constant 0 : index
      %m = vector.create_mask %n : vector<4xi1>
      %d = arith.constant dense<-1> : vector<4xi32>
      %x = vector.maskedload %a[%z], %m, %d : memref<4xi32>, vector<4xi1>, vector<4xi32> into
        vector<4xi32>
      %two = arith.constant 2 : index
      %k = vector.create_mask %two : vector<4xi1>
      vector.maskedstore %o[%z], %k, %x : memref<4xi32>, vector<4xi1>, vector<4xi32>
      func.return
    }"""
    f = Jit(text).function("f", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    a, out = np.arange(10, 14, dtype=np.int32), np.zeros(4, np.int32)
    f(a.ctypes.data, out.ctypes.data, 1)
    assert out.tolist() == [10, -1, 0, 0]


def test_widening_through_llvm_ops_mixes_with_vector_ops():
    text = vectorwise(
        "f",
        ["i8"],
        "i32",
        """%c = math.ctpop %0 : vector<16xi8>
        %r = llvm.zext %c : vector<16xi8> to vector<16xi32>""",
        16,
    )
    a, out = np.arange(16, dtype=np.uint8), np.empty(16, np.int32)
    Jit(text)("f", a, out)
    np.testing.assert_array_equal(out, np.bitwise_count(a))


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("%x = vector.load %a[%i, %i] : memref<4x4xi8>, vector<2x2xi8>", "has no llvm type"),
        ("%x = vector.load %s[%i] : memref<4xi8, strided<[2]>>, vector<2xi8>", "not dense in its"),
        ("%x = vector.load %b[%i] : memref<8xi1>, vector<8xi1>", "keeps each i1 in bytes"),
        ("%x = vector.extract %v[%i] : i8 from vector<4xi8>", "the lane is not constant"),
        ('"vector.print"(%v) : (vector<4xi8>) -> ()', "vector.print in @f: has no lowering"),
    ],
)
def test_refusals(op: str, message: str):
    text = f"""
    func.func @f(%a: memref<4x4xi8>, %s: memref<4xi8, strided<[2]>>, %b: memref<8xi1>,
                 %v: vector<4xi8>, %i: index) {{
      {op}
      func.return
    }}"""
    with pytest.raises(PassFailedException, match=message):
        convert(parse(text), [ConvertVectorToLLVMPass()])
