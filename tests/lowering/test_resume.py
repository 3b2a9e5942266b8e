"""Every stage prints, parses back to the same IR, and can be started from that text."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from programs import Net
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.passes import ModulePass

from lowbit.pipeline import STAGES, passes
from lowbit.registry import context
from lowbit.source import parse_source, state_ranges
from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.elementwise import (
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
from lowbit_dialect.schedule import Schedule

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_w2a2.onnx"
TARGET = "x86-64-v3"


def conv2d() -> ModuleOp:
    """Constant and argument weights, padding with a value that is no code."""
    small = Schedule(pixels=1, vectors=1, unroll=1)
    net, random = Net(), np.random.default_rng(0)
    x = net.input((1, 4, 5, 40), "uint2")
    w = net.input((3, 3, 40, 5), "odd1", constant=True)
    first = net.conv2d(x, w, padding=(1, 1, 1, 1), pad_value=3, schedule=small)
    values = random.choice(np.array([-1, 1]), (3, 3, 40, 5)).astype(np.int8)
    second = net.conv2d(x, net.constant(values, "odd1"), strides=(2, 1), schedule=small)
    return net.module(first, second)


def grouped() -> ModuleOp:
    net = Net()
    x, w = net.input((1, 3, 3, 6), "int3"), net.input((2, 2, 3, 4), "ternary")
    return net.module(net.conv2d(x, w, groups=2, dilations=(2, 1)))


def gathered() -> ModuleOp:
    """im2col of planes and of bytes."""
    net, pinned = Net(), Schedule(algorithm="im2col")
    x, w = net.input((1, 4, 4, 3), "uint2"), net.input((3, 3, 3, 9), "odd1", constant=True)
    first = net.conv2d(x, w, padding=(1, 1, 1, 1), schedule=pinned)
    x, w = net.input((1, 3, 4, 3), "int8"), net.input((9, 3, 2, 2), "int8")
    return net.module(first, net.conv2d(x, w, format="nchw", schedule=pinned))


def channels_first() -> ModuleOp:
    net = Net()
    x, w = net.input((1, 33, 4, 3), "odd2"), net.input((9, 33, 2, 2), "uint2")
    y = net.conv2d(x, w, format="nchw")
    pooled = net.add(MaxPoolOp(y, (2, 2), format="nchw"))
    return net.module(pooled)


def dense() -> ModuleOp:
    """Products that wrap i32, and f32."""
    net = Net()
    a = net.dense(net.input((3, 5), "i8"), net.input((5, 9), "i8"))
    b = net.dense(net.input((2, 4), "f32"), net.input((4, 9), "f32", constant=True))
    return net.module(a, b)


def bounded() -> ModuleOp:
    """A sum that fits i32 thanks to its weights alone, and one over gathered windows."""
    net, random = Net(), np.random.default_rng(0)
    values = random.integers(-3, 4, (3, 3, 64, 5)).astype(np.int8)
    y = net.conv2d(net.input((1, 3, 3, 64), "i16"), net.constant(values, "i8"))
    x, w = net.input((1, 4, 4, 64), "uint2"), net.constant(values, "int3")
    module = net.module(y, net.conv2d(x, w, schedule=Schedule(algorithm="im2col")))
    state_ranges(module)
    return module


def epilogues() -> ModuleOp:
    """Every elementwise op, in an epilogue."""
    net = Net()
    x, w = net.input((3, 32), "uint2"), net.input((32, 9), "odd1")
    row = net.input((9,), "f32")
    one = net.constant(np.array([0.5], np.float32), "f32")
    y = net.add(RequantizeOp(net.dense(x, w), row, f32, bias=row))
    y = net.add(BatchNormOp(y, row, row, row, row))
    y = net.add(ClipOp(net.add(MulOp(y, row)), -3.1, 1e30))
    y = net.add(DivOp(net.add(AddOp(y, row)), one))
    y = net.add(QuantizeOp(y, one, parse_code("uint8"), rounding="half_up", zero_point=3))
    table, flip = net.input((9, 3), "i32"), net.input((9,), "i32")
    z = net.add(ThresholdOp(net.dense(x, w), table, parse_code("uint2"), flip=flip))
    return net.module(y, z)


def pools() -> ModuleOp:
    net = Net()
    x, r = net.input((1, 4, 4, 9), "int4"), net.input((1, 4, 4, 9), "f32")
    largest = net.add(MaxPoolOp(r, (3, 3), padding=(1, 1, 1, 1)))
    return net.module(largest, net.add(AvgPoolOp(x, (2, 2))), net.add(AvgPoolOp(r, (4, 3))))


def digits() -> ModuleOp:
    from lowbit_dialect.importers import import_onnx

    return import_onnx(DIGITS)


def parse(text: str) -> ModuleOp:
    return parse_source(text, "text", context())


def resumes(kept: ModuleOp, pieces: Sequence[Sequence[ModulePass]]) -> None:
    """Lower `kept` as it is, and beside it a module that is printed and parsed after each piece."""
    kept = parse(str(kept))
    kept.verify()
    read = parse(str(kept))
    for piece in pieces:
        for one in piece:
            one.apply(context(), kept)
            one.apply(context(), read)
        text, name = str(read), piece[-1].name
        assert text == str(kept), name
        again = parse(text)
        assert again.is_structurally_equivalent(read), name
        assert str(again) == text, name
        again.verify()
        read = again
    assert {op.name.partition(".")[0] for op in read.body.block.ops} == {"llvm"}


PROGRAMS = (conv2d, grouped, gathered, channels_first, dense, bounded, epilogues, pools)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda make: make.__name__)
def test_each_pass_starts_from_text(program: Callable[[], ModuleOp]) -> None:
    resumes(program(), [(one,) for stage in STAGES for one in passes(stage, TARGET)])


def test_each_stage_of_a_network_starts_from_text() -> None:
    resumes(digits(), [passes(stage, TARGET) for stage in STAGES])
