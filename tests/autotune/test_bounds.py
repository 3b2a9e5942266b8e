"""Bounds of code that runs side by side: of parts they add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.bounds import pressures, settled, shares
from autotune.processors import table_of
from microkernels.instructions import CLASSES, total
from microkernels.target import Target

COUNTS = st.dictionaries(st.sampled_from(sorted(CLASSES)), st.integers(0, 20))
ZEN5 = table_of(Target.parse("x86-64-v4"))


@given(st.lists(st.tuples(st.integers(0, 9), COUNTS), min_size=1, max_size=5))
def test_shares_of_parts_make_the_pressures_of_the_whole(parts: list[tuple[int, dict[str, int]]]):
    each = [(times, shares(counts, ZEN5)) for times, counts in parts]
    added = {name: sum(times * one[name] for times, one in each) for name in each[0][1]}
    assert settled(added, ZEN5) == pytest.approx(pressures(total(*parts), ZEN5))
