"""Whatever stands in a program, commands answer with one sentence, a place and a caret, and soon."""

import pytest
from program_mutants import verdict

COUNT = 300
"""The first of what `tests/support/program_mutants.py` tries by thousands."""


@pytest.mark.parametrize("first", range(0, COUNT, 50))
def test_mutants(first: int) -> None:
    fallen = {number: wrong for number in range(first, first + 50) if (wrong := verdict(number))}
    assert not fallen
