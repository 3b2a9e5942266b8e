"""Windows against a list of the positions that they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from strategies import windows

from lowbit_dialect.geometry import LIMIT, Window, WindowAxis

Sizes = tuple[int, int, int, int, int, int]


def wide_windows() -> SearchStrategy[Sizes]:
    """Also windows that lie on padding alone, or step over the image."""
    small = st.integers(1, 7)
    return st.one_of(windows(), st.tuples(small, small, small, *[st.integers(0, 9)] * 2, small))


def taps(axis: WindowAxis, output: int) -> list[int]:
    """The taps of an output that lie inside, one by one."""
    places = [output * axis.stride - axis.before + k * axis.dilation for k in range(axis.kernel)]
    return [k for k, place in enumerate(places) if 0 <= place < axis.size]


def count(axis: WindowAxis) -> int:
    """How many outputs fit, by sliding."""
    reach, padded = axis.dilation * (axis.kernel - 1) + 1, axis.size + axis.before + axis.after
    return sum(1 for start in range(0, padded, axis.stride) if start + reach <= padded)


@given(wide_windows())
def test_taps(sizes: Sizes):
    axis = WindowAxis(*sizes)
    assert max(axis.out, 0) == count(axis)
    inside = [taps(axis, o) for o in range(axis.out)]
    for output, expected in enumerate(inside):
        assert list(range(axis.low(output), axis.high(output))) == expected
    assert axis.taps_inside == sum(map(len, inside))


@given(wide_windows())
def test_border_classes(sizes: Sizes):
    axis = WindowAxis(*sizes)
    if axis.out < 1:
        return
    whole = [len(taps(axis, o)) == axis.kernel for o in range(axis.out)]
    classes = [axis.class_of(o) for o in range(axis.out)]
    assert axis.classes == axis.head + 1 + axis.tail
    assert all(0 <= c < axis.classes for c in classes) and classes == sorted(classes)
    interior = [o for o in range(axis.out) if classes[o] == axis.head]
    assert all(whole[o] for o in interior)
    border = [c for c in classes if c != axis.head]
    assert len(set(border)) == len(border), "a class outside the interior has one output"
    for output in range(axis.out):
        assert axis.class_taps(classes[output]) == (axis.low(output), axis.high(output))


@given(windows())
def test_the_interior_is_as_large_as_can_be(sizes: Sizes):
    axis = WindowAxis(*sizes)
    whole = [o for o in range(axis.out) if len(taps(axis, o)) == axis.kernel]
    interior = [o for o in range(axis.out) if axis.class_of(o) == axis.head]
    assert interior == whole


@given(wide_windows(), wide_windows())
def test_errors(rows: Sizes, columns: Sizes):
    axes = [WindowAxis(*rows), WindowAxis(*columns)]
    window = Window.of(
        (rows[0], columns[0]),
        (rows[1], columns[1]),
        (rows[2], columns[2]),
        (rows[3], columns[3], rows[4], columns[4]),
        (rows[5], columns[5]),
    )
    assert [window.rows, window.columns] == axes
    assert (window.error() is None) == all(count(axis) > 0 for axis in axes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": 0}, "kernel, strides and dilations are at least 1 along the width"),
        ({"stride": 0}, "kernel, strides and dilations are at least 1 along the width"),
        ({"dilation": -1}, "kernel, strides and dilations are at least 1 along the width"),
        ({"before": -1}, "padding is not negative along the width"),
        ({"after": -1}, "padding is not negative along the width"),
        (
            {"after": LIMIT + 1},
            f"kernel, strides, dilations and padding are at most {LIMIT} along the width",
        ),
        (
            {"kernel": 4, "dilation": 2, "before": 1},
            "the output is empty: the kernel reaches over 7 positions of the width, "
            "which has 6 with padding",
        ),
    ],
)
def test_messages(change: dict[str, int], message: str):
    assert Window(WindowAxis(1), WindowAxis(5, **change)).error() == message


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_edges_have_classes_of_their_own(leading: int, inside: int, trailing: int):
    axis = WindowAxis(max(1, leading + inside + trailing), edges=(leading, trailing))
    wanted = [*range(leading), *[leading] * inside, *range(leading + 1, leading + 1 + trailing)]
    assert [axis.class_of(output) for output in range(axis.out)] == (wanted or [0])
    assert all(axis.class_taps(number) == (0, 1) for number in range(axis.classes))
