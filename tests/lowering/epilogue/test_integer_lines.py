"""Lines in lanes of i16: every sum in range against the `requantize` that they replace, and in kernels."""

import numpy as np
import pytest
from executed import check
from programs import inputs
from tiers import TIERS
from xdsl.dialects.builtin import f32

import lowbit
from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import RequantizeOp, RescaleOp
from lowbit_dialect.reference import evaluate_elementwise
from lowering.epilogue.integer_lines import rescaled
from microkernels.table import verbs_of
from microkernels.target import TARGETS


def requantize(scale: np.ndarray, bias: np.ndarray, code: str) -> RequantizeOp:
    sums = lowbit.Program().input((1, len(scale)), "i32", name="x")
    tables = [ConstantOp.of(table.astype(np.float32), f32) for table in (scale, bias)]
    return RequantizeOp(sums, tables[0], parse_code(code), bias=tables[1])


def agrees(op: RequantizeOp, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether there are lines; the codes of all sums are the same then."""
    made = rescaled(op, (low, high))
    if made is None:
        return False
    rescale = made[-1]
    assert isinstance(rescale, RescaleOp)
    x = np.minimum(low + np.arange((high - low).max() + 1)[:, None], high).astype(np.int32)
    assert np.array_equal(evaluate_elementwise(rescale, x), evaluate_elementwise(op, x))
    return True


@pytest.mark.parametrize("code", ["uint1", "uint2", "int4", "uint4", "int5", "uint8"])
def test_lines_of_trained_layers(code: str):
    """Scales of about the codes over the sums, of either sign: most have a line."""
    found, random = 0, np.random.default_rng(len(code))
    for number in range(40):
        reach = (100, 540, 1080, 5000)[number % 4]
        high = random.integers(reach // 2, reach + 1, 1)
        scale = parse_code(code).steps / reach * random.uniform(0.5, 3, 1)
        scale *= random.choice([-1, 1], 1)
        found += agrees(requantize(scale, random.uniform(-2, 2, 1), code), -high, high)
    assert found >= (0 if code == "uint8" else 30)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1 / 3, -0.5, 1.0, 7.5, 60.0, 1e30])
@pytest.mark.parametrize("bias", [0.0, 0.5, -3.25, 1e4, -1e30])
def test_ties_steep_and_flat_channels(scale: float, bias: float):
    for low, high in ((0, 0), (-1, 1), (-540, 500), (-32767, 32767)):
        op = requantize(np.array([scale, 0.1]), np.array([bias, 0.0]), "uint4")
        agrees(op, np.array([low, -20]), np.array([high, 20]))


@pytest.mark.parametrize("tier", TIERS)
def test_depthwise_layers(tier: str):
    """Channels round every vector; a sum with another tensor comes behind, and a sum too wide for i16."""
    for number, channels in enumerate((8, 15, 16, 33, 48, 64)):
        random, program = np.random.default_rng(number), lowbit.Program()
        shape = (1, 4, 5, channels)
        activation = ("uint4", "int4", "uint8")[number % 3]
        x, other = (program.input(shape, one, name=one) for one in (activation, "uint2"))
        weights = random.integers(-7, 8, (3, 3, 1, channels))
        y = program.conv2d(x, program.constant(weights, "int4"), groups=channels, padding=1)
        scale, bias = random.uniform(-0.05, 0.05, channels), random.uniform(-4, 9, channels)
        tables = [program.constant(table.astype(np.float32), "f32") for table in (scale, bias)]
        codes = program.requantize(y, tables[0], ("uint4", "int4")[number % 2], bias=tables[1])
        program.output(program.add(codes, other) if number % 3 == 1 else codes)
        data = [
            inputs(program.module, (fill,), number) for fill in ("random", "maximum", "minimum")
        ]
        packed = check(program.module, data, tier, fuse=True)
        made = any(isinstance(op, RescaleOp) for op in packed.walk())
        assert not made or "scale_halves" in verbs_of(TARGETS[tier]).can
        assert made or activation == "uint8" or tier == "x86-64" or channels < 16
