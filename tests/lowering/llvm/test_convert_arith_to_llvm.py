import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from llvm_jit import COUNT, Jit, assert_converts, convert, data, elementwise, parse, vectorwise
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_arith_to_llvm import ConvertArithToLLVMPass

WIDTHS = (8, 32, 64)

SIGNED = {
    "addi": np.add,
    "subi": np.subtract,
    "muli": np.multiply,
    "andi": np.bitwise_and,
    "ori": np.bitwise_or,
    "xori": np.bitwise_xor,
    "maxsi": np.maximum,
    "minsi": np.minimum,
}
UNSIGNED = {"maxui": np.maximum, "minui": np.minimum}
DIVISION = {
    "divsi": lambda a, b: (a - np.fmod(a, b)) // b,
    "floordivsi": np.floor_divide,
    "ceildivsi": lambda a, b: -np.floor_divide(-a, b),
    "remsi": np.fmod,
}
UNSIGNED_DIVISION = {
    "divui": np.floor_divide,
    "ceildivui": lambda a, b: a // b + (a % b != 0).astype(a.dtype),
    "remui": np.mod,
}
SHIFTS = {"shli": np.left_shift, "shrsi": np.right_shift}


def _functions(names: list[str]) -> str:
    return "\n".join(
        make(f"{name}_{width}_{make.__name__}", [f"i{width}"] * 2, f"i{width}", op)
        for name in names
        for width in WIDTHS
        for make, op in (
            (elementwise, f"%r = arith.{name} %0, %1 : i{width}"),
            (vectorwise, f"%r = arith.{name} %0, %1 : vector<{COUNT}xi{width}>"),
        )
    )


@pytest.fixture(scope="module")
def binary() -> Jit:
    every = SIGNED | UNSIGNED | DIVISION | UNSIGNED_DIVISION | SHIFTS | {"shrui": None}
    return Jit(_functions(list(every)))


def run(jit: Jit, name: str, width: int, a: np.ndarray, b: np.ndarray, expected: np.ndarray):
    for form in ("elementwise", "vectorwise"):
        out = np.empty_like(a)
        jit(f"{name}_{width}_{form}", a, b, out)
        np.testing.assert_array_equal(out, expected, err_msg=f"{name} i{width} {form}")


@pytest.mark.parametrize("width", WIDTHS)
def test_integer_ops(binary: Jit, width: int):
    for name, meaning in (SIGNED | UNSIGNED).items():
        unsigned = name in UNSIGNED
        a, b = (data(width, seed, unsigned=unsigned) for seed in (1, 2))
        run(binary, name, width, a, b, meaning(a, b))


@pytest.mark.parametrize("width", WIDTHS)
def test_divisions(binary: Jit, width: int):
    a, b = data(width, 1), data(width, 2)
    a[a == np.iinfo(a.dtype).min] += 1
    b[b == 0] = 7
    b[10:30] = np.arange(-10, 10) * 2 + 1
    for name, meaning in DIVISION.items():
        run(binary, name, width, a, b, meaning(a, b))
    a, b = (data(width, seed, unsigned=True) for seed in (1, 2))
    b[b == 0] = 7
    for name, meaning in UNSIGNED_DIVISION.items():
        run(binary, name, width, a, b, meaning(a, b))


@pytest.mark.parametrize("width", WIDTHS)
def test_shifts(binary: Jit, width: int):
    a = data(width, 1)
    b = (np.arange(COUNT) % width).astype(a.dtype)
    for name, meaning in SHIFTS.items():
        run(binary, name, width, a, b, meaning(a, b))
    unsigned = a.view(f"u{a.dtype}")
    shifted = np.right_shift(unsigned, b.astype(unsigned.dtype))
    run(binary, "shrui", width, unsigned, b.astype(unsigned.dtype), shifted)


NONZERO = st.integers(-127, 127).filter(bool)


@settings(max_examples=50, deadline=None)
@given(
    a=arrays(np.int8, COUNT, elements=st.integers(-127, 127)),
    b=arrays(np.int8, COUNT, elements=NONZERO),
)
def test_rounding_divisions_are_those_of_exact_fractions(binary: Jit, a, b):
    wide_a, wide_b = a.astype(np.int64), b.astype(np.int64)
    run(binary, "floordivsi", 8, a, b, (wide_a // wide_b).astype(np.int8))
    run(binary, "ceildivsi", 8, a, b, (-(-wide_a // wide_b)).astype(np.int8))


PREDICATES = {
    "eq": np.equal,
    "ne": np.not_equal,
    "slt": np.less,
    "sle": np.less_equal,
    "sgt": np.greater,
    "sge": np.greater_equal,
    "ult": np.less,
    "ule": np.less_equal,
    "ugt": np.greater,
    "uge": np.greater_equal,
}


def test_integer_comparisons():
    text = [
        elementwise(
            name,
            ["i32", "i32"],
            "i8",
            f"%c = arith.cmpi {name}, %0, %1 : i32\n%r = arith.extui %c : i1 to i8",
        )
        for name in PREDICATES
    ]
    jit = Jit("\n".join(text))
    a, b = data(32, 1), data(32, 2)
    b[30:40] = a[30:40]
    for name, meaning in PREDICATES.items():
        out = np.empty(COUNT, np.int8)
        jit(name, a, b, out)
        kind = np.uint32 if name.startswith("u") else np.int32
        np.testing.assert_array_equal(out, meaning(a.view(kind), b.view(kind)), err_msg=name)


def test_extended_results():
    jit = Jit(
        elementwise("mulu", ["i32"] * 2, "i32", "%l, %r = arith.mului_extended %0, %1 : i32")
        + elementwise("muls", ["i32"] * 2, "i32", "%l, %r = arith.mulsi_extended %0, %1 : i32")
        + elementwise(
            "carry",
            ["i32"] * 2,
            "i32",
            "%l, %c = arith.addui_extended %0, %1 : i32, i1\n%r = arith.extui %c : i1 to i32",
        )
    )
    a, b = data(32, 1), data(32, 2)
    out = np.empty(COUNT, np.int32)
    jit("muls", a, b, out)
    np.testing.assert_array_equal(out, (a.astype(np.int64) * b) >> 32)
    ua, ub = a.view(np.uint32).astype(np.uint64), b.view(np.uint32).astype(np.uint64)
    jit("mulu", a, b, out)
    np.testing.assert_array_equal(out.view(np.uint32), (ua * ub) >> np.uint64(32))
    jit("carry", a, b, out)
    np.testing.assert_array_equal(out, (ua + ub) >> np.uint64(32))


def test_select_takes_any_value():
    jit = Jit(
        elementwise(
            "f",
            ["i32", "f32"],
            "f32",
            """%z = arith.constant 0 : i32
            %half = arith.constant 0.5 : f32
            %c = arith.cmpi slt, %0, %z : i32
            %r = arith.select %c, %1, %half : f32""",
        )
    )
    a, b = data(32, 1), np.arange(COUNT, dtype=np.float32)
    out = np.empty_like(b)
    jit("f", a, b, out)
    np.testing.assert_array_equal(out, np.where(a < 0, b, np.float32(0.5)))


def test_vector_forms_that_arith_itself_does_not_verify():
    text = vectorwise(
        "f",
        ["i32", "i32"],
        "f32",
        """%c = "arith.cmpi"(%0, %1) <{predicate = 6 : i64}> :
            (vector<8xi32>, vector<8xi32>) -> vector<8xi1>
        %s = "arith.select"(%c, %0, %1) :
            (vector<8xi1>, vector<8xi32>, vector<8xi32>) -> vector<8xi32>
        %x = "arith.uitofp"(%s) : (vector<8xi32>) -> vector<8xf32>
        %e = "arith.extui"(%c) : (vector<8xi1>) -> vector<8xi32>
        %y = "arith.sitofp"(%e) : (vector<8xi32>) -> vector<8xf32>
        %r = arith.addf %x, %y : vector<8xf32>""",
        8,
    )
    module = convert(parse(text, verify=False), [ConvertArithToLLVMPass()])
    a, b = data(32, 1, unsigned=True)[:8], data(32, 2, unsigned=True)[:8]
    out = np.empty(8, np.float32)
    Jit(module)("f", a, b, out)
    np.testing.assert_array_equal(out, np.minimum(a, b).astype(np.float32) + (a < b))


def test_index_becomes_i64_with_casts_at_the_seams():
    assert_converts(
        ConvertArithToLLVMPass(),
        """
        func.func @f(%n: index) -> index {
          %c = arith.constant 3 : index
          %s = arith.addi %n, %c overflow<nsw> : index
          %t = arith.index_cast %s : index to i32
          %u = arith.index_cast %t : i32 to index
          func.return %u : index
        }
        """,
        """
        func.func @f(%n: index) -> index {
          %n_1 = builtin.unrealized_conversion_cast %n : index to i64
          %c = llvm.mlir.constant(3) : i64
          %s = llvm.add %n_1, %c overflow<nsw> : i64
          %t = llvm.trunc %s : i64 to i32
          %u = llvm.sext %t : i32 to i64
          %u_1 = builtin.unrealized_conversion_cast %u : i64 to index
          func.return %u_1 : index
        }
        """,
    )


def test_what_llvm_lacks_becomes_intrinsics():
    assert_converts(
        ConvertArithToLLVMPass(),
        """
        func.func @f(%v: vector<4xi32>, %x: f32) {
          %m = arith.maxsi %v, %v : vector<4xi32>
          %i = arith.fptosi %x : f32 to i32
          %a = arith.addf %x, %x fastmath<reassoc> : f32
          func.return
        }
        """,
        """
        func.func @f(%v: vector<4xi32>, %x: f32) {
          %m = llvm.call_intrinsic "llvm.smax.v4i32"(%v, %v) : (vector<4xi32>, vector<4xi32>) -> vector<4xi32>
          %i = llvm.call_intrinsic "llvm.fptosi.sat.i32.f32"(%x) : (f32) -> i32
          %a = llvm.fadd %x, %x {fastmathFlags = #llvm.fastmath<reassoc>} : f32
          func.return
        }
        """,
    )


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("%r = arith.addi %t, %t : tensor<4xi32>", "arith.addi in @f: tensor<4xi32> has no llvm"),
        ("%r = arith.addi %v, %v : vector<2x2xi32>", "vector<2x2xi32> has no llvm type"),
    ],
)
def test_refusals_name_the_op(op: str, message: str):
    text = f"""
    func.func @f(%t: tensor<4xi32>, %v: vector<2x2xi32>) {{
      {op}
      func.return
    }}"""
    with pytest.raises(PassFailedException, match=message):
        convert(parse(text), [ConvertArithToLLVMPass()])
