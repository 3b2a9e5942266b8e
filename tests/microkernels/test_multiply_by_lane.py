"""Products of i16 by lanes of a vector, on AArch64."""

from dataclasses import replace

import pytest
from emulated import Emulation
from retired import retired
from schedules import pin
from strategies import LinearCase, element, fill, program_for
from xdsl.dialects.builtin import ModuleOp

from lowbit_dialect.layout import Array
from lowbit_dialect.schedule import Schedule

BY_LANE = Schedule(microkernel="multiply_i32x8", pixels=5, vectors=2, unroll=32, taps="none")
IMAGE = LinearCase(
    "conv2d",
    "i8",
    "i8",
    height=4,
    width=10,
    channels=64,
    outputs=32,
    kernel=(3, 3),
    padding=(1, 1, 1, 1),
    seed=5,
)
CASES = (
    IMAGE,
    replace(IMAGE, activation="uint8", channels=13, outputs=9, strides=(2, 2)),
    replace(IMAGE, activation="odd8", weight="int4", channels=24, groups=2, dilations=(1, 2)),
    LinearCase("dense", "odd8", "odd8", height=6, channels=101, outputs=17, seed=6),
)


def pinned(case: LinearCase, schedule: Schedule) -> tuple[ModuleOp, list[Array]]:
    module = program_for(case)
    pin(module, schedule)
    shapes = (case.input_shape, case.activation), (case.weight_shape, case.weight)
    return module, [fill("random", shape, element(code), 8) for shape, code in shapes]


@pytest.mark.emulated
def test_lanes_and_what_is_left_of_eight():
    emulation = Emulation("rpi3")
    for case in CASES:
        module, data = pinned(case, replace(BY_LANE, unroll=16))
        emulation.add(module, [data])
    emulation.run()


@pytest.mark.emulated
def test_no_more_than_loads_beside_products():
    """An instruction multiplies 4 pairs; a load brings 8 activations, or 16 weights."""
    module, data = pinned(IMAGE, BY_LANE)
    counted = retired(module, "rpi3", data)
    blocks = [block for block in counted.hot if block.core]
    assert blocks and not any(block.spills for block in blocks)
    for block in blocks:
        products = sum(line.startswith("smlal") for line in block.lines)
        assert len(block.lines) < 1.11 * products
