"""Convolutions whose thresholds leave as planes: codes, tables and kernels of every kind."""

import numpy as np
from programs import Net
from xdsl.dialects.builtin import ModuleOp, i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import parse_code
from lowbit_dialect.layout import Layout, with_layout
from lowbit_dialect.ops.common import tensor_of
from lowbit_dialect.ops.conversions import BitpackOp
from lowbit_dialect.ops.elementwise import AddOp, ThresholdOp
from lowbit_dialect.schedule import Schedule

I32 = np.iinfo(np.int32)
PAIRS = (
    ("uint1", "uint1"),
    ("uint2", "odd1"),
    ("odd1", "odd1"),
    ("odd2", "uint1"),
    ("int2", "odd2"),
)
"""Factors 1, -1, -2 and 2 of raw sums, and one whose sums are products of many planes."""
CODES = ("uint1", "odd1", "uint2", "odd2", "int2", "int3", "uint4", "ternary")
RESIDUALS = ("uint2", "odd2", "int3", "uint8")
TABLES = ("ascending", "given", "descending", "flipped")


def packed_thresholds(
    pair: tuple[str, str], spelling: str, kind: str, schedule: Schedule | None, seed: int
) -> ModuleOp:
    """A padded convolution to 70 channels, thresholds, planes packed.

    The table is a constant that ascends, a run-time argument, or a constant that descends; some of its
    entries no sum reaches, or every one. `flipped` has channels that count the other way.
    """
    net, code, random = Net(), parse_code(spelling), np.random.default_rng(seed)
    x, w = net.input((1, 5, 6, 33), pair[0]), net.input((3, 3, 33, 70), pair[1], constant=True)
    sums = net.conv2d(x, w, padding=(1, 1, 1, 1), strides=(1, 1), schedule=schedule)
    steps = np.sort(random.integers(-250, 250, (70, code.steps)), axis=1)
    steps[0, 0], steps[1, -1], steps[2] = I32.min, I32.max, steps[2, 0]
    if kind == "descending":
        steps = steps[:, ::-1]
    table = net.input((70, code.steps), i32) if kind == "given" else net.constant(steps, i32)
    flip = net.constant(-random.integers(0, 2, 70), i32) if kind == "flipped" else None
    return net.module(packed(net, ThresholdOp(sums, table, code, flip=flip)))


def added_codes(
    pair: tuple[str, str], other: str, schedule: Schedule | None, seed: int
) -> ModuleOp:
    """A padded convolution, codes of one or two other tensors added, thresholds, planes packed.

    The thresholds lie where the sums do, and beyond.
    """
    net, random = Net(), np.random.default_rng(seed)
    x, w = net.input((1, 4, 5, 33), pair[0]), net.input((3, 3, 33, 40), pair[1], constant=True)
    sums = net.conv2d(x, w, padding=(1, 1, 1, 1), schedule=schedule)
    for _ in range(1 + seed % 2):
        sums = net.add(AddOp(sums, net.input((1, 4, 5, 40), other)))
    steps = np.sort(random.integers(-400, 400, (40, 3)), axis=1)
    steps[0, 0], steps[1, -1] = I32.min, I32.max
    table = net.constant(steps.astype(np.int32), i32)
    return net.module(packed(net, ThresholdOp(sums, table, parse_code("uint2"))))


def packed(net: Net, op: ThresholdOp) -> SSAValue:
    """The codes of thresholds, as planes in rows."""
    codes = net.add(op)
    rows = Layout.row_planes(range(tensor_of(codes).get_num_dims()))
    return net.add(BitpackOp(codes, with_layout(tensor_of(codes), rows)))
