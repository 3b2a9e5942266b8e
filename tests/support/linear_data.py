"""Operands of `conv2d` and `dense`."""

import numpy as np
from strategies import LinearCase, element, fill

from lowbit_dialect.codes import CodeType
from lowbit_dialect.reference import Array


def data_of(case: LinearCase) -> list[list[Array]]:
    """The data that was drawn, random data, the largest sums and the largest counts of bits."""
    kinds = (case.fills, ("random", "random"), ("max", "max"), ("max", "min"), ("ones", "ones"))
    sets: list[list[Array]] = []
    for number, (first, second) in enumerate(dict.fromkeys(kinds)):
        x = values(first, case.input_shape, case.activation, case.seed + 2 * number)
        w = values(second, case.weight_shape, case.weight, case.seed + 2 * number + 1)
        sets.append([x, w])
    return sets


def values(kind: str, shape: tuple[int, ...], spelling: str, seed: int) -> Array:
    """Data of one of the `FILLS`, or `ones`: every plane of every code set."""
    code = element(spelling)
    if kind != "ones":
        return fill(kind, shape, code, seed)
    if not isinstance(code, CodeType):
        return fill("min", shape, code, seed)
    return code.decode(np.full(shape, (1 << code.planes) - 1, np.uint8))


def extremes(case: LinearCase) -> list[list[Array]]:
    """The smallest, the largest and random operands, each beside each."""
    sizes = (case.input_shape, case.activation), (case.weight_shape, case.weight)
    x, w = (
        [fill(kind, shape, element(one), case.seed) for kind in ("min", "max", "random")]
        for shape, one in sizes
    )
    return [[one, other] for one in x for other in w]
