"""`lowbit-fuse` changes no bit, whatever the scales, and leaves what it cannot fuse correct."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from programs import Array, Net, inputs
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i32
from xdsl.ir import Operation, SSAValue

from lowbit_dialect import reference
from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.ops.elementwise import (
    ROUNDINGS,
    AddOp,
    ApplyOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    ElementwiseOp,
    MulOp,
    PreluOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.linear import DenseOp, LinearOp
from lowering.epilogue.code_chains import LEAST_OF_A_LINE, MOST_STEPS
from lowering.lowbit_fuse import LowbitFusePass

CHANNELS, ROWS = 3, 40
NUMBERS = st.one_of(
    st.sampled_from([2.0**k for k in range(-6, 7)]),
    st.floats(0.0078125, 128, width=32),
    st.sampled_from([1e-30, 1e-6, 1e6, 1e30]),
)
"""Scales: powers of two, of which ties are exact, and tiny and huge ones."""


def same(module: ModuleOp, seed: int) -> ModuleOp:
    """Fuse a copy, compare the reference of both, and return the copy."""
    module.verify()
    fused = module.clone()
    LowbitFusePass().apply(Context(), fused)
    fused.verify()
    for fills in (["random"], ["minimum", "maximum"], ["maximum"]):
        arguments = inputs(module, fills, seed)
        for want, got in zip(reference.run(module, *arguments), reference.run(fused, *arguments)):
            np.testing.assert_array_equal(got, want)
    return fused


def ops(module: ModuleOp, *kinds: type[Operation]) -> list[Operation]:
    return [op for op in module.walk() if isinstance(op, kinds)]


def table(net: Net, data: DataObject, *, signed: bool = True, zero: bool = False) -> SSAValue:
    """A table of one row, or one for each channel."""
    numbers = NUMBERS.map(lambda x: -x) | NUMBERS if signed else NUMBERS
    numbers = numbers | st.just(0.0) if zero else numbers
    size = data.draw(st.sampled_from((1, CHANNELS)))
    values = data.draw(st.lists(numbers, min_size=size, max_size=size))
    return net.constant(np.array(values, np.float32), "f32")


def step(net: Net, value: SSAValue, data: DataObject) -> SSAValue:
    """One float op, with parameters of every kind."""
    kind = data.draw(st.sampled_from(("mul", "div", "add", "clip", "batch_norm")))
    match kind:
        case "mul":
            return net.add(MulOp(value, table(net, data, zero=True)))
        case "div":
            return net.add(DivOp(value, table(net, data)))
        case "add":
            return net.add(AddOp(value, table(net, data, zero=True)))
        case "clip":
            bounds = sorted(data.draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9))))
            low, high = (data.draw(st.sampled_from((bound, None))) for bound in bounds)
            return net.add(ClipOp(value, low, high))
        case _:
            rows = [table(net, data, zero=True) for _ in range(3)]
            return net.add(BatchNormOp(value, *rows, table(net, data, signed=False, zero=True)))


def quantised(net: Net, value: SSAValue, data: DataObject, spelling: str) -> SSAValue:
    """A quantiser with any rounding, zero point and bounds that its code allows."""
    code, scale = parse_code(spelling), table(net, data, signed=False)
    if code.is_odd:
        return net.add(QuantizeOp(value, scale, code))
    zero = data.draw(st.integers(-5, 5))
    ends = st.integers(code.minimum, code.maximum)
    low, high = sorted(data.draw(st.tuples(ends, ends)))
    bounds = data.draw(st.sampled_from((None, (low + zero, high + zero))))
    rounding = data.draw(st.sampled_from(ROUNDINGS))
    options: dict[str, Any] = {"zero_point": zero, "bounds": bounds, "rounding": rounding}
    return net.add(QuantizeOp(value, scale, code, **options))


def layer(net: Net, *, constant: bool = False) -> SSAValue:
    """A dense layer whose accumulators take every value in -27..27, and many rows of them."""
    x = net.input((ROWS, 9), "uint2")
    if constant:
        weights = np.random.default_rng(1).choice(np.array([-1, 0, 1], np.int8), (9, CHANNELS))
        return net.dense(x, net.constant(weights, "ternary"))
    return net.dense(x, net.input((9, CHANNELS), "odd1"))


@settings(max_examples=80)
@given(st.data())
def test_chains_keep_every_code(data: DataObject) -> None:
    net, spelling = Net(), data.draw(st.sampled_from(CODE_SPELLINGS))
    y = layer(net, constant=data.draw(st.booleans()))
    bias = table(net, data, zero=True) if data.draw(st.booleans()) else None
    y = net.add(RequantizeOp(y, table(net, data, zero=True), f32, bias=bias))
    for _ in range(data.draw(st.integers(0, 2))):
        y = step(net, y, data)
    fused = same(net.module(quantised(net, y, data, spelling)), data.draw(st.integers(0, 99)))
    (linear,) = ops(fused, LinearOp)
    outside = [op for op in ops(fused, ElementwiseOp) if op.parent_op() is not linear]
    assert not outside, "the chain is not in the epilogue"
    if parse_code(spelling).steps > MOST_STEPS:
        assert not ops(fused, ThresholdOp)


@pytest.mark.parametrize("spelling", CODE_SPELLINGS)
def test_ties_of_a_power_of_two(spelling: str) -> None:
    """Half of every odd accumulator is a tie; a line goes through all but those of odd codes."""
    for rounding in ROUNDINGS:
        net, code = Net(), parse_code(spelling)
        half = net.constant(np.array([0.5, -0.5, 0.25], np.float32), "f32")
        one = net.constant(np.ones(1, np.float32), "f32")
        y = net.add(RequantizeOp(layer(net), half, f32))
        options = {} if code.is_odd else {"rounding": rounding}
        fused = same(net.module(net.add(QuantizeOp(y, one, code, **options))), 0)
        if code.is_odd or code.steps < LEAST_OF_A_LINE:
            assert bool(ops(fused, ThresholdOp)) == (code.steps <= MOST_STEPS)
        elif rounding == "half_even":
            assert not ops(fused, QuantizeOp, ThresholdOp)


def chain(net: Net, y: SSAValue, axis: int = -1) -> SSAValue:
    scale = net.constant(np.array([0.5, -0.25, 2.0], np.float32), "f32")
    one = net.constant(np.ones(1, np.float32), "f32")
    y = net.add(RequantizeOp(y, scale, f32, axis=axis))
    return net.add(QuantizeOp(y, one, parse_code("uint2"), axis=axis))


def test_two_users_stay_apart() -> None:
    net = Net()
    y = layer(net)
    fused = same(net.module(chain(net, y), chain(net, y)), 0)
    assert not ops(fused, ThresholdOp)


def test_a_result_that_is_returned_stays() -> None:
    net = Net()
    y = layer(net)
    same(net.module(y, chain(net, y)), 0)


def test_residual_adds() -> None:
    net = Net()
    y = net.add(AddOp(layer(net), net.input((ROWS, CHANNELS), "int4")))
    assert ops(same(net.module(chain(net, y)), 0), AddOp)


def real(net: Net, value: SSAValue, data: DataObject, spelling: str) -> SSAValue:
    """What integers stand for, perhaps normalised or rectified, in codes."""
    value = net.add(RequantizeOp(value, table(net, data, zero=True), f32))
    for _ in range(data.draw(st.integers(0, 2))):
        value = step(net, value, data)
    return quantised(net, value, data, spelling)


@settings(max_examples=60)
@given(st.data())
def test_codes_added_to_codes_keep_every_code(data: DataObject) -> None:
    """A layer in codes, those of another tensor in codes like them, and their sum in codes again."""
    net, (code, other, last) = Net(), (data.draw(st.sampled_from(CODE_SPELLINGS)) for _ in "abc")
    beside = net.input((ROWS, CHANNELS), other)
    if data.draw(st.booleans()):
        beside = real(net, beside, data, code)
    y = net.add(AddOp(real(net, layer(net), data, code), beside))
    same(net.module(real(net, y, data, last)), data.draw(st.integers(0, 99)))


def test_a_residual_block_has_one_op_on_each_side_of_the_add() -> None:
    net, one = Net(), np.ones(1, np.float32)

    def codes(value: SSAValue, scale: float, spelling: str) -> SSAValue:
        value = net.add(RequantizeOp(value, net.constant(one, "f32"), f32))
        value = net.add(ClipOp(value, -100, 100))
        return net.add(
            QuantizeOp(value, net.constant(one * np.float32(scale), "f32"), parse_code(spelling))
        )

    beside = codes(net.input((ROWS, CHANNELS), "uint4"), 0.75, "int5")
    y = net.add(AddOp(codes(layer(net), 1.7, "int5"), beside))
    fused = same(net.module(codes(y, 2.3, "uint4")), 0)
    (linear,) = ops(fused, LinearOp)
    inside = [op for op in ops(fused, ElementwiseOp) if op.parent_op() is linear]
    assert [type(op) for op in inside] == [RequantizeOp, AddOp, RequantizeOp]
    assert len(ops(fused, ElementwiseOp)) == 4 and len(ops(fused, RequantizeOp)) == 3


def test_an_accumulator_added_to_itself() -> None:
    net = Net()
    y = layer(net)
    same(net.module(net.add(AddOp(y, y))), 0)


def test_two_layers_added() -> None:
    net = Net()
    same(net.module(chain(net, net.add(AddOp(layer(net), layer(net))))), 0)


def test_channels_first() -> None:
    net = Net()
    x, w = net.input((2, 9, 4, 5), "uint2"), net.input((CHANNELS, 9, 1, 1), "odd1")
    fused = same(net.module(chain(net, net.conv2d(x, w, format="nchw"), axis=1)), 0)
    assert ops(fused, ThresholdOp)


@pytest.mark.parametrize("size", [CHANNELS, CHANNELS + 1])
@pytest.mark.parametrize("axes", [(1, 3), (3, 1), (1, 1)])
def test_tables_along_rows(axes: tuple[int, int], size: int) -> None:
    """Only tables along the channels of the producer become thresholds of each channel."""
    net, random = Net(), np.random.default_rng(size)
    y = net.conv2d(net.input((2, size, 4, 9), "uint2"), net.input((1, 1, 9, CHANNELS), "odd1"))
    first, second = (
        table_of(net, *random.uniform(0.05, 0.5, size if axis == 1 else CHANNELS)) for axis in axes
    )
    y = net.add(RequantizeOp(y, first, f32, axis=axes[0]))
    module = net.module(net.add(QuantizeOp(y, second, parse_code("uint2"), axis=axes[1])))
    assert not ops(same(module, 0), ThresholdOp)


def test_a_single_row_has_no_axis() -> None:
    net = Net()
    y = net.conv2d(
        net.input((2, 9, 4, 5), "uint2"), net.input((CHANNELS, 9, 1, 1), "odd1"), format="nchw"
    )
    y = net.add(RequantizeOp(y, table_of(net, 0.25), f32))
    y = net.add(QuantizeOp(y, table_of(net, 0.5, 1.0, 2.0), parse_code("uint2"), axis=1))
    assert ops(same(net.module(y), 0), ThresholdOp)


@pytest.mark.parametrize("given", [-5000, 5000])
def test_corrections_that_are_given(given: int) -> None:
    """They may move sums anywhere, so the range of the products bounds no threshold."""
    net = Net()
    x, w = net.input((ROWS, 9), "uint2"), net.constant(np.ones((9, CHANNELS), np.int8), "odd1")
    corrections = net.constant(np.full((1, 1, CHANNELS), given), "i32")
    sums = TensorType(i32, (ROWS, CHANNELS))
    y = net.add(DenseOp(x, w, sums, corrections=corrections))
    y = net.add(RequantizeOp(y, table_of(net, 0.01, -0.01, 1e-3), f32))
    y = net.add(QuantizeOp(y, table_of(net, 1.0), parse_code("uint2")))
    assert ops(same(net.module(y), 0), ThresholdOp)


def test_tables_that_are_arguments() -> None:
    net = Net()
    y = net.add(RequantizeOp(layer(net), net.input((CHANNELS,), "f32"), f32))
    fused = same(net.module(net.add(ClipOp(y, 0.0))), 0)
    assert all(isinstance(op.parent_op(), LinearOp) for op in ops(fused, ElementwiseOp))


def test_values_that_a_range_saturates() -> None:
    """Thresholds outside the range of the accumulator are the ends of i32."""
    net = Net()
    y = net.add(RequantizeOp(layer(net), table_of(net, 1e30, -1e30, 1e-30), f32))
    one = table_of(net, 1.0)
    same(net.module(net.add(QuantizeOp(y, one, parse_code("int2")))), 0)


def table_of(net: Net, *values: float) -> SSAValue:
    held: Array = np.array(values, np.float32)
    return net.constant(held, "f32")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sigmoid", {}),
        ("tanh", {}),
        ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
        ("elu", {"alpha": 1.0}),
        ("elu", {"alpha": -1.0}),
        ("sign", {}),
        ("neg", {}),
        ("gelu", {}),
        ("hard_swish", {}),
        ("prelu", {"slope": [0.25, 0.0, 1.5]}),
        ("prelu", {"slope": [0.25, -0.5, 1.5]}),
    ],
    ids=str,
)
def test_functions_that_never_turn_round_become_one_op(name: str, parameters: dict[str, Any]):
    """Of sums over a range too large to look at; others stay functions in the epilogue."""
    net = Net()
    x, w = net.input((ROWS, 500), "uint8"), net.input((500, CHANNELS), "int8", constant=True)
    real = net.add(RequantizeOp(net.dense(x, w), net.constant(np.float32([3e-6]), "f32"), f32))
    if name == "prelu":
        slope = net.constant(np.float32(parameters["slope"]), "f32")
        applied = net.add(PreluOp(real, slope))
        steady = min(parameters["slope"]) >= 0
    else:
        applied = net.add(ApplyOp(name, real, **parameters))
        steady = name not in ("gelu", "hard_swish") and parameters.get("alpha", 0) >= 0
    scale = net.constant(np.float32([0.11]), "f32")
    fused = same(net.module(net.add(QuantizeOp(applied, scale, parse_code("int4")))), 0)
    kinds = [type(op) for op in ops(fused, ElementwiseOp)]
    last = PreluOp if name == "prelu" else ApplyOp
    line = name in ("neg", "sign")
    one = [RequantizeOp if line else ThresholdOp]
    assert kinds == (one if steady else [RequantizeOp, last, QuantizeOp])
