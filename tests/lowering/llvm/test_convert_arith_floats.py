"""`convert-arith-to-llvm` on floats, and between widths: what compiled functions compute."""

import numpy as np
from llvm_jit import COUNT, Jit, data, elementwise, vectorwise

RELATIONS = {
    "eq": np.equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "ne": np.not_equal,
}


def floats() -> tuple[np.ndarray, np.ndarray]:
    special = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 3e9], np.float32)
    return np.repeat(special, 8), np.tile(special, 8)


def test_float_comparisons():
    names = ["false", "true", "ord", "uno"] + [k + name for name in RELATIONS for k in "ou"]
    jit = Jit(
        "\n".join(
            elementwise(
                f"f_{name}",
                ["f32", "f32"],
                "i8",
                f"%c = arith.cmpf {name}, %0, %1 : f32\n%r = arith.extui %c : i1 to i8",
            )
            for name in names
        )
    )
    a, b = floats()
    unordered = np.isnan(a) | np.isnan(b)
    for name in names:
        out = np.empty(COUNT, np.int8)
        jit(f"f_{name}", a, b, out)
        if name in ("false", "true"):
            expected = np.full(COUNT, name == "true")
        elif name in ("ord", "uno"):
            expected = unordered if name == "uno" else ~unordered
        else:
            related = RELATIONS[name[1:]](a, b)
            expected = related | unordered if name[0] == "u" else related & ~unordered
        np.testing.assert_array_equal(out, expected, err_msg=name)


def test_float_ops():
    meanings = {
        "addf": np.add,
        "subf": np.subtract,
        "mulf": np.multiply,
        "divf": np.divide,
        "minimumf": np.minimum,
        "maximumf": np.maximum,
        "minnumf": np.fmin,
        "maxnumf": np.fmax,
    }
    jit = Jit(
        "\n".join(
            make(f"{name}_{make.__name__}", ["f32"] * 2, "f32", f"%r = arith.{name} %0, %1 : {t}")
            for name in meanings
            for make, t in ((elementwise, "f32"), (vectorwise, "vector<64xf32>"))
        )
        + vectorwise("negf", ["f32"], "f32", "%r = arith.negf %0 : vector<64xf32>")
    )
    a, b = floats()
    for name, meaning in meanings.items():
        with np.errstate(all="ignore"):
            expected = meaning(a, b)
        for form in ("elementwise", "vectorwise"):
            out = np.empty_like(a)
            jit(f"{name}_{form}", a, b, out)
            np.testing.assert_array_equal(out, expected, err_msg=f"{name} {form}")
    out = np.empty_like(a)
    jit("negf", a, out)
    np.testing.assert_array_equal(np.signbit(out), ~np.signbit(a))


CASTS = [
    ("extsi", "i8", "i32", np.int8, np.int32),
    ("extui", "i8", "i32", np.uint8, np.uint32),
    ("extui", "i32", "i64", np.uint32, np.uint64),
    ("trunci", "i64", "i8", np.int64, np.int8),
    ("sitofp", "i8", "f32", np.int8, np.float32),
    ("sitofp", "i64", "f64", np.int64, np.float64),
    ("uitofp", "i8", "f32", np.uint8, np.float32),
    ("uitofp", "i32", "f32", np.uint32, np.float32),
    ("uitofp", "i64", "f32", np.uint64, np.float32),
    ("uitofp", "i64", "f64", np.uint64, np.float64),
    ("bitcast", "i32", "f32", np.int32, None),
]


def test_integer_casts():
    jit = Jit(
        "\n".join(
            elementwise(f"c{i}", [old], new, f"%r = arith.{name} %0 : {old} to {new}")
            for i, (name, old, new, _, _) in enumerate(CASTS)
        )
    )
    for i, (name, old, new, from_type, to_type) in enumerate(CASTS):
        dtype = np.dtype(from_type)
        a = data(8 * dtype.itemsize, 3, unsigned=dtype.kind == "u")
        a[:2] = (1 << (8 * dtype.itemsize - 2)) + 1
        expected = a.view(np.float32) if to_type is None else a.astype(to_type)
        out = np.empty_like(expected)
        jit(f"c{i}", a, out)
        np.testing.assert_array_equal(out, expected, err_msg=f"{name} {old} {new}")


def test_floats_to_integers_saturate():
    jit = Jit(
        elementwise("signed", ["f32"], "i32", "%r = arith.fptosi %0 : f32 to i32")
        + elementwise("unsigned", ["f32"], "i8", "%r = arith.fptoui %0 : f32 to i8")
        + elementwise("wider", ["f32"], "f64", "%r = arith.extf %0 : f32 to f64")
        + elementwise("narrower", ["f64"], "f32", "%r = arith.truncf %0 : f64 to f32")
    )
    a, _ = floats()
    clean = np.nan_to_num(a.astype(np.float64), nan=0, posinf=1e18, neginf=-1e18)
    signed, unsigned = np.empty(COUNT, np.int32), np.empty(COUNT, np.uint8)
    jit("signed", a, signed)
    np.testing.assert_array_equal(signed, np.trunc(np.clip(clean, -(2**31), 2**31 - 1)))
    jit("unsigned", a, unsigned)
    np.testing.assert_array_equal(unsigned, np.trunc(np.clip(clean, 0, 255)))
    wide, back = np.empty(COUNT), np.empty(COUNT, np.float32)
    jit("wider", a, wide)
    jit("narrower", wide, back)
    np.testing.assert_array_equal(wide, a.astype(np.float64))
    np.testing.assert_array_equal(back, a)
