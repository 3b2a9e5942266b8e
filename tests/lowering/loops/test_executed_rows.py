"""`reduce` and `top_k` between guards: lengths round 16, equals, NaN, infinities, in tasks or not."""

import numpy as np
import pytest
from executed import TIERS, check
from programs import Array, Net
from xdsl.dialects.builtin import f32, i32

from lowbit_dialect.ops.rows import REDUCTIONS, ReduceOp, TopKOp

LENGTHS = (1, 2, 15, 16, 17, 40)


def rows(length: int, seed: int) -> Array:
    """Ordinary numbers, equals, then numbers of any bits."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2**32, (3, length), dtype=np.uint64).astype(np.uint32)
    special = random.choice([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan], (3, length))
    parts = [random.standard_normal((2, length)), random.integers(-2, 3, (3, length)), special]
    return np.concatenate([*(p.astype(np.float32) for p in parts), bits.view(np.float32)])


@pytest.mark.parametrize("tier", TIERS)
def test_reduce(tier: str):
    """In one order on every target: the same bits."""
    net, data = Net(), list[Array]()
    results = []
    for length in LENGTHS:
        data.append(rows(length, length))
        x = net.input(data[-1].shape, f32)
        results += [net.add(ReduceOp(name, x)) for name in REDUCTIONS]
    check(net.module(*results), [data], tier, threads=2)


@pytest.mark.parametrize("tier", TIERS)
def test_top_k(tier: str):
    net, data = Net(), list[Array]()
    results = []
    for length in LENGTHS:
        data.append(rows(length, length))
        x, count = net.input(data[-1].shape, f32), min(length, 1 + length % 4)
        results.append(net.add(TopKOp(x, length)))
        results.append(net.add(TopKOp(x, count, f32)))
        results.append(net.add(TopKOp(x, count, i32, smallest=True)))
    check(net.module(*results), [data], tier, threads=3)
