"""Codes stored for several vectors at once: and channels that end in one of them."""

import numpy as np
import pytest
from executed import check
from programs import inputs
from schedules import linear_of
from tiers import TIERS

import lowbit
from lowbit_dialect.schedule import Schedule, ScheduleAttr

CODES = ("uint4", "int4", "uint8", "int8", "odd3")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("vectors", [1, 2, 3, 5])
def test_channels_round_every_vector(tier: str, vectors: int):
    for number, channels in enumerate((5, 13, 24, 33, 64)):
        code = CODES[(number + vectors) % len(CODES)]
        program = lowbit.Program()
        x = program.input((1, 2, 3, 5), "uint4", name="x")
        w = program.input((1, 1, 5, channels), "int4", name="w")
        scale = program.constant(np.float32([0.7]), "f32")
        real = program.requantize(program.conv2d(x, w), scale)
        program.output(program.quantize(real, program.constant(np.float32([1.3]), "f32"), code))
        schedule = Schedule(pixels=2, vectors=vectors)
        linear_of(program.module).properties["schedule"] = ScheduleAttr(schedule)
        fills = ("random", "maximum", "minimum")
        data = [inputs(program.module, (fill, "random"), number) for fill in fills]
        check(program.module, data, tier, fuse=True)
