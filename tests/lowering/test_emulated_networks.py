"""Whole programs and conversions for the targets of `test_emulated.py`: emulated, against the reference."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from emulated import TIERS, Emulation
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, inputs
from sampling import drawn
from strategies import code_types, few_planes, layouts
from thresholds import CODES, PAIRS, RESIDUALS, TABLES, added_codes, packed_thresholds
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i32

import lowbit
from lowbit_dialect.codes import parse_code
from lowbit_dialect.layout import with_layout
from lowbit_dialect.ops.conversions import BitpackOp, UnpackOp
from lowbit_dialect.ops.elementwise import QuantizeOp, RequantizeOp, ThresholdOp
from lowbit_dialect.ops.pool import MaxPoolOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels

pytestmark = pytest.mark.emulated

FILLS = (("random",), ("maximum",), ("alternating",))
EXAMPLES = Path(__file__).parents[2] / "examples"
TRAINED = {
    "fashion/fashion_w2a2.onnx": "fashion/fashion_mnist_test2000.npz",
    "keywords/keywords_w2a2.onnx": "keywords/sounds_200.npz",
}


def add_programs(emulation: Emulation, programs: Sequence[ModuleOp]) -> None:
    for number, module in enumerate(programs):
        data = [inputs(module, fills, number) for fills in FILLS]
        emulation.add(module, data, fuse=bool(number % 4))


@st.composite
def conversions(draw: DrawFn) -> ModuleOp:
    """Codes packed to one layout, and unpacked again or not."""
    code = draw(code_types())
    shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 8, 31, 33, 65)), min_size=1, max_size=2)))
    net = Net()
    packed = with_layout(TensorType(code, shape), draw(layouts(len(shape), packed=True)))
    value = net.add(BitpackOp(net.input(shape, code), packed))
    if draw(st.booleans()):
        value = net.add(UnpackOp(value, TensorType(code, shape)))
    return net.module(value)


@pytest.mark.parametrize("tier", TIERS)
def test_conversions(tier: str):
    emulation = Emulation(tier)
    add_programs(emulation, drawn(conversions(), 16, 4))
    emulation.run()


@st.composite
def networks(draw: DrawFn) -> ModuleOp:
    """Two convolutions: thresholds pack the result of the first, floats are quantised after the second."""
    pair, second = draw(few_planes()), parse_code(draw(few_planes())[0])
    channels, middle, last = (draw(st.sampled_from((3, 16, 32, 33, 64))) for _ in range(3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    net = Net()
    x = net.input((1, 4, draw(st.integers(1, 6)), channels), pair[0])
    w = net.input((3, 3, channels, middle), pair[1], constant=True)
    value = net.conv2d(x, w, padding=(1, 1, 1, 1))
    table = np.sort(random.integers(-300, 300, (middle, second.steps)), axis=1)
    flip = net.constant(-random.integers(0, 2, middle), i32) if draw(st.booleans()) else None
    value = net.add(ThresholdOp(value, net.constant(table, i32), second, flip=flip))
    if draw(st.booleans()):
        value = net.add(MaxPoolOp(value, (2, 1), strides=(2, 1)))
    w = net.input((1, 1, middle, last), "odd1", constant=True)
    value = net.conv2d(value, w)
    scale = net.constant(random.choice((0.5, 0.1, -2.0), last).astype(np.float32), f32)
    value = net.add(RequantizeOp(value, scale, f32))
    step = net.constant(np.float32([3.0]), f32)
    return net.module(net.add(QuantizeOp(value, step, draw(code_types()))))


@pytest.mark.parametrize("tier", TIERS)
def test_networks(tier: str):
    emulation = Emulation(tier)
    add_programs(emulation, drawn(networks(), 8, 5))
    emulation.run()


@pytest.mark.parametrize("target", TIERS[-4:])  # no `tier`: none is left to another test
def test_logits_of_trained_networks(target: str):
    emulation = Emulation(target)
    for model, data in TRAINED.items():
        with np.load(EXAMPLES / data, allow_pickle=False) as arrays:
            image = arrays["images"][-1:, None].astype(np.float32) / np.float32(255)
        emulation.add(lowbit.import_model(EXAMPLES / model).module, [[image]], fuse=True)
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_planes_of_thresholds(tier: str):
    emulation, programs = Emulation(tier), list[ModuleOp]()
    look_up = next((one.name for one in reversed(kernels(resolve_target(tier), "lookup"))), None)
    for number, spelling in enumerate(CODES):
        for step, pair in list(enumerate(PAIRS))[number % 3 :: 3]:
            kind = TABLES[(number + step) // 2 % len(TABLES)]
            name = look_up if number % 3 and pair[0] != "int2" else None
            schedule = Schedule(microkernel=name, pixels=1 + step % 4, unroll=1, taps="none")
            programs.append(packed_thresholds(pair, spelling, kind, schedule, number))
    programs += [added_codes(PAIRS[n], RESIDUALS[n], None, n) for n in range(len(RESIDUALS))]
    for number, module in enumerate(programs):
        data = [inputs(module, (fill,), number) for fill in ("random", "maximum")]
        emulation.add(module, data, fuse=True)
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_codes_behind_the_last_whole_vector(tier: str):
    """One code more than a vector holds: its masked store wrote four bytes (llvm-project#179489)."""
    emulation, programs = Emulation(tier), list[ModuleOp]()
    for outputs in (17, 18, 31, 33):
        net = Net()
        x, w = net.input((3, 40), "uint2"), net.input((40, outputs), "odd1", constant=True)
        table = net.constant(np.int32([[-9, 0, 9]]), i32)
        programs.append(
            net.module(net.add(ThresholdOp(net.dense(x, w), table, parse_code("int2"))))
        )
    add_programs(emulation, programs)
    emulation.run()
