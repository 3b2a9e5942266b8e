"""`lowbit-fuse` on chains of extreme and special constants: every accumulator keeps its code."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from programs import Net
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f32, i32
from xdsl.ir import SSAValue

from lowbit_dialect import reference
from lowbit_dialect.codes import parse_code
from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.ops.elementwise import (
    ROUNDINGS,
    AddOp,
    ApplyOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    MulOp,
    PreluOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowering.lowbit_fuse import LowbitFusePass

INF, NAN = float("inf"), float("nan")
SPECIAL = (0.0, -0.0, INF, -INF, NAN, 1e-45, -1e-45, 3e38, -3e38, 1e38, 1e-38, 2.0**31, -(2.0**24))
NUMBERS = st.sampled_from(SPECIAL) | st.floats(-8, 8, width=32) | st.floats(width=32)
FACTORS = st.floats(-3, 3, width=32) | st.sampled_from((0.0, -0.0, 1e38, 1e-40))
INTEGERS = st.integers(-9, 9) | st.sampled_from([2**31 - 1, -(2**31), 2**31 - 1000, 1000 - 2**31])
CHANNELS = 3
STEPS = ("mul", "div", "add", "clip", "batch_norm", "prelu", "apply")


def row(net: Net, data: DataObject) -> SSAValue:
    size = data.draw(st.sampled_from((1, CHANNELS)))
    numbers = data.draw(st.lists(NUMBERS, min_size=size, max_size=size))
    return net.constant(np.array(numbers, np.float32), f32)


def sums(net: Net, data: DataObject, kind: str) -> SSAValue:
    """Every value of an i8 or i16 times one weight a channel, with what may follow in i32."""
    low, high = {"i8": (-128, 127), "i16": (-(2**15), 2**15 - 1)}[kind]
    weights = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=3, max_size=3)), np.int8)
    x = net.input((high - low + 1, 1), kind)
    y = net.dense(x, net.constant(weights.reshape(1, CHANNELS), "i8"))
    for _ in range(data.draw(st.integers(0, 2))):
        if data.draw(st.booleans()):
            y = net.add(AddOp(y, net.constant(np.array([data.draw(INTEGERS)], np.int32), i32)))
        else:
            bounds = sorted(data.draw(st.tuples(INTEGERS, INTEGERS)))
            y = net.add(ClipOp(y, *bounds))
    if data.draw(st.integers(0, 3)) == 0:
        steps = np.array([data.draw(st.lists(INTEGERS, min_size=3, max_size=3))], np.int32)
        flip = net.constant(np.array(data.draw(st.sampled_from(([0], [-1], [0, -1, 0])))), i32)
        y = net.add(ThresholdOp(y, net.constant(steps, i32), parse_code("uint2"), flip=flip))
    return y


def step(net: Net, y: SSAValue, data: DataObject) -> SSAValue:
    match data.draw(st.sampled_from(STEPS)):
        case "mul":
            return net.add(MulOp(y, row(net, data)))
        case "div":
            return net.add(DivOp(y, row(net, data)))
        case "add":
            return net.add(AddOp(y, row(net, data)))
        case "prelu":
            return net.add(PreluOp(y, row(net, data)))
        case "apply":
            name = data.draw(st.sampled_from(sorted(FUNCTIONS)))
            factors = {one: data.draw(FACTORS) for one in FUNCTIONS[name].parameters}
            return net.add(ApplyOp(name, y, **factors))
        case "clip":
            low, high = (data.draw(st.none() | NUMBERS) for _ in range(2))
            return net.add(ClipOp(y, low, high))
        case _:
            rows = [row(net, data) for _ in range(4)]
            return net.add(BatchNormOp(y, *rows, epsilon=data.draw(st.sampled_from((0.0, 1e-5)))))


def quantised(net: Net, y: SSAValue, data: DataObject) -> SSAValue:
    code = parse_code(
        data.draw(st.sampled_from(("uint1", "odd1", "odd3", "int2", "int4", "uint4")))
    )
    scale = row(net, data)
    if code.is_odd:
        return net.add(QuantizeOp(y, scale, code))
    zero = data.draw(st.sampled_from((0, 1, -3, 2**23)))
    mode = data.draw(st.sampled_from(ROUNDINGS))
    return net.add(QuantizeOp(y, scale, code, zero_point=zero, rounding=mode))


def chain(data: DataObject) -> tuple[ModuleOp, np.ndarray]:
    net, kind = Net(), data.draw(st.sampled_from(("i8", "i8", "i16")))
    y = sums(net, data, kind)
    bias = row(net, data) if data.draw(st.booleans()) else None
    y = net.add(RequantizeOp(y, row(net, data), f32, bias=bias))
    for _ in range(data.draw(st.integers(0, 3))):
        y = step(net, y, data)
    held = np.iinfo(kind.replace("i", "int"))
    every = np.arange(held.min, held.max + 1).astype(held.dtype).reshape(-1, 1)
    return net.module(quantised(net, y, data)), every


@given(st.data())
def test_every_accumulator_keeps_its_code(data: DataObject):
    module, every = chain(data)
    fused = module.clone()
    LowbitFusePass().apply(Context(), fused)
    fused.verify()
    (want,), (got,) = reference.run(module, every), reference.run(fused, every)
    np.testing.assert_array_equal(got, want)
