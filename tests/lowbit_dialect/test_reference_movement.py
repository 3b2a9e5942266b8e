"""The meaning of ops that move elements, one element at a time."""

import itertools

import numpy as np
import pytest
from programs import Net, data

from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp
from lowbit_dialect.reference import evaluate_op

SHAPE = (2, 3, 4)


def evaluated(make, *shapes):
    """The inputs and the result of the op that `make` builds on inputs of i16."""
    net = Net()
    inputs = [net.input(shape, "i16") for shape in shapes]
    op = make(*inputs)
    op.verify()
    values = {
        x: data(x.type.element_type, s, "random", np.random.default_rng(i))
        for i, (x, s) in enumerate(zip(inputs, shapes))
    }
    return [values[x] for x in inputs], evaluate_op(op, values)


@pytest.mark.parametrize("axis", range(3))
def test_concat(axis):
    wide = tuple(extent + 2 * (at == axis) for at, extent in enumerate(SHAPE))
    (a, b), y = evaluated(lambda *xs: ConcatOp(xs, axis), SHAPE, wide)
    for at in itertools.product(*map(range, y.shape)):
        within = [i - SHAPE[axis] * (k == axis) for k, i in enumerate(at)]
        assert y[at] == (a[at] if at[axis] < SHAPE[axis] else b[tuple(within)])


def test_extract_slice():
    starts, sizes, steps = (1, 0, 3), (1, 2, 2), (1, 2, -3)
    (x,), y = evaluated(lambda x: ExtractSliceOp(x, starts, sizes, steps), SHAPE)
    assert y.shape == sizes
    for at in itertools.product(*map(range, sizes)):
        assert y[at] == x[tuple(f + i * s for f, i, s in zip(starts, at, steps))]


def test_pad():
    low, high, interior = (0, 1, 2), (1, 0, 3), (2, 0, 1)
    (x,), y = evaluated(lambda x: PadOp(x, low, high, 77, interior), SHAPE)
    assert y.shape == (5, 4, 12)
    for at in itertools.product(*map(range, y.shape)):
        places = [divmod(i - before, step + 1) for i, before, step in zip(at, low, interior)]
        held = all(not r and 0 <= q < n for (q, r), n in zip(places, x.shape))
        assert y[at] == (x[tuple(q for q, _ in places)] if held else 77)


def test_repeat():
    (x,), y = evaluated(lambda x: RepeatOp(x, (3, 1, 2)), SHAPE)
    assert y.shape == (6, 3, 8)
    for at in itertools.product(*map(range, y.shape)):
        assert y[at] == x[at[0] // 3, at[1], at[2] // 2]
