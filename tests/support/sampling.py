"""Run a test on a few drawn examples, the same ones every time."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, tuples

T = TypeVar("T")
EXAMPLES = 10
"""Of one run: from the eleventh on Hypothesis mostly varies what it has drawn before."""


def sample(
    test: Callable[..., None], number: int, *strategies: SearchStrategy[Any], count: int = EXAMPLES
) -> None:
    """Call `test` on `count` examples, which `number` decides; a failing one is not shrunk."""
    quick = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # a failing kernel takes long to shrink
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    def run(drawn: tuple[Any, ...]) -> None:
        test(*drawn)

    seed(number)(quick(given(tuples(*strategies))(run)))()


def drawn(strategy: SearchStrategy[T], count: int, number: int) -> list[T]:
    """The same `count` examples every time, to be run together."""
    found: list[T] = []
    sample(found.append, number, strategy, count=count)
    return found
