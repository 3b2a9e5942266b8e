"""Ops that move elements, drawn with any rank, element and amounts."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net
from strategies import code_types
from xdsl.dialects.builtin import Float32Type, f32, i8, i16, i32, i64
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, MoveOp, PadOp, RepeatOp
from lowbit_dialect.ops.reshaping import TransposeOp

KINDS = ("concat", "extract_slice", "pad", "repeat", "transpose")
Make = Callable[[Net], MoveOp | TransposeOp]
"""Builds the op on inputs of a program."""


def elements() -> st.SearchStrategy[Attribute]:
    """Any element."""
    return st.one_of(code_types(), st.sampled_from((i8, i16, i32, i64, f32)))


@st.composite
def shapes(draw: DrawFn, longest: int) -> tuple[int, ...]:
    """One to six axes, of which one or two are longer than 3."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    for _ in range(draw(st.integers(1, 2))):
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(1, longest))
    return tuple(shape)


@st.composite
def moves(draw: DrawFn, longest: int = 70, kinds: Sequence[str] = KINDS) -> Make:
    """An op on inputs that it adds to a program."""
    kind, element, shape = draw(st.sampled_from(kinds)), draw(elements()), draw(shapes(longest))
    number = st.integers(0, 2)
    match kind:
        case "concat":
            axis = draw(st.integers(0, len(shape) - 1))
            extents = draw(st.lists(st.integers(1, longest), min_size=1, max_size=3))
            parts = [(*shape[:axis], extent, *shape[axis + 1 :]) for extent in extents]
            return lambda net: ConcatOp([net.input(part, element) for part in parts], axis)
        case "extract_slice":
            numbers = [draw(_range(extent)) for extent in shape]
            return lambda net: ExtractSliceOp(net.input(shape, element), *zip(*numbers))
        case "pad":
            amounts = [[draw(number) for _ in shape] for _ in range(3)]
            amounts[draw(number)][-1] = draw(st.integers(0, longest))
            value = draw(_value(element))
            return lambda net: PadOp(
                net.input(shape, element), amounts[0], amounts[1], value, amounts[2]
            )
        case "transpose":
            order = draw(st.permutations(range(len(shape))))
            return lambda net: TransposeOp(net.input(shape, element), order)
        case _:
            factors = [draw(st.sampled_from((1, 1, 2, 3))) for _ in shape]
            factors[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(1, longest // 2))
            return lambda net: RepeatOp(net.input(shape, element), factors)


@st.composite
def _range(draw: DrawFn, extent: int) -> tuple[int, int, int]:
    """`start, size, step` within an axis; the whole of it now and then."""
    if draw(st.booleans()):
        return 0, extent, 1
    start, step = draw(st.integers(0, extent - 1)), draw(st.sampled_from((1, 1, 2, 3, -1, -2)))
    room = (extent - 1 - start) // step if step > 0 else start // -step
    return start, draw(st.integers(1, room + 1)), step


def _value(element: Attribute) -> st.SearchStrategy[Any]:
    if isinstance(element, CodeType):
        return st.sampled_from(tuple(element.values()))
    if isinstance(element, Float32Type):
        return st.sampled_from((0.0, -1.5, float("-inf")))
    return st.integers(-128, 127)
