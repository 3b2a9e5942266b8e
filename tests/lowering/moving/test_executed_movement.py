"""`concat`, `extract_slice`, `pad` and `repeat` between guards: any rank, any element, in tasks or not."""

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from moving import KINDS, Make, moves
from programs import Net, data, inputs
from sampling import sample
from strategies import seeds
from xdsl.dialects.builtin import f32, i32

from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", TIERS)
def test_moves(tier: str, kind: str):
    def run(first: Make, second: Make, threads: int, seed: int) -> None:
        net = Net()
        ops = [first(net), second(net)]
        module = net.module(*map(net.add, ops))
        random = np.random.default_rng(seed)
        values = [v for op in ops for v in op.operands]
        check(
            module,
            [[data(element_of(v.type), shape_of(v), "random", random) for v in values]],
            tier,
            threads=threads,
        )

    number = 10 * KINDS.index(kind) + TIERS.index(tier)
    drawn = moves(kinds=(kind,))
    sample(run, number, drawn, drawn, st.integers(1, 3), seeds(), count=4)


@pytest.mark.parametrize("threads", [1, 2])
def test_more_than_a_run(threads: int):
    """What follows each other is cut in runs; what is left of it is moved as well."""
    net = Net()
    x = net.input((3, 5000), "uint2")
    y = net.input((2100,), f32)
    moved = [
        ConcatOp([x, x], 0),
        ExtractSliceOp(x, (1, 7), (2, 4099)),
        PadOp(y, (4200,), (3,), 1.5),
        RepeatOp(y, (2,)),
        RepeatOp(y, (5,)),
        RepeatOp(net.input((300,), "int2"), (20,)),
        RepeatOp(net.input((3, 1), "i16"), (1, 5000)),
    ]
    module = net.module(*map(net.add, moved))
    check(module, [inputs(module, ["random"], 1)], TIERS[-1], threads=threads)


@pytest.mark.parametrize("tier", TIERS)
def test_between_convolutions(tier: str):
    """Codes that convolutions read packed are joined, cut and padded as elements; constants move ahead."""
    net = Net()
    x = net.input((1, 4, 5, 33), "uint2")
    w = net.input((1, 1, 33, 31), "odd1", constant=True)
    steps = net.constant(np.int32([[-3, 0, 3]]), i32)
    codes = net.add(ThresholdOp(net.conv2d(x, w), steps, parse_code("uint2")))
    joined = net.add(ConcatOp([x, codes], 3))
    large = net.add(RepeatOp(joined, (1, 2, 2, 1)))
    sparse = net.add(PadOp(large, (0, 1, 0, 0), (0, 0, 2, 0), 1, (0, 1, 1, 0)))
    half = net.add(ExtractSliceOp(sparse, (0, 0, 0, 16), (1, 16, 21, 32)))
    readers = net.input((3, 3, 16, 8), "odd1", constant=True)
    both = net.add(ConcatOp([readers, readers], 2))
    module = net.module(net.conv2d(half, both, padding=(1, 1, 1, 1), pad_value=1))
    check(module, [inputs(module, ["random"], 3)], tier, fuse=True, threads=2)
