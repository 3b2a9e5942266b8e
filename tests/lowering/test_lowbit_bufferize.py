"""The arena that `lowbit-bufferize` plans: no two buffers that are alive together overlap."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lowering.aligned import ALIGNMENT
from lowering.lowbit_bufferize import Arena

Life = tuple[int, int, int]


def lives() -> SearchStrategy[list[Life]]:
    """`(bytes, first op, last op)` of buffers, in the order in which ops make them."""
    sizes = st.one_of(st.sampled_from((1, 63, 64, 65, 128)), st.integers(1, 5000))
    steps = st.tuples(sizes, st.integers(0, 3), st.integers(0, 6))
    return st.lists(steps, max_size=25).map(_in_order)


def _in_order(steps: list[Life]) -> list[Life]:
    found: list[Life] = []
    first = 0
    for size, after, length in steps:
        first += after
        found.append((size, first, first + length))
    return found


def rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


@settings(max_examples=200)
@given(lives())
def test_arena(buffers: list[Life]) -> None:
    arena = Arena()
    offsets = [arena.place(*buffer) for buffer in buffers]
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    ends = [offset + size for offset, (size, _, _) in zip(offsets, buffers)]
    assert max(ends, default=0) <= arena.size <= sum(rounded(size) for size, _, _ in buffers)
    for i, (_, first, last) in enumerate(buffers):
        for j, (_, other_first, other_last) in enumerate(buffers[:i]):
            if first <= other_last and other_first <= last:
                assert ends[i] <= offsets[j] or ends[j] <= offsets[i], (i, j)
