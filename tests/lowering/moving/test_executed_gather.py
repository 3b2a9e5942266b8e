"""im2col between guards: `lines`, `windows` and `subsample` in layouts moved in vectors, and in others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, data, inputs
from sampling import sample
from schedules import pin
from strategies import (
    CHANNELS,
    LinearCase,
    code_types,
    layouts,
    linear_cases,
    program_for,
    seeds,
    windows,
)
from xdsl.dialects.builtin import IntegerType, i32
from xdsl.ir import Operation
from xdsl.rewriter import Rewriter

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.layout import Layout, Term, layout_of, with_layout
from lowbit_dialect.ops.common import spatial_axes
from lowbit_dialect.ops.elementwise import ThresholdOp
from lowbit_dialect.ops.gather import GatherOp, LinesOp, SubsampleOp, WindowsOp
from lowbit_dialect.schedule import Schedule
from lowering.moving.window_runs import line_pixels, runs_of

KINDS = ("words", "bytes", "any")
"""Planes in rows, elements in rows, and whatever else."""
FORMATS = st.sampled_from(("nhwc", "nhwc", "nchw"))


@st.composite
def layouts_of(draw: DrawFn, axes: tuple[int, ...], code: CodeType, kind: str) -> Layout | None:
    """A layout of an image, of lines or of windows."""
    item = 8 * code.storage.itemsize
    if kind == "words":
        return Layout.row_planes(axes, 32)
    if kind == "bytes":
        return (
            None
            if axes == tuple(range(len(axes)))
            else Layout(tuple(map(Term, axes)), IntegerType(item))
        )
    found = draw(layouts(len(axes)))
    return found if found.encoded or found.word_width >= item else None


@st.composite
def results_of(draw: DrawFn, axes: tuple[int, ...], code: CodeType, kind: str) -> Layout | None:
    """A layout of windows: wider words, words of several elements."""
    if kind == "words":
        return Layout.row_planes(axes, draw(st.sampled_from((32, 64))))
    block, width = draw(st.sampled_from((0, 2, 4))), draw(st.sampled_from((1, 2)))
    if kind == "any" or not block:
        return draw(layouts_of(axes, code, kind))
    parts = [Term(axes[-1], ((part, block),)) for part in ("by", "in")]
    return Layout(
        (*map(Term, axes[:-1]), *parts), IntegerType(8 * max(width, code.storage.itemsize))
    )


def stored(op: GatherOp, layout: Layout | None) -> Operation:
    """An op whose result is stored in a layout."""
    type = with_layout(op.results[0].type, layout)  # pyright: ignore
    Rewriter.replace_value_with_new_type(op.results[0], type)
    return op


def gathers(drawn: Any, kind: str, tier: str, threads: int) -> None:
    """Lines as long as vectors ask for, or as short as can be, and the windows of them."""
    draw, code, format = drawn.draw, drawn.draw(code_types()), drawn.draw(FORMATS)
    rows, columns, channels = draw(windows(7)), draw(windows(7)), draw(st.sampled_from(CHANNELS))
    axes, batch = (0, *spatial_axes(format)), draw(st.integers(1, 3))
    sizes = batch, rows[0], columns[0], channels
    shape = tuple(sizes[axes.index(axis)] for axis in range(4))
    kernel, strides, dilations = ((rows[at], columns[at]) for at in (1, 2, 5))
    out = [
        (size + before + after - dilation * (taps - 1) - 1) // stride + 1
        for size, taps, stride, before, after, dilation in (rows, columns)
    ]
    pixels = padded = columns[3] + columns[0] + columns[4]
    if kind == "words" and draw(st.integers(0, 3)):
        runs = runs_of(channels, kernel, strides, dilations)
        pixels = line_pixels(padded, columns[3] + columns[0], channels, runs, out[1])
    net = Net()
    x = net.input(shape, code, layout=draw(layouts_of(axes, code, kind)))
    padding = rows[3], columns[3], rows[4], columns[4] + pixels - padded
    pad = draw(st.sampled_from((code.minimum, code.maximum, *code.values())))
    lines = LinesOp(x, padding=padding, pad_value=pad, format=format)
    middle = net.add(stored(lines, draw(layouts_of((0, 1, 2), code, kind))))
    options = {"kernel": kernel, "strides": strides, "dilations": dilations, "format": format}
    found = WindowsOp(middle, out, channels=channels, **options)
    value = net.add(stored(found, draw(results_of(axes, code, kind))))
    random = np.random.default_rng(draw(seeds()))
    sets = [[data(code, shape, fill, random)] for fill in ("random", "maximum", "minimum")]
    check(net.module(value), sets, tier, threads=threads)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", TIERS)
def test_gathering(tier: str, kind: str):
    number, strategy = KINDS.index(kind), st.tuples(st.data(), st.integers(1, 3))
    number = 10 * number + TIERS.index(tier)
    sample(lambda one: gathers(one[0], kind, tier, one[1]), number, strategy, count=12)


def subsamples(drawn: Any, kind: str, tier: str, threads: int) -> None:
    """Pixels packed, unpacked, copied, or element by element."""
    draw, code, format = drawn.draw, drawn.draw(code_types()), drawn.draw(FORMATS)
    axes = (0, *spatial_axes(format))
    sizes = [draw(st.integers(1, most)) for most in (3, 9, 20)] + [draw(st.sampled_from(CHANNELS))]
    shape = tuple(sizes[axes.index(axis)] for axis in range(4))
    strides, net = [draw(st.integers(1, 4)) for _ in range(2)], Net()
    x = net.input(shape, code, layout=draw(layouts_of(axes, code, kind)))
    same, other = draw(st.booleans()), draw(layouts_of(axes, code, draw(st.sampled_from(KINDS))))
    op = SubsampleOp(x, strides, format=format)
    value = net.add(stored(op, layout_of(x.type) if same else other))  # pyright: ignore
    random = np.random.default_rng(draw(seeds()))
    sets = [[data(code, shape, fill, random)] for fill in ("random", "maximum", "minimum")]
    check(net.module(value), sets, tier, threads=threads)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", TIERS)
def test_subsampling(tier: str, kind: str):
    number, strategy = KINDS.index(kind), st.tuples(st.data(), st.integers(1, 3))
    number = 200 + 10 * number + TIERS.index(tier)
    sample(lambda one: subsamples(one[0], kind, tier, one[1]), number, strategy, count=12)


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("tier", TIERS)
def test_convolutions(tier: str, part: int):
    """Any kernel and any pad value, by the default block, on the extremes of the data too."""

    def run(case: LinearCase) -> None:
        module = program_for(case)
        pin(module, Schedule(algorithm="im2col"))
        sets = [case.arrays(), *(replace(case, fills=one).arrays() for one in (("max", "max"),))]
        check(module, sets, tier, threads=1 + part)

    cases = linear_cases(ops=("conv2d",), largest=7).map(lambda case: replace(case, groups=1))
    sample(run, 100 + 10 * part + TIERS.index(tier), cases)


@pytest.mark.parametrize("format", ["nhwc", "nchw"])
@pytest.mark.parametrize("tier", TIERS)
def test_single_taps_that_skip_pixels(tier: str, format: str):
    """By the default: from elements, and from planes that a kernel reads otherwise."""

    def run(case: LinearCase) -> None:
        module = program_for(case)
        sets = [case.arrays(), *(replace(case, fills=one).arrays() for one in (("max", "max"),))]
        check(module, sets, tier, threads=1 + case.channels % 2)

    def skipping(case: LinearCase) -> LinearCase:
        case = replace(case, kernel=(1, 1), padding=(0, 0, 0, 0), groups=1, format=format)
        return replace(case, strides=(2, max(case.strides)), height=5, width=3 + case.height)

    cases = linear_cases(ops=("conv2d",), largest=7).map(skipping)
    sample(run, 300 + 10 * len(format) + TIERS.index(tier), cases)


@pytest.mark.parametrize("channels", [1, 3, 31, 33, 63, 65])
@pytest.mark.parametrize("tier", TIERS)
def test_planes_of_a_layer_before(tier: str, channels: int):
    """What the layer before stores packed is gathered from planes; three by three taps, dilated or not."""
    net = Net()
    x = net.input((2, 6, 5, 7), "uint2")
    first = net.conv2d(x, net.input((1, 1, 7, channels), "odd1", constant=True))
    steps = net.constant(np.int32([[-3, 0, 3]]), i32)
    codes = net.add(ThresholdOp(first, steps, parse_code("uint2")))
    w = net.input((3, 3, channels, 9), "odd1", constant=True)
    pinned = Schedule(algorithm="im2col")
    options = {"padding": (1, 2, 0, 1), "dilations": (1, 1 + channels % 2), "pad_value": 2}
    module = net.module(net.conv2d(codes, w, schedule=pinned, **options))
    check(module, [inputs(module, ["random"], channels)], tier, fuse=True, threads=1 + channels % 3)
