"""The best choices of bits equal those of trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lowbit.budget.front import Point, Reader, both, choices, front


def everything(points: list[Point]) -> set[tuple[int, float]]:
    """Those of which no other loses less in less time, each compared with each."""
    pairs = {(one.loss, one.seconds) for one in points}
    return {
        (loss, time)
        for loss, time in pairs
        if not any(a <= loss and b <= time and (a, b) != (loss, time) for a, b in pairs)
    }


@pytest.mark.parametrize("seed", range(20))
def test_equals_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits, groups = (2, 3, 8), [(0, (1, 2)), (3, (4,)), (-1, (5, -1))]
    losses = {(at, b): int(rng.integers(0, 9)) for at in range(6) for b in bits}
    found, brute = [Point(0, 0.0)], [Point(0, 0.0)]
    for activation, weights in groups:
        mine = bits if activation >= 0 else (-1,)
        readers = [
            Reader(
                w,
                {
                    (a, b): float(rng.integers(1, 20))
                    for a in mine
                    for b in (bits if w >= 0 else (-1,))
                },
            )
            for w in weights
        ]
        found = both(found, choices(activation, mine, readers, losses))
        group: list[Point] = []
        for a in mine:
            for picked in product(*(list(reader.seconds.items()) for reader in readers)):
                picked = [one for one in picked if one[0][0] == a]
                if len(picked) < len(readers):
                    continue
                loss = losses.get((activation, a), 0)
                loss += sum(
                    losses.get((r.weights, w), 0) for r, ((_, w), _) in zip(readers, picked)
                )
                group.append(Point(loss, sum(time for _, time in picked)))
        brute = [one + other for one in brute for other in group]
    assert {(one.loss, one.seconds) for one in found} == everything(brute)
    for one in found:
        assert one.loss == sum(losses[each] for each in one.bits)


def test_what_loses_too_much_is_left_out() -> None:
    kept = front([Point(3, 1.0), Point(1, 2.0), Point(1, 3.0), Point(9, 0.5)], most=5)
    assert [(one.loss, one.seconds) for one in kept] == [(1, 2.0), (3, 1.0)]
