"""The reference of elementwise ops and pools against one scalar at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import code_types, element, fill, fills, seeds, windows
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from lowbit_dialect.codes import CodeType, IntType, OddType, TernaryType, UIntType
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import (
    ROUNDINGS,
    AddOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    MulOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp
from lowbit_dialect.reference import run

F = np.float32
NAN, INF = float("nan"), float("inf")


def evaluate(build: Callable[..., Operation], *operands: tuple[Array, Attribute]) -> Array:
    """The result of one op on arrays of the given elements."""
    types = [TensorType(kind, values.shape) for values, kind in operands]
    block = Block(arg_types=types)
    op = build(*block.args)
    block.add_ops([op, ReturnOp(op)])
    module = ModuleOp([FuncOp("main", (types, [op.results[0].type]), Region(block))])
    module.verify()
    return run(module, *(values for values, _ in operands))[0]


def floats(*values: float) -> tuple[Array, Attribute]:
    return np.array(values, F), f32


def quantize(
    values: Sequence[float], code: CodeType, scale: float = 1.0, **options: object
) -> list[int]:
    def build(x: SSAValue, s: SSAValue) -> Operation:
        return QuantizeOp(x, s, code, **options)  # pyright: ignore[reportArgumentType]

    return evaluate(build, floats(*values), floats(scale)).tolist()


# Rounding, as QONNX names it.

ROUNDED = {
    "half_even": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "down": math.trunc,
    "up": lambda y: math.ceil(y) if y > 0 else math.floor(y),
    "half_up": lambda y: math.floor(abs(y) + 0.5) * (1 if y > 0 else -1),
    "half_down": lambda y: math.ceil(abs(y) - 0.5) * (1 if y > 0 else -1),
}
QUARTERS = [k / 4 for k in range(-20, 21)]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounding(rounding: str):
    expected = [ROUNDED[rounding](y) for y in QUARTERS]
    assert quantize(QUARTERS, IntType(4), rounding=rounding) == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_clamp_comes_before_rounding(rounding: str):
    values = [-9.5, -8.5, -8.2, 7.2, 7.5, 9.5]
    expected = [ROUNDED[rounding](min(max(y, -8), 7)) for y in values]
    assert quantize(values, IntType(4), rounding=rounding) == expected


@given(
    st.sampled_from([UIntType(1), UIntType(3), IntType(2), IntType(8), TernaryType()]),
    st.sampled_from(ROUNDINGS),
    st.sampled_from([0.25, 1.0, 3.0, 0.1]),
    st.integers(-3, 3),
    seeds(),
)
def test_quantize(code: CodeType, rounding: str, scale: float, zero: int, seed: int):
    values = np.random.default_rng(seed).integers(-40, 40, 30).astype(F) / F(8)
    got = quantize(values.tolist(), code, scale, zero_point=zero, rounding=rounding)
    low, high = code.minimum + zero, code.maximum + zero
    scaled = [float(F(v) / F(scale) + F(zero)) for v in values]
    assert got == [ROUNDED[rounding](min(max(y, low), high)) - zero for y in scaled]


def test_bounds_narrow_the_code():
    values = [-9.0, -1.0, 0.0, 1.0, 9.0]
    assert quantize(values, IntType(2), bounds=(-1, 1)) == [-1, -1, 0, 1, 1]
    assert quantize(values, IntType(4), bounds=(0, 5)) == [0, 0, 0, 1, 5]
    assert quantize(values, IntType(4), bounds=(-5, 0)) == [-5, -1, 0, 0, 0]


def test_special_values():
    special = [0.0, -0.0, NAN, INF, -INF, 1e30, -1e30, 1e-45, -1e-45]
    assert quantize(special, UIntType(2)) == [0, 0, 0, 3, 0, 3, 0, 0, 0]
    assert quantize(special, IntType(3)) == [0, 0, -4, 3, -4, 3, -4, 0, 0]
    assert quantize(special, OddType(1)) == [1, 1, -1, 1, -1, 1, -1, 1, -1]
    assert quantize(special, OddType(2)) == [1, 1, -3, 3, -3, 3, -3, 1, -1]


@pytest.mark.parametrize("bits", range(1, 9))
def test_odd_codes_are_the_nearest_with_ties_up(bits: int):
    code = OddType(bits)
    values = [k / 4 for k in range(-4 * 2**bits, 4 * 2**bits + 1, max(1, 2 ** (bits - 3)))]
    nearest = [min(code.values(), key=lambda v, y=y: (abs(v - y), -v)) for y in values]
    assert quantize(values, code) == nearest
    assert quantize([v / 8 for v in values], code, 0.125) == nearest


# Thresholds


@given(code_types(), st.integers(1, 4), st.booleans(), seeds())
def test_threshold(code: CodeType, channels: int, flips: bool, seed: int):
    random = np.random.default_rng(seed)
    x = random.integers(-9, 9, (2, 3, channels)).astype(np.int32)
    t = np.sort(random.integers(-9, 9, (channels, code.steps)).astype(np.int32))
    flip = (
        random.integers(-1, 1, channels).astype(np.int32) if flips else np.zeros(channels, np.int32)
    )

    def build(a: SSAValue, b: SSAValue, c: SSAValue) -> Operation:
        return ThresholdOp(a, b, code, flip=c if flips else None)

    got = evaluate(build, (x, i32), (t, i32), (flip, i32))
    for n, p, c in np.ndindex(x.shape):
        seen = ~int(x[n, p, c]) if flip[c] else int(x[n, p, c])
        passed = sum(1 for bound in t[c] if seen >= bound)
        assert got[n, p, c] == list(code.values())[passed]


def test_thresholds_of_floats():
    """Zeros are equal, infinities reach themselves, NaN reaches nothing and is not reached."""
    x, inf = [NAN, -INF, -3e38, -0.0, 0.0, 1e-45, 3e38, INF], [-INF, 0.0, INF]
    for steps, expected in (
        (inf, [0, 1, 1, 2, 2, 2, 2, 3]),
        ([-0.0, NAN, NAN], [0, 0, 0, 1, 1, 1, 1, 1]),
    ):
        table = np.array([steps], F), f32
        got = evaluate(lambda a, b: ThresholdOp(a, b, UIntType(2)), floats(*x), table)
        assert got.tolist() == expected


def test_thresholds_at_the_ends_of_i32():
    low, high = -(2**31), 2**31 - 1
    x = np.array([[low], [0], [high]], np.int32)
    for flip, expected in ((0, [[1], [1], [2]]), (-1, [[2], [1], [1]])):
        t = np.array([[low, high, high]], np.int32)
        parts = ((x, i32), (t[:, :3], i32), (np.array([flip], np.int32), i32))
        got = evaluate(lambda a, b, c: ThresholdOp(a, b, UIntType(2), flip=c), *parts)
        assert got.tolist() == [[3 if v == [2] else v[0]] for v in expected]


def test_tables_follow_their_axis():
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    t = np.array([[0], [100], [10]], np.int32)
    got = evaluate(lambda a, b: ThresholdOp(a, b, UIntType(1), axis=1), (x, i32), (t, i32))
    assert np.array_equal(got, x >= t.reshape(1, 3, 1))


# Arithmetic


def test_requantize():
    x = np.array([-7, -3, -1, 0, 1, 3, 5, 1000, -1000], np.int32)
    half, one = floats(0.5), floats(1.0)
    to = {
        f32: (x * F(0.5) + F(1.0)).tolist(),
        UIntType(3): [0, 0, 0, 1, 2, 2, 4, 7, 0],
        IntType(3): [-2, 0, 0, 1, 2, 2, 3, 3, -4],
        element("i8"): [-2, 0, 0, 1, 2, 2, 4, 127, -128],
        i32: [-2, 0, 0, 1, 2, 2, 4, 501, -499],
    }
    for kind, expected in to.items():
        got = evaluate(lambda a, s, b, k=kind: RequantizeOp(a, s, k, bias=b), (x, i32), half, one)
        assert got.tolist() == expected, kind


def test_requantize_to_i32_stays_inside():
    x = np.array([2**31 - 1, -(2**31), 0], np.int32)
    for scale, expected in ((2.0, [2**31 - 128, -(2**31), 0]), (NAN, [-(2**31)] * 3)):
        got = evaluate(lambda a, s: RequantizeOp(a, s, i32), (x, i32), floats(scale))
        assert got.tolist() == expected


@given(seeds())
def test_float_arithmetic_rounds_every_step(seed: int):
    random = np.random.default_rng(seed)
    x, g, b, m = (random.normal(size=(4, 3) if k == 0 else 3).astype(F) for k in range(4))
    v = random.uniform(0.1, 2, 3).astype(F)
    rows = [(row, f32) for row in (g, b, m, v)]
    got = evaluate(lambda *args: BatchNormOp(*args, epsilon=1e-3), (x, f32), *rows)
    scaled = evaluate(MulOp, (x, f32), (g, f32)), evaluate(DivOp, (x, f32), (g, f32))
    for n, c in np.ndindex(x.shape):
        deviation = F(math.sqrt(F(v[c] + F(1e-3))))
        assert got[n, c] == F(F(F(F(x[n, c] - m[c]) / deviation) * g[c]) + b[c])
        assert (scaled[0][n, c], scaled[1][n, c]) == (F(x[n, c] * g[c]), F(x[n, c] / g[c]))


def test_clip():
    x = floats(-1.0, 0.5, 7.0, NAN, INF)
    expected = {(0.0, 6.0): [0, 0.5, 6, NAN, 6], (0.0, None): [0, 0.5, 7, NAN, INF]}
    expected[None, 6.0] = [-1, 0.5, 6, NAN, 6]
    for bounds, values in expected.items():
        got = evaluate(lambda a, b=bounds: ClipOp(a, *b), x)
        np.testing.assert_array_equal(got, values)
    whole = np.array([-5, 3, 9], np.int32), i32
    assert evaluate(lambda a: ClipOp(a, -2, 4), whole).tolist() == [-2, 3, 4]


def test_add():
    codes = np.array([[1, 2], [3, 0]], np.uint8), UIntType(2)
    signs = np.array([[-1, 1], [1, -1]], np.int8), OddType(1)
    row = np.array([100, -100], np.int32), i32
    assert evaluate(AddOp, codes, signs).tolist() == [[0, 3], [4, -1]]
    assert evaluate(AddOp, codes, row).tolist() == [[101, -98], [103, -100]]
    zeros = evaluate(AddOp, floats(-0.0, -0.0), floats(0.0, -0.0))
    assert np.signbit(zeros).tolist() == [False, True]


# Pools


@settings(max_examples=60)
@given(
    st.sampled_from(["uint2", "int4", "odd8", "ternary", "i32", "f32"]),
    windows(7),
    windows(7),
    st.sampled_from(["nhwc", "nchw"]),
    fills(),
    seeds(),
)
def test_pools(
    kind: str,
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    format: str,
    fill_kind: str,
    seed: int,
):
    code = {"i32": i32}.get(kind) or element(kind)
    size = rows[0], columns[0]
    shape = (2, *size, 3) if format == "nhwc" else (2, 3, *size)
    x = fill(fill_kind if kind != "i32" else "zeros", shape, code, seed)
    options = {
        "strides": (rows[2], columns[2]),
        "padding": (rows[3], columns[3], rows[4], columns[4]),
        "format": format,
    }
    kernel = rows[1], columns[1]
    got = evaluate(lambda a: AvgPoolOp(a, kernel, **options), (x, code))
    covered = _covered(x, kernel, options["strides"], options["padding"], format)
    means = {at: sum(map(float, seen)) / (kernel[0] * kernel[1]) for at, seen in covered.items()}
    assert all(got[at] == (F(m) if kind == "f32" else math.floor(m)) for at, m in means.items())
    if all(covered.values()):
        got = evaluate(lambda a: MaxPoolOp(a, kernel, **options), (x, code))
        assert all(got[at] == max(seen) for at, seen in covered.items())


def _covered(
    x: Array, kernel: tuple[int, int], strides: tuple[int, int], padding: Sequence[int], format: str
) -> dict[tuple[int, ...], list[float]]:
    """What lies under the window of every output."""
    nhwc = x if format == "nhwc" else x.transpose(0, 2, 3, 1)
    high = [
        (nhwc.shape[k + 1] + padding[k] + padding[k + 2] - kernel[k]) // strides[k] for k in (0, 1)
    ]
    found: dict[tuple[int, ...], list[float]] = {}
    for n, oy, ox, c in np.ndindex(nhwc.shape[0], high[0] + 1, high[1] + 1, nhwc.shape[3]):
        places = [
            (oy * strides[0] - padding[0] + ky, ox * strides[1] - padding[1] + kx)
            for ky, kx in np.ndindex(kernel)
        ]
        inside = [(y, z) for y, z in places if 0 <= y < nhwc.shape[1] and 0 <= z < nhwc.shape[2]]
        at = (n, oy, ox, c) if format == "nhwc" else (n, c, oy, ox)
        found[at] = [nhwc[n, y, z, c] for y, z in inside]
    return found


def test_the_largest_passes_over_nan():
    x = np.array([NAN, -1, NAN, NAN], np.float32).reshape(1, 2, 2, 1)
    largest = evaluate(lambda a: MaxPoolOp(a, (2, 1)), (x, f32))
    assert largest.ravel().tolist() == [-INF, -1]


def test_a_divisor_of_one_keeps_the_sum():
    x = np.array([-3, 1, 1, -1], np.int8).reshape(1, 2, 2, 1)
    sums = evaluate(lambda a: AvgPoolOp(a, (2, 2), divisor=1), (x, IntType(3)))
    means = evaluate(lambda a: AvgPoolOp(a, (2, 2)), (x, IntType(3)))
    assert (sums.item(), means.item()) == (-2, -1)


def test_i32_wraps():
    most = np.full((1, 2, 2, 1), 2**31 - 1, np.int32)
    assert evaluate(lambda a: AvgPoolOp(a, (2, 2)), (most, i32)).item() == -1
    assert evaluate(AddOp, (most, i32), (most, i32)).ravel().tolist() == [-2] * 4
