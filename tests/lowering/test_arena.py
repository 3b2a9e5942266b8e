"""The arena that is planned: buffers alive together do not overlap, and it is as small as it can be."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lowering.aligned import ALIGNMENT
from lowering.arena import Life, alive, arena


def lives(most: int) -> SearchStrategy[list[Life]]:
    """Buffers in the order in which ops make them."""
    sizes = st.one_of(st.sampled_from((1, 63, 64, 65, 128)), st.integers(1, 5000))
    steps = st.tuples(sizes, st.integers(0, 3), st.integers(0, 6))
    return st.lists(steps, max_size=most).map(_in_order)


def _in_order(steps: list[tuple[int, int, int]]) -> list[Life]:
    found, first = list[Life](), 0
    for size, after, length in steps:
        first += after
        found.append(Life(size, first, first + length))
    return found


@settings(max_examples=200)
@given(lives(25))
def test_buffers_alive_together_do_not_overlap(buffers: list[Life]) -> None:
    size, offsets = arena(buffers)
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    ends = [offset + one.room for offset, one in zip(offsets, buffers)]
    assert max(ends, default=0) <= size and alive(buffers) <= size
    for i, one in enumerate(buffers):
        for j, other in enumerate(buffers[:i]):
            if one.meets(other):
                assert ends[i] <= offsets[j] or ends[j] <= offsets[i], (i, j)


def lowest(buffers: Sequence[Life], most: int) -> int:
    """What an arena takes at least, if that is below `most`: by orders in which each gets its lowest gap."""
    for order in permutations(buffers):
        placed: list[tuple[int, Life]] = []
        for one in order:
            taken = sorted((at, at + by.room) for at, by in placed if by.meets(one))
            offset = 0
            for start, end in taken:
                offset = max(offset, end) if start < offset + one.room else offset
            placed.append((offset, one))
            if offset + one.room >= most:
                break
        else:
            most = max((at + one.room for at, one in placed), default=0)
    return most


@settings(max_examples=100)
@given(lives(6))
def test_no_order_of_few_buffers_needs_less(buffers: list[Life]) -> None:
    size, _ = arena(buffers)
    assert size <= 1.05 * max(alive(buffers), lowest(buffers, size))


CHAIN = [8000, 16000, 8000, 8000] * 3
"""Bytes of the layers of a depthwise network: two stand beside each other, at either end by turns."""


@pytest.mark.parametrize(
    "buffers",
    [
        [Life(10_000, 0, 1), *(Life(size, at, at + 1) for at, size in enumerate(CHAIN, 1))],
        # These are not found through time, but backwards.
        [Life(64 * a, b, c) for a, b, c in ((1, 1, 2), (1, 2, 4), (3, 2, 5), (3, 3, 5))]
        + [Life(64 * a, b, c) for a, b, c in ((2, 3, 6), (1, 4, 7), (4, 5, 8), (5, 6, 6))],
    ],
)
def test_what_is_alive_together_is_reached(buffers: list[Life]) -> None:
    assert arena(buffers)[0] == alive(buffers)
