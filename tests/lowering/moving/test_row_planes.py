"""Planes by shift and insert, and by multiplication: every code, sizes round a vector, one pixel and many."""

import pytest
from emulated import Emulation
from programs import Net
from retired import retired
from strategies import element, fill
from xdsl.dialects.builtin import ModuleOp, TensorType

from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.layout import Layout, with_layout
from lowbit_dialect.ops.conversions import BitpackOp

pytestmark = pytest.mark.emulated
CHANNELS = (64, 33, 24, 256, 16, 96, 100, 48, 160, 8, 32)


def packing(spelling: str, shape: tuple[int, int], width: int = 32) -> ModuleOp:
    """Codes packed as planes of words of so many channels."""
    net, code = Net(), parse_code(spelling)
    packed = with_layout(TensorType(code, shape), Layout.row_planes((0, 1), width))
    return net.module(net.add(BitpackOp(net.input(shape, code), packed)))


@pytest.mark.parametrize("machine", ["rpi3", "rpi3-armv7", "cortex-m7"])
def test_every_code(machine: str):
    emulation = Emulation(machine)
    for number, spelling in enumerate(CODE_SPELLINGS):
        shape = 15 + number % 6, CHANNELS[number % len(CHANNELS)]
        data = [[fill(kind, shape, element(spelling), number)] for kind in ("random", "min")]
        emulation.add(packing(spelling, shape), data)
    emulation.run()


@pytest.mark.parametrize("machine", ["rpi3", "rpi3-armv7", "cortex-m7"])
@pytest.mark.parametrize("width", [8, 16, 64])
def test_words_of_every_width(machine: str, width: int):
    """Of few channels, and of many of which the last ones fill no word."""
    emulation = Emulation(machine)
    for number, spelling in enumerate(("uint1", "odd1", "uint2", "odd2", "int3")):
        shape = 5, (20, 72, 100, 40, 180)[number]
        data = [[fill("random", shape, element(spelling), number)]]
        emulation.add(packing(spelling, shape, width), data)
    emulation.run()


@pytest.mark.parametrize("channels", [64, 128])
@pytest.mark.parametrize(
    ("spelling", "most"), [("uint1", 1.9), ("odd1", 2.0), ("uint2", 2.7), ("odd2", 2.9)]
)
def test_instructions_for_16_elements(spelling: str, most: float, channels: int):
    shape = 64 * 16, channels
    data = [fill("random", shape, element(spelling), 1)]
    counted = retired(packing(spelling, shape), "rpi3", data)
    assert counted.instructions * 16 < most * shape[0] * shape[1]
    assert counted.spilling == 0


@pytest.mark.parametrize(
    ("tier", "spelling", "most"),
    [
        ("rpi3", "uint2", {96: 3.0, 32: 3.1}),
        ("cortex-m7", "odd1", {64: 18, 16: 21}),
        ("rpi3", "uint1", {16: 2.6, 24: 2.3}),
        ("rpi3", "odd2", {96: 3.4, 160: 3.3, 100: 8.5}),
        ("rpi3-armv7", "uint2", {96: 3.8, 32: 3.7}),
        ("rpi3-armv7", "odd2", {96: 3.9, 64: 3.5, 100: 9.5}),
    ],
)
def test_planes_that_fill_no_vector(tier: str, spelling: str, most: dict[int, float]):
    """Pixels are packed together, or their last words with what is there, not element by element."""
    for channels, limit in most.items():
        shape = 64 * 8, channels
        data = [fill("random", shape, element(spelling), 1)]
        counted = retired(packing(spelling, shape), tier, data)
        assert counted.instructions * 16 < limit * shape[0] * shape[1]
        assert counted.spilling == 0
