"""Accumulator bounds: attained, never exceeded, and refused exactly where a sum could wrap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import LinearCase, element, fill, linear_cases, linear_op
from xdsl.dialects.builtin import ModuleOp, TensorType, i8, i16, i32, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.codes import CODE_SPELLINGS, UIntType, parse_code
from lowbit_dialect.layout import Array, Layout, LayoutAttr
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import BitpackOp
from lowbit_dialect.ops.linear import DenseOp, LinearOp
from lowbit_dialect.ranges import accumulator_range, admit, proven_range
from lowbit_dialect.reference import run

LIMIT = 2**31 - 1


def with_constant_weights(case: LinearCase, weights: Array) -> tuple[ModuleOp, LinearOp]:
    x = TensorType(element(case.activation), case.input_shape)
    block = Block(arg_types=[x])
    w = ConstantOp.of(weights, element(case.weight))
    op = linear_op(case, block.args[0], w)
    block.add_ops([w, op, ReturnOp(op)])
    main = FuncOp("main", ([x], [op.results[0].type]), Region(block))
    return ModuleOp([main]), op


@settings(max_examples=40)
@given(linear_cases(largest=5))
def test_no_accumulator_leaves_its_range(case: LinearCase):
    x, w = case.arrays()
    module, op = with_constant_weights(case, w)
    module.verify()
    op.range = proven_range(op)
    module.verify()
    (y,) = run(module, x)
    channel = 1 if case.op == "conv2d" and case.format == "nchw" else y.ndim - 1
    sums = np.moveaxis(y, channel, -1).reshape(-1, case.outputs).astype(np.int64)
    known, (low, high) = accumulator_range(op.contraction, op.weights), op.contraction.bound
    assert known is not None
    assert np.all(known[0] <= sums) and np.all(sums <= known[1])
    assert low <= known[0].min() and known[1].max() <= high


@pytest.mark.parametrize("activation", CODE_SPELLINGS)
def test_the_range_of_known_weights_is_attained(activation: str):
    code = parse_code(activation)
    for weight in ("uint2", "int3", "odd2", "ternary"):
        case = LinearCase("dense", activation, weight, height=2, channels=9, outputs=3)
        w = fill("random", case.weight_shape, element(weight), 7)
        module, op = with_constant_weights(case, w)
        known = accumulator_range(op.contraction, op.weights)
        assert known is not None
        for channel in range(3):
            column = w[:, channel] > 0
            x = np.array([np.where(column, *ends) for ends in _ends(code.minimum, code.maximum)])
            y = run(module, x.astype(code.storage))[0][:, channel].tolist()
            assert y == [known[0][channel], known[1][channel]]


def _ends(low: int, high: int) -> list[tuple[int, int]]:
    return [(low, high), (high, low)]


def test_a_pad_value_widens_the_range():
    case = LinearCase("conv2d", "odd1", "uint1", width=2, kernel=(1, 2), padding=(0, 1, 0, 0))
    weights = np.ones((1, 2, 1, 1), np.uint8)
    _, op = with_constant_weights(replace(case, activation="uint2", pad_value=3), weights)
    known = accumulator_range(op.contraction, op.weights)
    assert known is not None and (known[0].item(), known[1].item()) == (0, 6)


def test_constants_are_seen_through_layouts():
    x = TensorType(UIntType(1), (1, 8))
    w = ConstantOp.of(np.ones((8, 4), np.uint8), UIntType(1))
    layout = LayoutAttr(Layout.of("d1, planes, d0 by 8", 8))
    packed = BitpackOp(w, TensorType(UIntType(1), (8, 4), layout))
    op = DenseOp(Block(arg_types=[x]).args[0], packed, TensorType(i32, (1, 4)))
    known = accumulator_range(op.contraction, op.weights)
    assert known is not None and known[1].tolist() == [8, 8, 8, 8]


def dense(
    activation: Attribute,
    weight: Attribute,
    depth: int,
    sums: Attribute,
    values: Array | None = None,
) -> None:
    """Verify a dense layer of one output, its weights an argument or `values`."""
    x, w = TensorType(activation, (1, depth)), TensorType(weight, (depth, 1))
    block = Block(arg_types=[x, w])
    held = block.args[1] if values is None else ConstantOp.of(values.reshape(depth, 1), weight)
    op = DenseOp(block.args[0], held, TensorType(sums, (1, 1)))
    admit(op)
    op.verify()


BOUNDARIES = [
    (activation, weight, LIMIT // (max(map(abs, value_range(a))) * max(map(abs, value_range(w)))))
    for activation, weight in (
        ("uint8", "uint8"),
        ("uint8", "odd8"),
        ("odd8", "odd8"),
        ("int8", "int8"),
        ("i8", "i8"),
        ("i16", "i8"),
        ("i16", "i16"),
        ("uint8", "i16"),
    )
    for a, w in [(element(activation), element(weight))]
]


@pytest.mark.parametrize(("activation", "weight", "deepest"), BOUNDARIES)
def test_depth_is_bounded_by_type(activation: str, weight: str, deepest: int):
    a, w = element(activation), element(weight)
    dense(a, w, deepest, i32)
    with pytest.raises(VerifyException, match=r"the sum of \d+ products lies in .* wrap in i32"):
        dense(a, w, deepest + 1, i32)
    dense(a, w, deepest + 1, i64)


def test_known_weights_are_bounded_exactly():
    """65,538 weights of 32,767 and a last one fill an i32 to its last bit."""
    weights = np.full(65_539, 32_767, np.int16)
    weights[-1] = 1
    dense(UIntType(1), i16, weights.size, i32, weights)
    dense(UIntType(1), i16, weights.size, i32, -weights)
    weights[-1] = 2
    for wrong in (weights, -weights):
        with pytest.raises(VerifyException, match=r"can wrap in i32"):
            dense(UIntType(1), i16, weights.size, i32, wrong)
    dense(UIntType(1), i16, weights.size, i32, np.where(np.arange(weights.size) % 2, weights, 0))


def test_signs_of_known_weights_cancel_nothing():
    """The bound is of each sum of some products, so +w and -w do not make room."""
    weights = np.tile(np.array([32_767, -32_767], np.int16), 40_000)
    with pytest.raises(VerifyException, match="can wrap in i32"):
        dense(i8, i16, weights.size, i32, weights)


@pytest.mark.parametrize("got", [i8, i16, UIntType(8)])
def test_accumulators_are_wide(got: Attribute):
    with pytest.raises(VerifyException, match=f"accumulates in i32 or i64, not {got}"):
        dense(UIntType(1), UIntType(1), 4, got)
