"""The reference of `conv2d`, `dense` and `corrections` against sums written out position by position."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from strategies import (
    FILLS,
    LinearCase,
    linear_cases,
    linear_op,
    plain_pairs,
    program_for,
)
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.ir import Block
from xdsl.rewriter import Rewriter

from lowbit_dialect.algebra import OFFSETS
from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import ints
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.gather import LinesOp, SubsampleOp, WindowsOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.reference import evaluate_op, run


def integer_pairs() -> SearchStrategy[tuple[str, str]]:
    return st.sampled_from([("i8", "i8"), ("uint2", "i8"), ("odd3", "ternary"), ("int8", "int8")])


def naive(case: LinearCase, x: Array, w: Array) -> Array:
    """Every output by its own sum, as DESIGN defines the op; decoded integers in i64."""
    if case.op == "dense":
        return np.array([[int(np.dot(r, c)) for c in wide(w).T] for r in wide(x)])
    if case.format == "nchw":
        x, w = x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)
    x, w = wide(x), wide(w)
    (top, left, _, _), shape = case.padding, case.output_shape
    rows, columns = shape[1:3] if case.format == "nhwc" else shape[2:4]
    ins, outs = case.channels // case.groups, case.outputs // case.groups
    y = np.zeros((case.batch, rows, columns, case.outputs), x.dtype)
    for n, oy, ox, group in np.ndindex(case.batch, rows, columns, case.groups):
        patch = np.full((*case.kernel, ins), case.pad_value, x.dtype)
        for ky, kx in np.ndindex(case.kernel):
            iy = oy * case.strides[0] - top + ky * case.dilations[0]
            ix = ox * case.strides[1] - left + kx * case.dilations[1]
            if 0 <= iy < case.height and 0 <= ix < case.width:
                patch[ky, kx] = x[n, iy, ix, group * ins : (group + 1) * ins]
        of = slice(group * outs, (group + 1) * outs)
        y[n, oy, ox, of] = (patch[..., None] * w[..., of]).sum(axis=(0, 1, 2))
    return y if case.format == "nhwc" else y.transpose(0, 3, 1, 2)


def wide(values: Array) -> Array:
    return values.astype(np.float64 if values.dtype == np.float32 else np.int64)


def corrected(case: LinearCase, products: str = "popcount") -> ModuleOp:
    """The program of a case that sums popcounts, or products inside the image, and corrects them."""
    plain = linear(case)
    terms = CorrectionsOp.of(plain.contraction, plain.weights, products)
    op = linear_op(case, plain.input, plain.weights, terms.results[0])
    op.properties["products"] = StringAttr(products)
    Rewriter.replace_op(plain, [terms, op])
    module = op.get_toplevel_object()
    assert isinstance(module, ModuleOp)
    return module


def linear(case: LinearCase) -> LinearOp:
    (op,) = (op for op in program_for(case).walk() if isinstance(op, LinearOp))
    return op


def decoded(code: str) -> list[int]:
    return list(parse_code(code).values())


@settings(max_examples=60)
@given(linear_cases(largest=6))
def test_products_of_codes(case: LinearCase):
    x, w = case.arrays()
    module = program_for(case)
    module.verify()
    (y,) = run(module, x, w)
    assert y.shape == case.output_shape
    assert np.array_equal(y, naive(case, x, w))


@settings(max_examples=40)
@given(linear_cases(plain_pairs(), largest=6))
def test_products_of_integers_and_floats(case: LinearCase):
    x, w = case.arrays()
    module = program_for(case)
    module.verify()
    (y,) = run(module, x, w)
    expected = naive(case, x, w)
    if case.activation == "f32":  # the quarters of `fill` add without rounding
        assert y.dtype == np.float32
    assert np.array_equal(y, expected)


@settings(max_examples=25)
@given(linear_cases(largest=5))
def test_popcounts_and_corrections_are_the_products(case: LinearCase):
    x, w = case.arrays()
    module = corrected(case)
    module.verify()
    assert np.array_equal(run(module, x, w)[0], run(program_for(case), x, w)[0])


@settings(max_examples=25)
@given(linear_cases(integer_pairs(), largest=5), st.sampled_from(["multiply", *OFFSETS]))
def test_padding_and_offsets_are_corrections_of_products(case: LinearCase, products: str):
    x, w = case.arrays()
    module = corrected(case, products)
    module.verify()
    assert np.array_equal(run(module, x, w)[0], run(program_for(case), x, w)[0])


@settings(max_examples=30)
@given(linear_cases(ops=("conv2d",), largest=5))
def test_corrections_make_up_for_a_border_of_codes(case: LinearCase):
    """Padding that is filled with a code, whatever it should be."""
    fill, (top, left, bottom, right) = parse_code(case.activation).minimum, case.padding
    (x, w), asked = case.arrays(), linear(case)
    terms = CorrectionsOp.of(asked.contraction, asked.weights, fill=fill)
    terms.verify()
    size = {"height": case.height + top + bottom, "width": case.width + left + right}
    grown = replace(case, **size, padding=(0, 0, 0, 0))
    plain, window = linear(grown), asked.contraction.window
    rows, columns = window.rows, window.columns
    op = linear_op(grown, plain.input, plain.weights, terms.results[0])
    op.properties["edges"] = ints((rows.head, columns.head, rows.tail, columns.tail))
    op.verify()
    pads = [(0, 0), (top, bottom), (left, right)]
    pads.insert(1 if case.format == "nchw" else 3, (0, 0))
    values = {
        plain.input: np.pad(x, pads, constant_values=fill),
        plain.weights: w,
        terms.results[0]: evaluate_op(terms, {asked.weights: w}),
    }
    assert np.array_equal(evaluate_op(op, values), naive(case, x, w))


BITSERIAL = LinearCase(
    "conv2d",
    "uint1",
    "uint1",
    batch=2,
    height=4,
    width=3,
    channels=4,
    outputs=4,
    kernel=(2, 3),
    strides=(2, 1),
    padding=(1, 0, 2, 2),
    dilations=(1, 2),
    groups=2,
)


@pytest.mark.parametrize("activation", CODE_SPELLINGS)
def test_popcounts_for_every_pair_of_codes(activation: str):
    values = decoded(activation)
    pads = sorted({0, values[0], values[-1], (values[0] + values[-1]) // 2} | {1, -1})
    legal = [p for p in pads if min(values[0], 0) <= p <= max(values[-1], 0)]
    for number, weight in enumerate(CODE_SPELLINGS):
        case = replace(
            BITSERIAL,
            activation=activation,
            weight=weight,
            pad_value=legal[number % len(legal)],
            format=("nhwc", "nchw")[number % 2],
            fills=(FILLS[number % 5], FILLS[number // 5]),
            seed=number,
        )
        x, w = case.arrays()
        assert np.array_equal(run(corrected(case), x, w)[0], naive(case, x, w)), case


def test_a_convolution_by_hand():
    """Pixels 1, 2, 0 after a pad of 3, each less the one before."""
    case = LinearCase("conv2d", "uint2", "odd1", width=3, kernel=(1, 2), padding=(0, 1, 0, 0))
    case = replace(case, pad_value=3)
    x = np.array([1, 2, 0], np.uint8).reshape(1, 1, 3, 1)
    w = np.array([-1, 1], np.int8).reshape(1, 2, 1, 1)
    assert run(program_for(case), x, w)[0].ravel().tolist() == [-2, 1, -2]


@pytest.mark.parametrize("depth", [3967, 3968, 4096, 8192])
def test_deep_sums_of_ones(depth: int):
    case = LinearCase("dense", "uint8", "uint8", channels=depth, fills=("max", "max"))
    assert run(corrected(case), *case.arrays())[0].item() == depth * 255 * 255


def test_a_large_pad_value_between_codes():
    case = replace(BITSERIAL, activation="odd3", weight="ternary", pad_value=-4)
    x, w = case.arrays()
    assert np.array_equal(run(corrected(case), x, w)[0], naive(case, x, w))


@pytest.mark.parametrize("format", ["nhwc", "nchw"])
def test_subsample(format: str):
    """Rows 0 and 2 of three, columns 0, 3 and 6 of seven."""
    x = np.arange(42, dtype=np.uint8).reshape(1, 3, 7, 2)
    wanted = x[:, [0, 2]][:, :, [0, 3, 6]]
    order = (0, 3, 1, 2) if format == "nchw" else (0, 1, 2, 3)
    x, wanted = x.transpose(order), wanted.transpose(order)
    block = Block(arg_types=[TensorType(parse_code("uint6"), x.shape)])
    op = SubsampleOp(block.args[0], (2, 3), format=format)
    op.verify()
    assert np.array_equal(evaluate_op(op, {block.args[0]: x}), wanted)


@settings(max_examples=60)
@given(linear_cases(ops=("conv2d",), largest=6))
def test_windows_of_lines_are_what_an_output_sees(case: LinearCase):
    """Element by element, with padding by a value of the code."""
    code, (x, _) = parse_code(case.activation), case.arrays()
    pad = code.maximum
    block = Block(arg_types=[TensorType(code, case.input_shape)])
    lines = LinesOp(block.args[0], padding=case.padding, pad_value=pad, format=case.format)
    windows = WindowsOp(
        lines,
        case.window.out,
        channels=case.channels,
        kernel=case.kernel,
        strides=case.strides,
        dilations=case.dilations,
        format=case.format,
    )
    for op in (lines, windows):
        op.verify()
    held = evaluate_op(windows, {lines.results[0]: evaluate_op(lines, {block.args[0]: x})})
    if case.format == "nchw":
        x, held = x.transpose(0, 2, 3, 1), held.transpose(0, 2, 3, 1)
    taps = held.reshape(*held.shape[:3], *case.kernel, case.channels)
    for n, oy, ox, ky, kx in np.ndindex(taps.shape[:-1]):
        iy = oy * case.strides[0] - case.padding[0] + ky * case.dilations[0]
        ix = ox * case.strides[1] - case.padding[1] + kx * case.dilations[1]
        inside = 0 <= iy < case.height and 0 <= ix < case.width
        assert (taps[n, oy, ox, ky, kx] == (x[n, iy, ix] if inside else pad)).all()
