"""`lines` and `windows` in layouts that are moved in vectors, and in any others, between guards."""

from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, data
from sampling import sample
from strategies import CHANNELS, code_types, layouts, seeds, windows
from xdsl.dialects.builtin import IntegerType, i8, i16
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term, storage_dtype
from lowbit_dialect.ops.common import spatial_axes
from lowbit_dialect.ops.gather import LinesOp, WindowsOp
from lowbit_dialect.ops.layout import convert_layout
from lowering.line_loops import row_planes
from lowering.runs import line_pixels, runs_of

KINDS = ("words", "bytes", "any")


def words_of(element: Attribute) -> IntegerType:
    return IntegerType(8 * storage_dtype(element).itemsize)


@st.composite
def image_layouts(draw: DrawFn, axes: tuple[int, ...], code: CodeType, kind: str) -> Layout | None:
    """A layout of an image or a result as packing chooses them, or any."""
    *leading, last = axes
    word = words_of(code)
    match kind:
        case "words":
            return row_planes(axes, 32)
        case "bytes":
            order = Layout(tuple(map(Term, axes)), word)
            return None if axes == (0, 1, 2, 3) else order
        case _:
            found = draw(layouts(4))
            wide = found.encoded or found.word_width >= word.width.data
            return found if wide else None


@st.composite
def result_layouts(draw: DrawFn, axes: tuple[int, ...], code: CodeType, kind: str) -> Layout | None:
    if kind == "words":
        return row_planes(axes, draw(st.sampled_from((32, 64))))
    if kind == "any":
        return draw(image_layouts(axes, code, kind))
    *leading, last = map(Term, axes)
    word = draw(
        st.sampled_from([one for one in (i8, i16) if one.width.data >= words_of(code).width.data])
    )
    block = draw(st.sampled_from((0, 2, 4)))
    parts = [Term(last.axis, ((kind, block),)) for kind in ("by", "in")] if block else [last]
    return Layout((*leading, *parts), word)


def stored(net: Net, value: SSAValue, layout: Layout | None) -> SSAValue:
    op = convert_layout(value, layout)
    return value if op is None else net.add(op)


def relaid(op: Any, layout: Layout | None) -> Any:
    """An op whose result is stored in a layout."""
    from lowbit_dialect.layout import with_layout

    result = op.results[0]
    from xdsl.rewriter import Rewriter

    Rewriter.replace_value_with_new_type(result, with_layout(result.type, layout))
    return op


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", TIERS)
def test_gathering(tier: str, kind: str, part: int):
    """Lines as long as vectors ask for, and others; 1 to 3 threads."""

    def run(drawn: Any) -> None:
        draw, code, format = drawn.draw, drawn.draw(code_types()), drawn.draw(FORMATS)
        rows, columns = draw(windows(7)), draw(windows(7))
        batch, channels = draw(st.integers(1, 3)), draw(st.sampled_from(CHANNELS))
        axes = (0, *spatial_axes(format))
        sizes = batch, rows[0], columns[0], channels
        shape = tuple(sizes[axes.index(axis)] for axis in range(4))
        options = [(rows[i], columns[i]) for i in (1, 2, 5)]
        runs = runs_of(channels, *options)
        padded = columns[3] + columns[0] + columns[4]
        out = [
            (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, before, after, dilation in (rows, columns)
        ]
        pixels = padded
        if kind == "words" and draw(st.integers(0, 3)):
            pixels = line_pixels(padded, columns[3] + columns[0], channels, runs, out[1])
        net = Net()
        x = net.input(shape, code, layout=draw(image_layouts(axes, code, kind)))
        padding = (rows[3], columns[3], rows[4], columns[4] + pixels - padded)
        pad = draw(st.sampled_from((code.minimum, code.maximum, *code.values())))
        lines = LinesOp(x, padding=padding, pad_value=pad, format=format)
        middle = {"words": row_planes((0, 1, 2)), "bytes": None}.get(kind)
        if kind == "any" and draw(st.booleans()):
            middle = draw(layouts(3, packed=True))
        value = net.add(relaid(lines, middle))
        kernel, strides, dilations = options
        op = WindowsOp(
            value,
            out,
            channels=channels,
            kernel=kernel,
            strides=strides,
            dilations=dilations,
            format=format,
        )
        value = net.add(relaid(op, draw(result_layouts(axes, code, kind))))
        random = np.random.default_rng(draw(seeds()))
        sets = [[data(code, shape, fill, random)] for fill in ("random", "maximum", "minimum")]
        check(net.module(value), sets, tier, threads=1 + part)

    sample(run, 100 * part + TIERS.index(tier), st.data(), count=25)


FORMATS = st.sampled_from(("nhwc", "nhwc", "nchw"))
