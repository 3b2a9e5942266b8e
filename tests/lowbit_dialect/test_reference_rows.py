"""The reference of ops on rows against sums in f64 and sorting by Python."""

from collections.abc import Sequence
from math import fsum, inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import Array, Net
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Attribute

from lowbit_dialect.ops.rows import REDUCTIONS, ReduceOp, TopKOp
from lowbit_dialect.reference import run

NUMBERS = st.floats(width=32, allow_subnormal=False)


def reduced(name: str, x: Array) -> Array:
    net = Net()
    return run(net.module(net.add(ReduceOp(name, net.input(x.shape, f32)))), x)[0]


def best(x: Array, count: int, element: Attribute, smallest: bool) -> Sequence[float]:
    net = Net()
    op = TopKOp(net.input(x.shape, f32), count, element, smallest=smallest)
    return run(net.module(net.add(op)), x)[0].tolist()


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 100])
def test_reduce(name: str, length: int):
    x = np.random.default_rng(length).standard_normal((2, 3, length)).astype(np.float32)
    y = reduced(name, x)
    assert y.shape == (2, 3, 1)
    for row, got in zip(x.reshape(-1, length).tolist(), y.ravel().tolist()):
        sizes = fsum(map(abs, row))
        want = {"sum": fsum(row), "mean": fsum(row) / length}
        near = sizes * 2**-22 / (length if name == "mean" else 1)
        assert abs(got - want.get(name, {"max": max(row), "min": min(row)}.get(name, 0))) <= (
            near if name in want else 0
        )


def test_sums_of_small_integers_are_exact_and_of_large_ones_in_a_fixed_order():
    ramp = np.arange(40, dtype=np.float32)
    assert reduced("sum", ramp).tolist() == [780]
    # 1e8 + 1 is 1e8 in f32. Numbers 0 and 16 meet first, then the halves of the sixteen.
    x = np.zeros(32, np.float32)
    x[[0, 16, 8]] = 1e8, -1e8, 1
    assert reduced("sum", x).tolist() == [1]
    x[[0, 16, 8, 24]] = 1e8, 1, -1e8, 0
    assert reduced("sum", x).tolist() == [0]


def test_what_is_special():
    x = np.array([np.nan, -3, np.nan], np.float32)
    assert reduced("max", x).tolist() == reduced("min", x).tolist() == [-3]
    assert isnan(reduced("sum", x)[0])
    assert reduced("max", x[:1]).tolist() == [-inf]
    assert not np.signbit(reduced("max", np.array([-0.0], np.float32)))[0]


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.booleans(), st.data())
def test_top_k(numbers: list[float], smallest: bool, data: st.DataObject):
    count = data.draw(st.integers(1, len(numbers)))

    def key(place: int) -> tuple[float, float]:
        number = numbers[place]
        sign = float(np.copysign(1, number))
        rank = (2 * sign, 0) if isnan(number) else (np.sign(number) * (number != 0), number)
        return rank if smallest else (-rank[0], -rank[1])

    order = sorted(range(len(numbers)), key=key)[:count]
    x = np.array(numbers, np.float32)
    assert best(x, count, i32, smallest) == order
    np.testing.assert_array_equal(best(x, count, f32, smallest), x[order])
