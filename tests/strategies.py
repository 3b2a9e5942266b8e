"""What property tests draw: element types, layouts, convolutions and dense layers, data to feed them.

Everything is built legal; nothing is filtered. Shapes are drawn before data, and data is a kind and one
seed. Sizes stand round every boundary: words of 8 to 64 bits, vectors of 4 to 64 lanes, the depth at
which a byte of popcounts is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    Float32Type,
    FunctionType,
    IntegerType,
    ModuleOp,
    TensorType,
    UnitAttr,
    f32,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region

from lowbit_dialect.codes import CODE_SPELLINGS, CodeType, parse_code
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import CHOICES, SUMS, Array, Chain, Layout, Term, storage_dtype
from lowbit_dialect.ops.common import I32_MAX, image_shape, value_range
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp, LinearOp

CHANNELS = (1, 3, 31, 32, 33, 63, 64, 65, 96)
OUTPUTS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)
DEPTHS = (*CHANNELS, 127, 128, 129, 255, 256, 257, 1984, 1985, 4097)
"""Depths of dense layers: 31 steps of 64 bits fill a byte of popcounts."""
PLANES_FEW = 6
"""Products of planes that a test can afford to unroll."""
FILLS = ("random", "min", "max", "alternating", "zeros")
PLAIN = {"i8": i8, "i16": i16, "f32": f32}


def element(spelling: str) -> Attribute:
    """The element type of `uint2`, `ternary`, ..., `i8`, `i16` or `f32`."""
    return PLAIN.get(spelling) or parse_code(spelling)


def code_types() -> SearchStrategy[CodeType]:
    """Any code type, fewer planes first."""
    ordered = sorted(CODE_SPELLINGS, key=lambda text: parse_code(text).planes)
    return st.sampled_from(ordered).map(parse_code)


def code_pairs() -> SearchStrategy[tuple[str, str]]:
    """Spellings of an activation and a weight code."""
    spelling = code_types().map(lambda code: code.spelling)
    return st.tuples(spelling, spelling)


def plain_pairs() -> SearchStrategy[tuple[str, str]]:
    """Spellings of an activation and a weight of which at least one is no code."""
    pairs = (("i8", "i8"), ("i16", "i16"), ("i8", "i16"), ("i16", "i8"), ("f32", "f32"))
    mixed = (("uint2", "i8"), ("i8", "odd1"), ("uint8", "i16"), ("i16", "int4"), ("i8", "ternary"))
    return st.sampled_from([*pairs, *mixed])


@dataclass(frozen=True)
class LinearCase:
    """One `conv2d` or `dense` and its data; a dense layer has `height` rows and one pixel each."""

    op: str
    activation: str
    weight: str
    batch: int = 1
    height: int = 1
    width: int = 1
    channels: int = 1
    outputs: int = 1
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    pad_value: int = 0
    format: str = "nhwc"
    fills: tuple[str, str] = ("random", "random")
    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        if self.op == "dense":
            return self.height, self.channels
        return image_shape(self.format, self.batch, (self.height, self.width), self.channels)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        inputs = self.channels // self.groups
        if self.op == "dense":
            return inputs, self.outputs
        if self.format == "nhwc":
            return *self.kernel, inputs, self.outputs
        return self.outputs, inputs, *self.kernel

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.op == "dense":
            return self.height, self.outputs
        return image_shape(self.format, self.batch, self.window.out, self.outputs)

    @property
    def window(self) -> Window:
        size = (self.height, self.width)
        return Window.of(size, self.kernel, self.strides, self.padding, self.dilations)

    @property
    def accumulator(self) -> Attribute:
        """f32, i32, or i64 where i32 could wrap."""
        x, w = element(self.activation), element(self.weight)
        if isinstance(x, Float32Type):
            return f32
        depth = self.kernel[0] * self.kernel[1] * self.channels // self.groups
        size = max(map(abs, value_range(x))) * max(map(abs, value_range(w)))
        return i32 if depth * size <= I32_MAX else i64

    def arrays(self) -> tuple[Array, Array]:
        """Decoded input and weights."""
        return (
            fill(self.fills[0], self.input_shape, element(self.activation), self.seed),
            fill(self.fills[1], self.weight_shape, element(self.weight), self.seed + 1),
        )


def fill(kind: str, shape: Sequence[int], code: Attribute, seed: int) -> Array:
    """Decoded data of one kind of `FILLS`; `zeros` has all planes zero."""
    size, dtype = int(np.prod(shape)), storage_dtype(code)
    if isinstance(code, Float32Type):
        low, high, step, zero = -2.0, 2.0, 0.25, 0.0
    else:
        low, high = value_range(code)
        step, zero = (code.scale, code.offset) if isinstance(code, CodeType) else (1, 0)
    match kind:
        case "random":
            draws = np.random.default_rng(seed).integers(0, round((high - low) / step) + 1, size)
            flat = low + step * draws
        case "alternating":
            flat = np.where(np.arange(size) % 2, high, low)
        case _:
            flat = np.full(size, {"min": low, "max": high, "zeros": zero}[kind])
    return flat.astype(dtype).reshape(shape)


def seeds() -> SearchStrategy[int]:
    return st.integers(0, 2**32 - 2)


def fills() -> SearchStrategy[str]:
    return st.sampled_from(FILLS)


@st.composite
def windows(draw: DrawFn, largest: int = 9) -> tuple[int, int, int, int, int, int]:
    """`size, kernel, stride, before, after, dilation` of an axis with at least one output."""
    size = draw(st.integers(1, largest))
    kernel = draw(st.sampled_from((1, 2, 3, 5)))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    before = draw(st.integers(0, 3))
    needed = max(0, dilation * (kernel - 1) + 1 - size - before)
    return size, kernel, stride, before, needed + draw(st.integers(0, 3)), dilation


@st.composite
def group_shapes(draw: DrawFn) -> tuple[int, int, int]:
    """`groups, input channels, output channels`: whole, in a few groups, or depthwise."""
    kind = draw(st.sampled_from(("whole", "whole", "grouped", "depthwise")))
    if kind == "whole":
        return 1, draw(st.sampled_from(CHANNELS)), draw(st.sampled_from(OUTPUTS))
    if kind == "depthwise":
        groups = draw(st.sampled_from(CHANNELS))
        return groups, groups, groups * draw(st.sampled_from((1, 1, 2)))
    groups = draw(st.sampled_from((2, 3)))
    inputs = draw(st.sampled_from((1, 3, 31, 32, 33)))
    return groups, groups * inputs, groups * draw(st.sampled_from((1, 3, 7, 8, 9, 17)))


@st.composite
def pad_values(draw: DrawFn, activation: str) -> int:
    """Any legal pad value: 0, an end of the range, or one between, a code or not."""
    kind = element(activation)
    if isinstance(kind, Float32Type):
        return 0
    low, high = value_range(kind)
    low, high = min(low, 0), max(high, 0)
    return draw(st.one_of(st.sampled_from((0, low, high)), st.integers(low, high)))


@st.composite
def linear_cases(
    draw: DrawFn,
    pairs: SearchStrategy[tuple[str, str]] | None = None,
    ops: Sequence[str] = ("conv2d", "conv2d", "conv2d", "dense"),
    largest: int = 9,
) -> LinearCase:
    """A layer with its data; `largest` bounds height and width before padding."""
    op = draw(st.sampled_from(ops))
    activation, weight = draw(code_pairs() if pairs is None else pairs)
    named: dict[str, Any] = {"op": op, "activation": activation, "weight": weight}
    if op == "dense":
        named["height"] = draw(st.sampled_from((1, 2, 3, 4, 5, 7, 8, 9, 17)))
        named["channels"] = draw(st.sampled_from(DEPTHS))
        named["outputs"] = draw(st.sampled_from(OUTPUTS))
    else:
        rows, columns = draw(windows(largest)), draw(windows(largest))
        named["height"], named["width"] = rows[0], columns[0]
        named["kernel"], named["strides"] = (rows[1], columns[1]), (rows[2], columns[2])
        named["padding"] = (rows[3], columns[3], rows[4], columns[4])
        named["dilations"] = (rows[5], columns[5])
        named["groups"], named["channels"], named["outputs"] = draw(group_shapes())
        named["batch"] = draw(st.integers(1, 3))
        named["format"] = draw(st.sampled_from(("nhwc", "nchw")))
        named["pad_value"] = draw(pad_values(activation))
    named["fills"] = (draw(fills()), draw(fills()))
    return LinearCase(**named, seed=draw(seeds()))


def linear_op(case: LinearCase, x: Any, w: Any, corrections: Any = None) -> LinearOp:
    """The op of a case on two values."""
    result = TensorType(case.accumulator, case.output_shape)
    if case.op == "dense":
        return DenseOp(x, w, result, corrections=corrections)
    names = ("strides", "padding", "dilations", "groups", "pad_value", "format")
    options = {name: getattr(case, name) for name in names}
    return Conv2dOp(x, w, result, corrections=corrections, **options)


def program_for(case: LinearCase) -> ModuleOp:
    """`func @main(%x, %w {lowbit.constant})` returning the accumulators of the case's layer."""
    x = TensorType(element(case.activation), case.input_shape)
    w = TensorType(element(case.weight), case.weight_shape)
    block = Block(arg_types=[x, w])
    op = linear_op(case, *block.args)
    block.add_ops([op, ReturnOp(op)])
    marks = [DictionaryAttr({}), DictionaryAttr({"lowbit.constant": UnitAttr()})]
    kind = FunctionType.from_lists([x, w], [op.results[0].type])
    return ModuleOp([FuncOp("main", kind, Region(block), arg_attrs=ArrayAttr(marks))])


@st.composite
def layouts(draw: DrawFn, rank: int, packed: bool | None = None) -> Layout:
    """A legal layout: axes cut up to twice, one part in the word if packed, all in any order."""
    word = draw(st.sampled_from((8, 16, 32, 64)))
    parts = [part for axis in range(rank) for part in draw(_parts(axis, (), 2))]
    if rank and draw(st.booleans()) if packed is None else packed:
        at = draw(st.integers(0, len(parts) - 1))
        count = draw(st.one_of(st.just(word), st.integers(1, word)))
        parts[at] = Term(parts[at].axis, (*parts[at].chain, ("by", count)))
        parts.append(Term(None))
    order = draw(st.permutations(parts))
    return Layout(tuple(order), IntegerType(word), msb=draw(st.booleans()))


@st.composite
def table_layouts(draw: DrawFn, rank: int, code: CodeType) -> Layout:
    """A legal layout of tables of `code`, often one whose tables are the innermost axis."""
    table = draw(st.sampled_from((SUMS, CHOICES)))
    largest = 255 // ((1 << code.planes) - 1)
    count = draw(st.sampled_from([n for n in (1, 2, 3, 4, 4, 6, 6) if n <= largest]))
    if draw(st.booleans()):
        rows = tuple(Term(axis) for axis in range(rank - 1))
        return Layout((*rows, Term(rank - 1, (("by", count),)), table), i8)
    parts = [part for axis in range(rank) for part in draw(_parts(axis, (), 2))]
    at = draw(st.integers(0, len(parts) - 1))
    parts[at] = Term(parts[at].axis, (*parts[at].chain, ("by", count)))
    return Layout(tuple(draw(st.permutations([*parts, table]))), i8)


@st.composite
def summed_codes(draw: DrawFn) -> CodeType:
    """A code whose values tables can sum."""
    return parse_code(f"{draw(st.sampled_from(('uint', 'odd')))}{draw(st.integers(1, 4))}")


@st.composite
def few_planes(draw: DrawFn) -> tuple[str, str]:
    """A pair of codes of at most `PLANES_FEW` products of planes."""
    codes = [parse_code(spelling) for spelling in CODE_SPELLINGS]
    first = draw(st.sampled_from([code for code in codes if code.planes <= PLANES_FEW]))
    rest = [code for code in codes if first.planes * code.planes <= PLANES_FEW]
    pair = first.spelling, draw(st.sampled_from(rest)).spelling
    return pair if draw(st.booleans()) else (pair[1], pair[0])


@st.composite
def look_up_pairs(draw: DrawFn) -> tuple[str, str]:
    """A pair of codes that look-up kernels multiply, of few weight planes."""
    weights = [s for s in CODE_SPELLINGS if parse_code(s).planes <= 3]
    return draw(summed_codes()).spelling, draw(st.sampled_from(weights))


def depthwise_cases(
    pairs: SearchStrategy[tuple[str, str]] | None = None,
) -> SearchStrategy[LinearCase]:
    """Convolutions of as many groups as channels."""
    cases = linear_cases(pairs, ops=("conv2d",), largest=7)
    return cases.map(lambda case: replace(case, groups=case.channels, outputs=case.channels))


@st.composite
def _parts(draw: DrawFn, axis: int, chain: Chain, depth: int) -> list[Term]:
    if depth == 0 or not draw(st.booleans()):
        return [Term(axis, chain)]
    block = draw(st.integers(1, 9))
    ends: list[Chain] = [(*chain, ("by", block)), (*chain, ("in", block))]
    return [part for end in ends for part in draw(_parts(axis, end, depth - 1))]
