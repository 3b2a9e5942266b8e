"""The matrix of Larq's Compute Engine, the best among the peers, as a fixed list.

Its axes: batches, images that are not square, channels, filters, outputs, groups, strides, dilations,
padding, activation function and kind of result. Every pair of values of two axes that go together is
rare in a short run, so each point takes the next value of every axis, at steps that do not divide each
other; `--full-matrix` runs the product of the axes of shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from executed import TIERS, check
from programs import Net, inputs
from xdsl.dialects.builtin import ModuleOp, f32, i8, i32

from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.elementwise import ClipOp, RequantizeOp, ThresholdOp

BATCHES = (1, 3, 5)
IMAGES = ((8, 5), (5, 7))
CHANNELS = (4, 64, 96, 128, 192, 256, 512)
FILTERS = ((1, 1), (3, 3), (2, 3))
OUTPUTS = (1, 2, 3, 4, 5, 6, 7, 32)
GROUPS = (1, 2, 4)
STRIDES = ((1, 1), (2, 3))
DILATIONS = ((1, 1), (3, 2))
PADDINGS = ("valid", "same", "one")
ACTIVATIONS = ("none", "relu")
RESULTS = ("int32", "f32", "int8", "packed")
AXES = (BATCHES, IMAGES, CHANNELS, FILTERS, OUTPUTS, GROUPS, STRIDES, DILATIONS, PADDINGS)
SHORT = 96
"""Points of the short run: every value of every axis several times on each tier."""


@dataclass(frozen=True)
class Point:
    """One point of the matrix."""

    batch: int
    image: tuple[int, int]
    channels: int
    filter: tuple[int, int]
    outputs: int
    groups: int
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: str
    activation: str
    result: str
    tier: str

    @property
    def legal(self) -> bool:
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilations, self.filter)]
        fits = self.padding != "valid" or all(r <= size for r, size in zip(reach, self.image))
        return fits and self.outputs % self.groups == 0

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right; `same` puts the odd one behind, as TensorFlow does."""
        if self.padding == "valid":
            return 0, 0, 0, 0
        before, after = list[int](), list[int]()
        for size, kernel, stride, dilation in zip(
            self.image, self.filter, self.strides, self.dilations
        ):
            needed = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
            before.append(needed // 2)
            after.append(needed - needed // 2)
        return before[0], before[1], after[0], after[1]

    def program(self) -> ModuleOp:
        net = Net()
        x = net.input((self.batch, *self.image, self.channels), "odd1")
        shape = (*self.filter, self.channels // self.groups, self.outputs)
        w = net.input(shape, "odd1", constant=True)
        y = net.conv2d(
            x,
            w,
            strides=self.strides,
            padding=self.pads,
            dilations=self.dilations,
            groups=self.groups,
            # Larq's ONE pads with a code, SAME with 0, which is none.
            pad_value=int(self.padding == "one"),
        )
        random = np.random.default_rng(self.channels)
        if self.activation == "relu":
            y = net.add(ClipOp(y, 0))
        if self.result == "packed":
            steps = random.integers(-9, 9, (self.outputs, 1)).astype(np.int32)
            codes = net.add(ThresholdOp(y, net.constant(steps, i32), parse_code("odd1")))
            # A convolution that reads the codes packed, to see every bit of them.
            ones = net.constant(np.eye(self.outputs, dtype=np.int8)[None, None] * 2 - 1, "odd1")
            y = net.conv2d(codes, ones)
        elif self.result != "int32":
            scale = random.choice((0.5, -0.25, 0.1), self.outputs).astype(np.float32)
            bias = random.standard_normal(self.outputs).astype(np.float32)
            element = f32 if self.result == "f32" else i8
            tables = net.constant(scale, f32), net.constant(bias, f32)
            y = net.add(RequantizeOp(y, tables[0], element, bias=tables[1]))
        return net.module(y)


def short() -> Iterator[Point]:
    """Points that step through all axes at once, each at a pace of its own."""
    axes = (*AXES, ACTIVATIONS, RESULTS, TIERS)
    random = np.random.default_rng(0)
    orders = [random.permutation(SHORT * 4) for _ in axes]
    points = (Point(*(a[o[n] % len(a)] for a, o in zip(axes, orders))) for n in range(SHORT * 4))
    yield from [point for point in points if point.legal][:SHORT]


def full() -> Iterator[Point]:
    """The product of the axes of shape, kinds of result and tiers taken in turn."""
    rest = list(product(ACTIVATIONS, RESULTS, TIERS))
    for number, values in enumerate(product(*AXES)):
        point = Point(*values, *rest[number % len(rest)])
        if point.legal:
            yield point


@pytest.mark.parametrize("part", range(8))
def test_matrix(part: int, request: pytest.FixtureRequest):
    chosen = full() if request.config.getoption("--full-matrix") else short()
    for number, point in enumerate(chosen):
        if number % 8 == part:
            module = point.program()
            sets = [inputs(module, [fill], number) for fill in ("random", "maximum")]
            try:
                check(module, sets, point.tier, fuse=True)
            except Exception as error:
                error.add_note(str(point))
                raise


@pytest.mark.parametrize("tier", TIERS)
def test_sums_beyond_16_bits(tier: str):
    """5 x 5 x 3072 products of one sign make 76800."""
    net = Net()
    x, w = net.input((1, 6, 6, 3072), "odd1"), net.input((5, 5, 3072, 3), "odd1", constant=True)
    module = net.module(net.conv2d(x, w))
    check(
        module, [inputs(module, fills, 0) for fills in (["maximum"], ["maximum", "minimum"])], tier
    )
