"""The least first, by bounds: in the order of values, with nothing opened that is not needed."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from autotune.best_first import Closed, best_first

SMALL = st.integers(0, 6)
GROUPS = st.lists(st.tuples(SMALL, st.lists(st.tuples(SMALL, SMALL), max_size=4)), max_size=5)


@given(GROUPS, SMALL)
def test_things_come_by_value_and_are_opened_when_their_bound_is_next(
    groups: list[tuple[int, list[tuple[int, int]]]], count: int
) -> None:
    """Groups of a bound, and of things of a bound that is as much more, and of a value more still."""
    values = {
        (group, one): bound + more + rest
        for group, (bound, things) in enumerate(groups)
        for one, (more, rest) in enumerate(things)
    }
    opened: list[int] = []

    def valued(name: tuple[int, int]) -> Iterator[tuple[float, tuple[int, int]]]:
        group, one = name
        opened.append(groups[group][0] + groups[group][1][one][0])
        yield values[name], name

    def things(group: int) -> Iterator[tuple[float, Closed[tuple[int, int]]]]:
        bound, inside = groups[group]
        opened.append(bound)
        for one, (more, _) in enumerate(inside):
            yield bound + more, Closed(partial(valued, (group, one)))

    closed = [(bound, Closed(partial(things, group))) for group, (bound, _) in enumerate(groups)]
    found = list(islice(best_first(closed), count))
    assert (
        found
        == [(values[name], name) for name in sorted(values, key=lambda one: (values[one], one))][
            :count
        ]
    )
    if 0 < len(found) == count:
        assert max(opened) <= found[-1][0]
