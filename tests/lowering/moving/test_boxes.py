"""Boxes: each element of the result is written once, with what the reference puts there."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from moving import Make, moves
from programs import Net, data

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.movement import MoveOp, PadOp
from lowbit_dialect.ops.reshaping import TransposeOp
from lowbit_dialect.reference import evaluate_op
from lowering.moving.boxes import boxes_of


def places(first: int, extents: Sequence[int], steps: Sequence[int]) -> Array:
    """The places that a nest goes to."""
    total: Array = np.array([first])
    for extent, step in zip(extents, steps):
        total = np.add.outer(total, step * np.arange(extent))
    return total.ravel()


def performed(op: MoveOp | TransposeOp, inputs: list[Array], item: int) -> tuple[Array, Array]:
    """What the boxes of an op write, and how often."""
    size = int(np.prod(shape_of(op.results[0])))
    result, times = np.zeros(size, inputs[0].dtype), np.zeros(size, int)
    for box in boxes_of(op, item):
        extents = [loop.extent for loop in box.loops]
        write = places(box.write, extents, [loop.write for loop in box.loops])
        np.add.at(times, write, 1)
        if box.source is None:
            assert isinstance(op, PadOp)
            result[write] = op.number
        else:
            read = places(box.read, extents, [loop.read for loop in box.loops])
            result[write] = inputs[box.source].ravel()[read]
    return result, times


@settings(max_examples=150, deadline=None)
@given(moves(longest=20), st.sampled_from((1, 2, 4, 512)))
def test_each_element_is_written_once(make: Make, item: int):
    """Items of 512 bytes are so large that runs of more than 8 are cut."""
    net = Net()
    op = make(net)
    kind = element_of(op.results[0].type)
    random = np.random.default_rng(0)
    values = {x: data(kind, shape_of(x), "random", random) for x in op.operands}
    got, times = performed(op, [values[x] for x in op.operands], item)
    np.testing.assert_array_equal(times, 1)
    np.testing.assert_array_equal(got, evaluate_op(op, values).ravel())
