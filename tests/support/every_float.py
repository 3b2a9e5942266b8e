"""Functions on runs of neighbouring floats: `python tests/support/every_float.py NAME...` goes through all.

It prints how often each falls or is NaN, with parameters of 1; a minute for each function.
"""

import sys

import numpy as np

from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.lanes import ArrayLanes
from lowbit_dialect.layout import Array

LAST = 0x7F800000
"""Infinity; floats are counted from it down to 0, and from minus 1 at -0.0 down to minus infinity."""
CHUNK = 1 << 20


def floats(first: int, last: int) -> Array:
    """Neighbouring floats by their place in ascending order; 0.0 is 0, -0.0 is -1."""
    places = np.arange(first, last, dtype=np.int64)
    return np.where(places < 0, -(2**31) + ~places, places).astype(np.int32).view(np.float32)


def value(name: str, x: Array, *parameters: float) -> Array:
    """What `lowbit.apply` computes."""
    with np.errstate(all="ignore"):
        result = FUNCTIONS[name].formula(ArrayLanes(x), *parameters)
    assert isinstance(result, ArrayLanes)
    return result.array


def falls(name: str, first: int, last: int, *parameters: float) -> int:
    """How many of these floats have a neighbour above that gives less, or NaN."""
    y = value(name, floats(first, last + 1), *parameters)
    return int(np.count_nonzero(~(y[:-1] <= y[1:])))


def main() -> None:
    """Go through every float with each function named."""
    for name in sys.argv[1:]:
        parameters = [1.0] * len(FUNCTIONS[name].parameters)
        total = 0
        for first in range(~LAST, LAST, CHUNK):
            total += falls(name, first, min(first + CHUNK, LAST), *parameters)
        print(f"{name} falls at {total} of {2 * LAST} floats")


if __name__ == "__main__":
    main()
