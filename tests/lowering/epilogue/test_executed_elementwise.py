"""Elementwise ops on their own, with odd channel counts, ties, NaN, signed zeros and infinities."""

from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, inputs
from sampling import sample
from strategies import code_types, seeds
from xdsl.dialects.builtin import Float32Type, f32, i8, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.ops.common import value_range
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
    RescaleOp,
    ThresholdOp,
)
from lowbit_dialect.ops.linear import DenseOp

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 37)
SPECIAL = (
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    0.5,
    1.5,
    -0.5,
    -2.5,
    1e-42,
    3e38,
    -3e38,
    1e10,
    126.5,
)
SCALES = (1.0, 0.5, 0.25, 3.0, 0.1, 1 / 3, 7.7)


class Case:
    """One op on one tensor: its program in the making and its data."""

    def __init__(self, draw: DrawFn, kinds: tuple[Attribute, ...]) -> None:
        self.draw, self.net, self.arrays = draw, Net(), list[Array]()
        self.random = np.random.default_rng(draw(seeds()))
        self.channels = draw(st.sampled_from(CHANNELS))
        others = draw(st.sampled_from(((), (2,), (5,), (1, 3), (2, 3, 2), (2, 1, 3, 2))))
        at = draw(st.integers(0, len(others)))
        self.shape = (*others[:at], self.channels, *others[at:])
        self.axis = at - draw(st.sampled_from((0, len(self.shape))))
        self.kind = draw(st.sampled_from(kinds))
        self.x = self.argument(self.values(self.kind, self.shape), self.kind)

    def argument(self, values: Array, kind: Attribute) -> SSAValue:
        self.arrays.append(values)
        return self.net.input(values.shape, kind)

    def values(self, kind: Attribute, shape: tuple[int, ...]) -> Array:
        random, dtype = self.random, storage_dtype(kind)
        if isinstance(kind, CodeType):
            return random.choice(np.array(kind.values()), shape).astype(dtype)
        if isinstance(kind, Float32Type):
            halves = random.integers(-20, 21, shape) / 2
            mixed = np.where(random.random(shape) < 0.3, random.choice(SPECIAL, shape), halves)
            return np.where(
                random.random(shape) < 0.2, random.standard_normal(shape), mixed
            ).astype(dtype)
        low, high = value_range(kind)
        near = random.integers(max(low, -50), min(high, 50) + 1, shape)
        ends = random.choice(np.array([low // 2, high // 2, low // 2 + 1]), shape)
        return np.where(random.random(shape) < 0.2, ends, near).astype(dtype)

    def table(self, values: Array, kind: Attribute) -> SSAValue:
        """A table with a row for each channel or one for all: an argument, packed or not, or a constant."""
        if self.draw(st.integers(0, 3)) == 0:
            values = values[:1]
        values = np.ascontiguousarray(values, storage_dtype(kind))
        match self.draw(st.sampled_from(("constant", "packed", "plain"))):
            case "constant":
                return self.net.constant(values, kind)
            case place:
                self.arrays.append(values)
                return self.net.input(values.shape, kind, constant=place == "packed")

    def scales(self, choices: tuple[float, ...] = SCALES) -> SSAValue:
        return self.table(self.random.choice(choices, self.channels), f32)

    def check(self, op: Any, tier: str) -> None:
        module = self.net.module(self.net.add(op))
        threads = 1 + self.channels % 3
        check(module, [self.arrays], tier, verify_each=self.channels % 12 == 0, threads=threads)


@st.composite
def cases(draw: DrawFn, *kinds: Attribute) -> Case:
    return Case(draw, kinds)


def threshold(case: Case, data: Any) -> Any:
    code = data.draw(code_types())
    if case.kind == f32:
        steps = case.values(f32, (case.channels, code.steps))
        rows = np.sort(steps, axis=1) if data.draw(st.booleans()) else steps
        return ThresholdOp(case.x, case.table(rows, f32), code, axis=case.axis)
    steps = np.sort(case.random.integers(-60, 60, (case.channels, code.steps)), axis=1)
    ends = case.random.random(case.channels) < 0.3
    steps[ends, -1], steps[~ends, 0] = 2**31 - 1, -(2**31)
    flip = None
    if data.draw(st.booleans()):
        flip = case.table(-case.random.integers(0, 2, case.channels), i32)
    return ThresholdOp(case.x, case.table(steps, i32), code, flip=flip, axis=case.axis)


def quantize(case: Case, data: Any) -> Any:
    code = data.draw(code_types())
    scale = case.scales()
    if code.is_odd:
        return QuantizeOp(case.x, scale, code, axis=case.axis)
    zero = data.draw(st.sampled_from((0, 0, 1, -3, 2**23 - 256)))
    bounds = None
    if data.draw(st.booleans()):
        low = data.draw(st.integers(code.minimum, code.maximum))
        bounds = (low + zero, data.draw(st.integers(low, code.maximum)) + zero)
    return QuantizeOp(
        case.x,
        scale,
        code,
        zero_point=zero,
        rounding=data.draw(st.sampled_from(ROUNDINGS)),
        bounds=bounds,
        axis=case.axis,
    )


def requantize(case: Case, data: Any) -> Any:
    codes = code_types().filter(lambda code: not code.is_odd)
    element = data.draw(st.one_of(st.sampled_from((f32, i8, i16, i32)), codes))
    scale = case.scales((*SCALES, -0.5, 1e-3, 1e9))
    bias = case.scales((0.0, -0.0, 0.5, -7.25, 1e6)) if data.draw(st.booleans()) else None
    return RequantizeOp(case.x, scale, element, bias=bias, axis=case.axis)


def rescale(case: Case, data: Any) -> Any:
    """Tables at whose ends the lowest and the highest code are found, or any sum is the same."""
    code, left = (
        data.draw(code_types().filter(lambda c: not c.is_odd)),
        data.draw(st.integers(0, 8)),
    )
    right = 15 - int(max(-code.minimum, code.maximum + 1)).bit_length()
    random, size = case.random, case.channels
    ends = np.sort(random.integers(-(2**15) >> left, 2**15 >> left, (2, size)), axis=0)
    # Codes between those of the type, wherever the ends are.
    multiplier = random.integers(-(2**15), 2**15, size) >> right
    multiplier //= 2 * np.maximum(1, ends.max(axis=0) - ends.min(axis=0) >> 15 - left)
    scaled = np.sort((ends << left) * multiplier + 2**14 >> 15, axis=0)
    fits = scaled[1] - scaled[0] < code.steps << right
    multiplier = np.where(fits, multiplier, 0)
    offset = (code.minimum << right) - np.where(fits, scaled[0], 0)
    rows = *ends, multiplier, offset, np.full(size, 2 ** (16 - right))
    return RescaleOp(
        case.x, *(case.table(row, i16) for row in rows), code, left=left, axis=case.axis
    )


def batch_norm(case: Case, data: Any) -> Any:
    rows = [
        case.scales(c) for c in ((1.0, -0.5, 0.0, 2.5), (0.5, -3.0), (0.0, 1.25), (0.0, 0.3, 4.0))
    ]
    return BatchNormOp(
        case.x, *rows, epsilon=data.draw(st.sampled_from((1e-5, 1e-3))), axis=case.axis
    )


def scaling(case: Case, data: Any) -> Any:
    op = data.draw(st.sampled_from((MulOp, DivOp)))
    if data.draw(st.booleans()):
        return op(case.x, case.argument(case.values(f32, case.shape), f32))
    return op(case.x, case.scales((*SCALES, 0.0, -0.0, -2.0, 1e30)), axis=case.axis)


def prelu(case: Case, data: Any) -> Any:
    return PreluOp(case.x, case.scales((0.01, 0.25, -0.5, 0.0, 3.0)), axis=case.axis)


def clip(case: Case, data: Any) -> Any:
    low, high = data.draw(st.sampled_from(((0, None), (0, 6), (None, 3), (-7, -2))))
    return ClipOp(case.x, low, high)


def add(case: Case, data: Any) -> Any:
    others = (f32,) if case.kind == f32 else (i32, i8, i16, case.kind)
    kind = data.draw(st.sampled_from(others))
    if data.draw(st.booleans()):
        other = case.argument(case.values(kind, case.shape), kind)
        return AddOp(case.x, other)
    return AddOp(case.x, case.table(case.values(kind, (case.channels,)), kind), axis=case.axis)


@pytest.mark.parametrize("kind", [i32, f32])
@pytest.mark.parametrize("channels", [1, 2, 8, 33])
@pytest.mark.parametrize("tier", TIERS)
def test_a_vector_added_to_itself(tier: str, channels: int, kind: Attribute):
    net = Net()
    x = net.input((channels,), kind)
    values = np.arange(channels, dtype=storage_dtype(kind)) - 3
    check(net.module(net.add(AddOp(x, x))), [[values]], tier)


@pytest.mark.parametrize("tier", TIERS)
def test_tables_of_narrow_integers(tier: str):
    """A row for each channel and one for all, added to sums."""
    for number, kind in enumerate((i8, i16, parse_code("uint4"), parse_code("odd8"))):
        net = Net()
        x, w = net.input((3, 5), "uint4"), net.input((5, 19), "int4", constant=True)
        values = np.random.default_rng(number).choice((1, 3, 15), 19 if number % 2 else 1)
        table = net.constant(values.astype(storage_dtype(kind)), kind)
        module = net.module(net.add(AddOp(net.dense(x, w), table)))
        check(module, [inputs(module, ["random"], 1)], tier, fuse=number < 2)


@pytest.mark.parametrize("tier", TIERS)
def test_every_function(tier: str):
    """On floats of any bits, denormals among them."""
    bits = np.random.default_rng(0).integers(0, 2**32, 3001, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([np.array(SPECIAL, np.float32), bits.view(np.float32)])
    net = Net()
    value = net.input(x.shape, f32)
    made = [ApplyOp(n, value, **dict.fromkeys(f.parameters, 0.7)) for n, f in FUNCTIONS.items()]
    check(net.module(*map(net.add, made)), [[x]], tier)


@pytest.mark.parametrize("tier", TIERS)
def test_functions_in_epilogues(tier: str):
    """Gates and functions that are no thresholds, on sums with a tail."""
    net = Net()
    x, w = net.input((3, 40), "uint4"), net.input((40, 21), "int4", constant=True)
    scale = net.constant(np.float32([1e-2]), f32)
    one, two = (net.add(RequantizeOp(net.dense(x, w), scale, f32)) for _ in range(2))
    slopes = net.constant(np.linspace(-1, 1, 21).astype(np.float32), f32)
    gated = net.add(MulOp(net.add(ApplyOp("gelu", one)), net.add(PreluOp(two, slopes))))
    codes = net.add(QuantizeOp(gated, scale, parse_code("int8")))
    module = net.module(codes)
    module = check(module, [inputs(module, ["random"], 1)], tier, fuse=True)
    inside = [op for op in module.walk() if isinstance(op.parent_op(), DenseOp)]
    assert {type(op) for op in inside} >= {ApplyOp, PreluOp, MulOp, QuantizeOp}


OPS = {
    "threshold": (threshold, (i32, f32)),
    "quantize": (quantize, (f32,)),
    "requantize": (requantize, (i32,)),
    "batch_norm": (batch_norm, (f32,)),
    "scaling": (scaling, (f32,)),
    "prelu": (prelu, (f32,)),
    "clip": (clip, (f32, i32)),
    "add": (add, (f32, i32)),
    "rescale": (rescale, (i32,)),
}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("tier", TIERS)
def test_elementwise(name: str, tier: str):
    build, kinds = OPS[name]

    def run(case: Case, data: Any) -> None:
        case.check(build(case, data), tier)

    number = 10 * list(OPS).index(name) + TIERS.index(tier)
    sample(run, number, cases(*kinds), st.data())


@pytest.mark.parametrize("tier", TIERS)
def test_codes_as_operands(tier: str):
    """Codes that are added and scaled."""

    def run(code: CodeType, data: Any) -> None:
        case = Case(data.draw, (code,))
        build = data.draw(st.sampled_from((add, requantize)))
        case.check(build(case, data), tier)

    sample(run, TIERS.index(tier), code_types(), st.data())
