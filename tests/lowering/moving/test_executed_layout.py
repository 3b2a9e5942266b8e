"""`bitpack`, `unpack`, `relayout`, `transpose` and `reshape` in random layouts, TVM's among them."""

from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net, data, with_shape
from sampling import sample
from strategies import code_types, layouts, seeds, summed_codes, table_layouts
from xdsl.dialects.builtin import IntegerType, f32, i8, i16, i32, i64
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.layout import PLANES, Layout, Term, storage_dtype
from lowbit_dialect.ops.conversions import convert_layout
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp

EXTENTS = (1, 2, 3, 7, 8, 9, 16, 17, 31, 32, 33, 65)


@st.composite
def shapes(draw: DrawFn) -> tuple[int, ...]:
    """A shape of one to four axes, one of them long."""
    small = draw(st.lists(st.integers(1, 3), min_size=0, max_size=3))
    small.insert(draw(st.integers(0, len(small))), draw(st.sampled_from(EXTENTS)))
    return tuple(small)


@st.composite
def tvm_layouts(draw: DrawFn, rank: int) -> Layout:
    axes = draw(st.integers(0, rank - 1)), draw(st.integers(0, rank))
    return Layout.tvm(rank, *axes, draw(st.sampled_from((8, 16, 32, 64))))


def holds(layout: Layout | None, element: Attribute) -> bool:
    """Whether the words of a layout are wide enough for unpacked elements."""
    if layout is None or layout.encoded:
        return True
    dtype = storage_dtype(element)
    return layout.word_width >= 8 * dtype.itemsize and (dtype.kind == "f") != isinstance(
        layout.word, IntegerType
    )


def convert(
    shape: tuple[int, ...],
    element: Attribute,
    source: Layout | None,
    target: Layout | None,
    draw: Any,
    tier: str,
) -> None:
    if source == target or not (holds(source, element) and holds(target, element)):
        return
    net = Net()
    x = net.input(shape, element, layout=source, constant=draw(st.booleans()))
    op = convert_layout(x, target)
    assert op is not None
    random = np.random.default_rng(draw(seeds()))
    fills = ("random", draw(st.sampled_from(("maximum", "minimum", "alternating"))))
    sets = [[data(element, shape, fill, random)] for fill in fills]
    threads = 1 + sum(shape) % 3
    check(net.module(net.add(op)), sets, tier, verify_each=sum(shape) % 9 == 0, threads=threads)


@pytest.mark.parametrize("kind", ["pack", "unpack", "repack", "relayout", "tvm"])
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("tier", TIERS)
def test_conversions(tier: str, part: int, kind: str):
    def run(drawn: Any) -> None:
        draw = drawn.draw
        shape, element = draw(shapes()), draw(code_types())
        rank = len(shape)

        def layout(packed: bool) -> Layout | None:
            plain = not packed and draw(st.booleans())
            return None if plain else draw(layouts(rank, packed))

        packed = (kind in ("unpack", "repack"), kind in ("pack", "repack", "tvm"))
        if kind == "relayout" and draw(st.booleans()):
            element = draw(st.sampled_from((i8, i16, i32)))
        source = layout(packed[0])
        target = draw(tvm_layouts(rank)) if kind == "tvm" else layout(packed[1])
        convert(shape, element, source, target, draw, tier)

    number = 100 * ["pack", "unpack", "repack", "relayout", "tvm"].index(kind) + 10 * part
    sample(run, number + TIERS.index(tier), st.data())


@pytest.mark.parametrize("kind", ["pack", "rows", "read"])
@pytest.mark.parametrize("tier", TIERS)
def test_tables(tier: str, kind: str):
    """Tables of sums from elements, from planes in rows (the fast way, by 4 and 6), and read again."""

    def run(drawn: Any) -> None:
        draw = drawn.draw
        shape, code = draw(shapes()), draw(summed_codes())
        table = draw(table_layouts(len(shape), code))
        other = draw(st.sampled_from((None, draw(layouts(len(shape), True)))))
        if kind == "rows":
            leading = tuple(Term(axis) for axis in range(len(shape) - 1))
            other = Layout((*leading, PLANES, Term(len(shape) - 1, (("by", 32),))), i32)
        source, target = (table, other) if kind == "read" else (other, table)
        convert(shape, code, source, target, draw, tier)

    sample(run, 1000 + 10 * len(kind) + TIERS.index(tier), st.data())


@st.composite
def weight_layouts(draw: DrawFn, inputs: int, outputs: int) -> Layout:
    """What kernels read: channels in blocks, innermost but for planes or the inputs of a dot product."""
    block = draw(st.sampled_from((1, 4, 6, 8, 16, 24, 32)))
    axis, word = f"d{outputs}", draw(st.sampled_from((8, 16, 32, 64)))
    packed = draw(st.integers(1, word))
    return Layout.of(
        draw(
            st.sampled_from(
                (
                    f"{axis} by {block}, planes, d{inputs} by {packed}, {axis} in {block}",
                    f"d{inputs} by {packed}, {axis} by {block}, {axis} in {block}, planes",
                    f"{axis} by {block}, d{inputs} by 4, {axis} in {block}, d{inputs} in 4",
                    f"d{inputs} by 2, {axis}, d{inputs} in 2",
                    f"{axis} by {block}, d{inputs}, {axis} in {block}",
                    f"{axis} by 24, d{inputs}, {axis} in 24 by 8, {axis} in 24 in 8",
                )
            )
        ),
        word,
    )


@pytest.mark.parametrize("tier", TIERS)
def test_weights(tier: str):
    """Channels that lie side by side after, and mostly before; whole vectors of them and not."""

    def run(drawn: Any) -> None:
        draw = drawn.draw
        axes = draw(st.sampled_from(((0, 1), (0, 1), (1, 0))))
        sizes = draw(st.sampled_from(EXTENTS)), draw(st.sampled_from((4, 6, 8, 20, 33, 48, 61, 64)))
        shape = sizes[axes[0]], sizes[axes[1]]
        element = draw(st.one_of(code_types(), st.sampled_from((i8, i16, i32, f32))))
        layout = draw(weight_layouts(*axes))
        if element is f32:
            layout = Layout(layout.terms, f32)
        if layout.encoded and not isinstance(element, CodeType):
            return
        convert(shape, element, None, layout, draw, tier)

    sample(run, 2500 + TIERS.index(tier), st.data())


@pytest.mark.parametrize("tier", TIERS)
def test_rows(tier: str):
    """Planes in rows to four channels a byte, or words of 64 bits, and read again."""

    def run(drawn: Any) -> None:
        shape, code = drawn.draw(shapes()), drawn.draw(code_types())
        leading, axis = tuple(Term(axis) for axis in range(len(shape) - 1)), len(shape) - 1
        rows = Layout((*leading, PLANES, Term(axis, (("by", 32),))), i32)
        nibbles = Term(axis, (("by", 16),)), Term(axis, (("in", 16), ("by", 4)))
        spread = Layout((*leading, PLANES, *nibbles), i8)
        if drawn.draw(st.integers(0, 2)) == 0:
            spread = Layout((*leading, PLANES, Term(axis, (("by", 64),))), i64)
        pair = (rows, spread) if drawn.draw(st.integers(0, 2)) else (spread, rows)
        convert(shape, code, *pair, drawn.draw, tier)

    sample(run, 2000 + TIERS.index(tier), st.data())


@pytest.mark.parametrize("tier", TIERS)
def test_transpose_and_reshape(tier: str):
    def run(drawn: Any) -> None:
        shape = drawn.draw(shapes())
        element = drawn.draw(st.one_of(code_types(), st.sampled_from((i8, i16, i32, f32))))
        net = Net()
        x = net.input(shape, element)
        order = drawn.draw(st.permutations(range(len(shape))))
        y = net.add(TransposeOp(x, order))
        if drawn.draw(st.booleans()):
            y = net.add(ReshapeOp(y, with_shape(y, (int(np.prod(shape)),))))
        random = np.random.default_rng(drawn.draw(seeds()))
        check(net.module(y), [[data(element, shape, "random", random)]], tier)

    sample(run, TIERS.index(tier), st.data())


@pytest.mark.parametrize("tier", TIERS)
def test_axes_that_turn_round(tier: str):
    """Channels to the end or back, by an op or a layout; images and channels of less and more than a tile."""

    def run(drawn: Any) -> None:
        draw, last = drawn.draw, drawn.draw(st.booleans())
        element = draw(st.one_of(code_types(), st.sampled_from((i8, i16, i32, f32))))
        size, sizes = draw(st.sampled_from(EXTENTS)), st.integers(1, 9)
        pixels, batch = [draw(sizes), draw(sizes)], draw(st.integers(1, 2))
        shape = (batch, *pixels, size) if last else (batch, size, *pixels)
        order = (0, 3, 1, 2) if last else (0, 2, 3, 1)
        net = Net()
        if isinstance(element, CodeType) and draw(st.booleans()):
            turned = Layout(tuple(map(Term, order)), IntegerType(8 * element.storage.itemsize))
            layouts = (None, turned) if draw(st.booleans()) else (turned, None)
            op = convert_layout(net.input(shape, element, layout=layouts[0]), layouts[1])
            assert op is not None
        else:
            op = TransposeOp(net.input(shape, element), order)
        random = np.random.default_rng(draw(seeds()))
        sets = [[data(element, shape, "random", random)]]
        check(net.module(net.add(op)), sets, tier, threads=1 + size % 3)

    sample(run, 3000 + TIERS.index(tier), st.data())


@pytest.mark.parametrize("tier", TIERS)
def test_codes_unpacked_in_words_of_64_bits(tier: str):
    """Packing them once took the words for elements of i64."""
    net, wide = Net(), Layout.of("d0, d1", 64)
    x = net.input((2, 9), "int3", layout=wide)
    op = convert_layout(x, Layout.of("d0, planes, d1 by 32"))
    assert op is not None
    values = data(parse_code("int3"), (2, 9), "random", np.random.default_rng(0))
    check(net.module(net.add(op)), [[values]], tier)
