"""Small networks to draw: convolutions whose codes the next one reads, residuals, pools, flattening."""

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, data, inputs, with_shape
from strategies import code_types, seeds
from xdsl.dialects.builtin import ModuleOp, f32, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.ops.common import element_of
from lowbit_dialect.ops.elementwise import (
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
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ops.rows import REDUCTIONS, ReduceOp, TopKOp
from lowbit_dialect.reference import Array

CHANNELS = (1, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40)
SMALL = ("uint1", "uint2", "int2", "int3", "odd1", "odd2", "ternary", "uint4")


class Network:
    """A network in the making, with codes as its current value."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw, self.net = draw, Net()
        self.seed = draw(seeds())
        self.random = np.random.default_rng(self.seed)
        self.format = draw(st.sampled_from(("nhwc", "nhwc", "nchw")))
        size, channels = (
            draw(st.sampled_from(((5, 6), (4, 9), (8, 3)))),
            draw(st.sampled_from(CHANNELS)),
        )
        shape = (1, *size, channels) if self.format == "nhwc" else (1, channels, *size)
        self.x = self.net.input(shape, self.code())

    def code(self) -> CodeType:
        return self.draw(st.one_of(st.sampled_from(SMALL).map(parse_code), code_types()))

    @property
    def axis(self) -> int:
        return 3 if self.format == "nhwc" else 1

    def shape(self, value: SSAValue) -> tuple[int, ...]:
        return tuple(value.type.get_shape())  # pyright: ignore

    def table(self, values: Any, kind: Attribute = f32) -> SSAValue:
        dtype = np.float32 if kind == f32 else np.int32
        return self.net.constant(np.ascontiguousarray(values, dtype), kind)

    def convolve(self, outputs: int, *, keep: bool = False) -> SSAValue:
        """A convolution of the current value, of the same size if `keep`."""
        channels = self.shape(self.x)[self.axis]
        size = 3 if keep else self.draw(st.sampled_from((1, 3, 3)))
        shape = (size, size, channels, outputs)
        if self.format == "nchw":
            shape = (outputs, channels, size, size)
        weight = parse_code(self.draw(st.sampled_from(SMALL)))
        if self.draw(st.booleans()):
            w = self.net.constant(data(weight, shape, "random", self.random), weight)
        else:
            w = self.net.input(shape, weight, constant=True)
        pad = size // 2 if keep else self.draw(st.integers(size // 2, size - 1))
        strides = (1, 1) if keep else self.draw(st.sampled_from(((1, 1), (1, 2))))
        return self.net.conv2d(self.x, w, strides=strides, padding=(pad,) * 4, format=self.format)

    def steps(self, code: CodeType, channels: int) -> Array:
        return np.sort(self.random.integers(-40, 40, (channels, code.steps)), axis=1)

    def quantised(self, y: SSAValue, kind: str) -> SSAValue:
        """Codes of the accumulators `y`, by thresholds, by requantising or by a chain of floats."""
        add, axis, channels = self.net.add, self.axis, self.shape(y)[self.axis]
        code = self.code()
        if kind == "threshold":
            flip = None
            if self.draw(st.booleans()):
                flip = self.table(-self.random.integers(0, 2, channels), i32)
            table = self.table(self.steps(code, channels), i32)
            return add(ThresholdOp(y, table, code, flip=flip, axis=axis))
        scale = self.table(self.random.choice((0.25, 0.1, 1.0, -0.5), channels))
        bias = self.table(self.random.choice((0.0, 0.5, -3.0), channels))
        if kind == "requantize" and not code.is_odd:
            return add(RequantizeOp(y, scale, code, bias=bias, axis=axis))
        real = add(RequantizeOp(y, scale, f32, bias=bias, axis=axis))
        if self.draw(st.booleans()):
            gamma = self.table(self.random.choice((1.0, -0.7, 0.0, 2.0), channels))
            mean = self.table(self.random.standard_normal(channels))
            variance = self.table(self.random.random(channels) + 0.1)
            real = add(BatchNormOp(real, gamma, bias, mean, variance, axis=axis))
        if self.draw(st.booleans()):
            real = add(self.draw(st.sampled_from((MulOp, DivOp)))(real, self.table([0.5])))
        real = self.activated(real, channels)
        return add(
            QuantizeOp(real, self.table([self.draw(st.sampled_from((1.0, 0.5, 0.3)))]), code)
        )

    def activated(self, real: SSAValue, channels: int) -> SSAValue:
        """A clip, a slope, a function or a gate, which multiplies by a function of the same, or nothing."""
        add = self.net.add
        match self.draw(st.sampled_from(("none", "clip", "clip", "prelu", "apply", "gate"))):
            case "clip":
                return add(ClipOp(real, 0, 6))
            case "prelu":
                slopes = self.random.choice((0.25, 0.01, -0.5, 0.0), channels)
                return add(PreluOp(real, self.table(slopes), axis=self.axis))
            case "apply":
                name = self.draw(st.sampled_from(sorted(FUNCTIONS)))
                return add(ApplyOp(name, real, **dict.fromkeys(FUNCTIONS[name].parameters, 0.25)))
            case "gate":
                return add(MulOp(real, add(ApplyOp("sigmoid", real))))
            case _:
                return real

    def block(self) -> None:
        """One more layer: a convolution, perhaps a residual, a quantiser."""
        kind = self.draw(st.sampled_from(("threshold", "requantize", "float", "float")))
        if self.draw(st.integers(0, 3)) == 0:
            channels = self.shape(self.x)[self.axis]
            y = self.net.add(AddOp(self.convolve(channels, keep=True), self.x))
        else:
            y = self.convolve(self.draw(st.sampled_from(CHANNELS)))
            if self.draw(st.integers(0, 2)) == 0:
                row = self.random.integers(-9, 9, self.shape(y)[self.axis])
                y = self.net.add(AddOp(y, self.table(row, i32), axis=self.axis))
        codes = self.quantised(y, kind)
        self.x = self.moved(codes) if self.draw(st.integers(0, 4)) == 0 else codes

    def moved(self, codes: SSAValue) -> SSAValue:
        """Channels twice or in part, or images with something round them: what a layer may read."""
        shape, axis, rest = self.shape(codes), self.axis, [0] * 4
        kind = self.draw(st.sampled_from(("concat", "extract_slice", "pad", "repeat")))
        match kind:
            case "concat":
                return self.net.add(ConcatOp([codes, codes], axis))
            case "extract_slice":
                sizes = [n - n // 2 if at == axis else n for at, n in enumerate(shape)]
                return self.net.add(ExtractSliceOp(codes, rest, sizes))
            case "pad":
                code = element_of(codes.type)
                assert isinstance(code, CodeType)
                low = [int(0 < at != axis) for at in range(4)]
                return self.net.add(PadOp(codes, low, rest, code.maximum))
            case _:
                factors = [2 if at == 2 else 1 for at in range(4)]
                return self.net.add(RepeatOp(codes, factors))

    def tail(self) -> SSAValue:
        """What the network returns: codes, a pool of them, a transpose, or a dense layer on all."""
        shape = self.shape(self.x)
        height, width = (shape[1], shape[2]) if self.format == "nhwc" else (shape[2], shape[3])
        pools = ("max", "average") if min(height, width) > 1 else ()
        kinds = ("codes", "transpose", "dense", "conv", "reduce", "top_k", *pools)
        kind = self.draw(st.sampled_from(kinds))
        match kind:
            case "max":
                return self.net.add(MaxPoolOp(self.x, (2, 2), format=self.format))
            case "average":
                return self.net.add(AvgPoolOp(self.x, (2, 2), format=self.format, divisor=1))
            case "reduce" | "top_k":
                whole = self.net.add(AddOp(self.x, self.table([0], i32)))
                real = self.net.add(RequantizeOp(whole, self.table([0.3]), f32))
                if kind == "top_k":
                    return self.net.add(TopKOp(real, min(shape[-1], 3)))
                return self.net.add(ReduceOp(self.draw(st.sampled_from(REDUCTIONS)), real))
            case "transpose":
                return self.net.add(TransposeOp(self.x, (0, 3, 1, 2)))
            case "dense":
                size = int(np.prod(self.shape(self.x)))
                flat = self.net.add(ReshapeOp(self.x, with_shape(self.x, (1, size))))
                w = self.net.input((size, 5), "odd1", constant=True)
                return self.net.dense(flat, w)
            case "conv":
                return self.convolve(self.draw(st.sampled_from(CHANNELS)))
            case _:
                return self.x


class Drawn:
    """A network and the data for it; prints as its text, without its large constants' values."""

    def __init__(self, module: ModuleOp, sets: list[list[Array]]) -> None:
        self.module, self.sets = module, sets

    def __repr__(self) -> str:
        return re.sub(r'"0x[0-9A-F]{64,}"', '"0x..."', str(self.module))


@st.composite
def networks(draw: DrawFn, most: int = 3) -> Drawn:
    """A network of some blocks, and two sets of data for it."""
    network = Network(draw)
    kept: list[SSAValue] = []
    for _ in range(draw(st.integers(1, most))):
        network.block()
        if draw(st.integers(0, 4)) == 0:
            kept.append(network.x)
    last = network.tail()
    module = network.net.module(last, *(value for value in kept if value is not last))
    fills = draw(st.sampled_from(("maximum", "minimum", "alternating")))
    sets = [inputs(module, [fill], network.seed) for fill in ("random", fills)]
    return Drawn(module, sets)
