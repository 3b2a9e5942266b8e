"""Schedules: text, completion, refusals."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from dialect_text import context
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError

from lowbit_dialect.schedule import AXES, CHOICES, SMALLEST, Loop, Schedule, ScheduleAttr


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A field, which may be open."""
    return st.one_of(st.none(), values)


@st.composite
def loops(draw: DrawFn) -> tuple[Loop, ...]:
    """The axes in any order, cache tiles around some."""
    found = [Loop(axis) for axis in draw(st.permutations(AXES))]
    for axis in draw(st.lists(st.sampled_from(AXES), max_size=2, unique=True)):
        at = draw(st.integers(0, found.index(Loop(axis))))
        found.insert(at, Loop(axis, draw(st.integers(1, 1024))))
    return tuple(found)


SCHEDULES = st.builds(
    Schedule,
    microkernel=optional(st.sampled_from(("popcount_32x8", "multiply_f32x8"))),
    loops=optional(loops()),
    **{name: optional(st.integers(least, 31)) for name, least in SMALLEST.items()},
    **{name: optional(st.sampled_from(values)) for name, values in CHOICES.items()},
)


@given(SCHEDULES)
def test_text(schedule: Schedule):
    assert Schedule.parse(str(schedule)) == schedule
    attr = ScheduleAttr(schedule)
    assert Parser(context(), str(attr)).parse_attribute() == attr


@given(SCHEDULES, SCHEDULES)
def test_completion_keeps_what_is_pinned(pinned: Schedule, default: Schedule):
    done = pinned.completed(default)
    for field in fields(Schedule):
        one, other = getattr(pinned, field.name), getattr(default, field.name)
        assert getattr(done, field.name) == (other if one is None else one)
    assert pinned.completed(Schedule()) == pinned == Schedule().completed(pinned)


@given(st.lists(SCHEDULES, max_size=5))
def test_schedules_are_ordered_values(several: list[Schedule]):
    backwards = several[::-1]
    assert sorted(several) == sorted(backwards)
    assert len({*several, *several}) == len(set(several))


REFUSED = [
    ("algorithm = winograd", "algorithm is one of direct"),
    ("taps = some", "taps is one of none, columns, not 'some'"),
    ("order = rows", "a schedule has no 'order': it has algorithm, microkernel, pixels"),
    ("loops = [channels, rows]", "loops have one over pixels, after those over tiles of it"),
    ("loops = [rows, pixels, rows by 4, channels]", "loops have one over rows, after those"),
    ("loops = [rows, rows, pixels, channels]", "loops have one over rows, after those"),
    (
        "loops = [rows, pixels, columns]",
        "a loop is over one of channels, rows, pixels, not 'columns'",
    ),
    ("loops = [rows by 0, rows, pixels, channels]", "a cache tile is rows by 1 to 1024, not 0"),
    ("loops = [rows by 2, rows by 4, rows, pixels, channels]", "cache tiles of rows get smaller"),
    ("planes = both", "planes is one of outer, looped, inner, not 'both'"),
    ("taps = all", "taps is one of none, columns, not 'all'"),
    ("prefetch = -1", "prefetch is a number from 0 to 1024, not -1"),
    ("prefetch = 1025", "prefetch is a number from 0 to 1024, not 1025"),
    ("parallel = columns", "parallel is one of none, rows, channels, not 'columns'"),
    ("pixel = 4", "a schedule has no 'pixel': it has algorithm, microkernel, pixels"),
    ("pixels = many", "pixels is a number from 1 to 1024, not 'many'"),
    ("pixels = -4", "pixels is a number from 1 to 1024, not -4"),
    ("pixels = 4, unroll = 2, pixels = 5", "a schedule has pixels once, not twice"),
    ("microkernel = 4", "microkernel is a name, not 4"),
    ("unroll = 0", "unroll is a number from 1 to 1024, not 0"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refusals(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        Schedule.parse(text)
    with pytest.raises(ParseError) as caught:
        Parser(context(), f"#lowbit.schedule<{text}>").parse_attribute()
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["pixels", "pixels = 1 = 2", "4"])
def test_what_is_no_schedule(text: str):
    with pytest.raises(ValueError, match="is no schedule: expected 'name = value"):
        Schedule.parse(text)


@pytest.mark.parametrize("value", ["²", "--4", "1e3", "9" * 5000])
def test_what_is_no_number(value: str):
    with pytest.raises(ValueError, match="pixels is a number from 1 to 1024, not '"):
        Schedule.parse(f"pixels = {value}")


@pytest.mark.parametrize("name", ["pixels", "vectors", "unroll", "prefetch"])
@pytest.mark.parametrize("value", ["4", 4.0, True, -1, 10**9])
def test_numbers_from_python(name: str, value: Any):
    with pytest.raises(ValueError, match=f"{name} is a number from [01] to 1024, not {value!r}"):
        Schedule(**{name: value})


@pytest.mark.parametrize("loops", ["rows", (), ("rows",), (Loop("rows"), 4)])
def test_loops_from_python(loops: Any):
    with pytest.raises(ValueError, match="loops"):
        Schedule(loops=loops)


def test_no_value():
    with pytest.raises(ValueError, match="microkernel is a name, not ''"):
        Schedule.parse("microkernel = ")
    with pytest.raises(ValueError, match=r"'rows by' is no loop: expected 'rows' or 'rows by 8'"):
        Schedule.parse("loops = [rows by]")
