import numpy as np
import pytest
from llvm_jit import Jit, assert_converts, convert, elementwise, parse, vectorwise
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_math_to_llvm import ConvertMathToLLVMPass

COUNT = 64


def popcount(a: np.ndarray) -> np.ndarray:
    return np.bitwise_count(a)


def leading_zeros(a: np.ndarray) -> np.ndarray:
    width = 8 * a.itemsize
    return np.array([width - int(x).bit_length() for x in a], a.dtype)


def trailing_zeros(a: np.ndarray) -> np.ndarray:
    width = 8 * a.itemsize
    return np.array([(int(x) & -int(x)).bit_length() - 1 if x else width for x in a], a.dtype)


BITS = {"ctpop": popcount, "ctlz": leading_zeros, "cttz": trailing_zeros}


def test_bit_counts():
    jit = Jit(
        "\n".join(
            make(f"{name}_{width}_{make.__name__}", [f"i{width}"], f"i{width}", op)
            for name in BITS
            for width in (8, 32, 64)
            for make, op in (
                (elementwise, f"%r = math.{name} %0 : i{width}"),
                (vectorwise, f"%r = math.{name} %0 : vector<{COUNT}xi{width}>"),
            )
        )
    )
    for width in (8, 32, 64):
        dtype = np.dtype(f"uint{width}")
        a = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, COUNT, dtype, endpoint=True)
        a[:3] = 0, 1, np.iinfo(dtype).max
        for name, meaning in BITS.items():
            for form in ("elementwise", "vectorwise"):
                out = np.empty_like(a)
                jit(f"{name}_{width}_{form}", a, out)
                np.testing.assert_array_equal(out, meaning(a), err_msg=f"{name} i{width} {form}")


FLOATS = {
    "absf": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "roundeven": np.rint,
    "sqrt": np.sqrt,
    "trunc": np.trunc,
    "rsqrt": lambda a: np.float32(1) / np.sqrt(a),
}


def test_float_functions_and_absi():
    names = [*FLOATS]
    jit = Jit(
        "\n".join(
            vectorwise(name, ["f32"], "f32", f"%r = math.{name} %0 : vector<{COUNT}xf32>")
            for name in names
        )
        + vectorwise("absi", ["i8"], "i8", f"%r = math.absi %0 : vector<{COUNT}xi8>")
        + vectorwise("fma", ["f64"] * 3, "f64", f"%r = math.fma %0, %1, %2 : vector<{COUNT}xf64>")
        + vectorwise("sign", ["f32"] * 2, "f32", f"%r = math.copysign %0, %1 : vector<{COUNT}xf32>")
    )
    a = (np.arange(COUNT, dtype=np.float32) - 32) / 4
    for name, meaning in FLOATS.items():
        with np.errstate(all="ignore"):
            expected = meaning(a)
        out = np.empty_like(a)
        jit(name, a, out)
        np.testing.assert_array_equal(out, expected, err_msg=name)
    small = np.arange(-128, 128, 4, dtype=np.int8)
    absolute = np.empty_like(small)
    jit("absi", small, absolute)
    np.testing.assert_array_equal(absolute, np.abs(small))
    x, fused = 1 + 2.0**-52 * np.arange(COUNT), np.empty(COUNT)
    jit("fma", x, x, -x, fused)
    k = np.arange(COUNT) * 2.0**-52
    np.testing.assert_array_equal(fused, k + k * k)
    out = np.empty_like(a)
    jit("sign", a, -a, out)
    np.testing.assert_array_equal(out, np.copysign(a, -a))


def test_functions_become_calls_of_mangled_intrinsics():
    assert_converts(
        ConvertMathToLLVMPass(),
        """
        func.func @f(%v: vector<16xi8>, %x: f32, %n: index) {
          %0 = math.ctpop %v : vector<16xi8>
          %1 = math.exp %x : f32
          %2 = math.ctpop %n : index
          func.return
        }
        """,
        """
        func.func @f(%v: vector<16xi8>, %x: f32, %n: index) {
          %n_1 = builtin.unrealized_conversion_cast %n : index to i64
          %0 = llvm.call_intrinsic "llvm.ctpop.v16i8"(%v) : (vector<16xi8>) -> vector<16xi8>
          %1 = llvm.call_intrinsic "llvm.exp.f32"(%x) : (f32) -> f32
          %2 = llvm.call_intrinsic "llvm.ctpop.i64"(%n_1) : (i64) -> i64
          func.return
        }
        """,
    )


def test_functions_that_llvm_lacks_are_refused():
    text = """
    func.func @f(%x: f32) {
      %0 = math.erf %x : f32
      func.return
    }"""
    with pytest.raises(PassFailedException, match=r"math.erf in @f: has no lowering"):
        convert(parse(text), [ConvertMathToLLVMPass()])
