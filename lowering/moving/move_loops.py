"""Loops for the ops that move elements: nests round copies, fills and repetitions of runs, box by box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import IntegerType, i8
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from lowbit_dialect.layout import storage_dtype
from lowbit_dialect.ops.common import element_of
from lowbit_dialect.ops.movement import MoveOp, PadOp
from lowbit_dialect.ops.reshaping import TransposeOp
from lowering.loops.tasks import Share, Units, count_up
from lowering.loops.worth_sharing import worth_sharing
from lowering.moving.boxes import Box, MoveLoop, boxes_of
from lowering.moving.copying import constant_bytes, copy, fill, repeat
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector


def move_loops(op: MoveOp, share: Share | None = None) -> int:
    """Replace an op that moves elements between memrefs by loops, or by a share of their units.

    Returns how many units there are: those of all boxes, one box after another.
    """
    assert op.outs is not None
    share = worth_sharing(share, *op.moved, op.outs)
    extent = box_loops(Emitter(op), op, op.moved, share and share.units)
    Rewriter.erase_op(op)
    return extent if share else 1


def box_loops(
    emit: Emitter, op: MoveOp | TransposeOp, inputs: Sequence[SSAValue], units: Units | None
) -> int:
    """Emit the loops of an op on `inputs`, or some units of them; return how many units there are."""
    mover, done = _Mover(emit, op, inputs), 0
    for box in boxes_of(op, mover.item):
        outer = box.loops[: len(box.loops) - mover.depth(box)]
        count = outer[0].extent if outer else 1
        mover.box(box, outer, units and units.within(emit, done, count))
        done += count
    return done


class _Mover:
    """What the loops of one op have in common."""

    def __init__(self, emit: Emitter, op: MoveOp | TransposeOp, inputs: Sequence[SSAValue]):
        assert op.outs is not None
        self.emit, self._element = emit, element_of(op.outs.type)
        self._dtype = storage_dtype(self._element)
        self.item = self._dtype.itemsize
        self._sources = [emit.pointer(value) for value in inputs]
        self._target = emit.pointer(op.outs)
        self._value = op.number if isinstance(op, PadOp) else 0

    def depth(self, box: Box) -> int:
        """How many of the innermost loops are done in vectors, or in a straight line."""
        return 2 if box.spreads(self.item) else min(1, len(box.loops))

    def box(self, box: Box, outer: Sequence[MoveLoop], units: Units | None) -> None:
        """Emit one box, or some units of its outermost loop."""
        emit, item = self.emit, self.item
        inner = box.loops[len(outer) :]

        def level(
            loops: Sequence[MoveLoop], x: SSAValue | None, y: SSAValue, units: Units | None
        ) -> None:
            if not loops:
                self._run(inner, x, y)
                return
            loop = loops[0]

            def step(index: SSAValue) -> None:
                here = x and move(emit, x, [(index, loop.read * item)])
                level(loops[1:], here, move(emit, y, [(index, loop.write * item)]), None)

            count_up(emit, loop.extent, step, units)

        begin = None
        if box.source is not None:
            begin = emit.offset(self._sources[box.source], box.read * item)
        # A box without loops is a loop of one step for whoever has to do it.
        loops = [*outer] if outer or units is None else [MoveLoop(1, 0, 0)]
        level(loops, begin, emit.offset(self._target, box.write * item), units)

    def _run(self, loops: Sequence[MoveLoop], x: SSAValue | None, y: SSAValue) -> None:
        """Move the elements of the innermost loops."""
        last = loops[-1] if loops else MoveLoop(1, 1, 1)
        if x is not None and len(loops) == 2:
            self._spread(x, y, loops[0].extent, last.extent)
        elif last.write != 1 or last.read not in (0, 1):
            self._one_by_one(x, y, last)
        elif x is None:
            pattern = np.full(last.extent, self._value, self._dtype)
            fill(self.emit, y, pattern.tobytes())
        elif last.read == 0:
            repeat(self.emit, self.emit.load(x, self._word, self.item), y, last.extent)
        else:
            copy(self.emit, x, y, last.extent * self.item, (i8, i8))

    def _one_by_one(self, x: SSAValue | None, y: SSAValue, loop: MoveLoop) -> None:
        """Elements apart from each other; they are loaded before the first is stored."""
        emit, item = self.emit, self.item
        if x is None:
            pattern = np.full(1, self._value, self._dtype).tobytes()
            values = [constant_bytes(emit, pattern)] * loop.extent
        else:
            places = [emit.offset(x, i * loop.read * item) for i in range(loop.extent)]
            values = [emit.load(place, self._word, item) for place in places]
        for i, value in enumerate(values):
            emit.store(value, emit.offset(y, i * loop.write * item), item)

    @property
    def _word(self) -> IntegerType:
        return IntegerType(8 * self.item)

    def _spread(self, x: SSAValue, y: SSAValue, lanes: int, times: int) -> None:
        """Each of a few elements several times in a row."""
        emit = self.emit
        values = emit.load(x, vector(lanes, self._word), self.item)
        for part in range(times):
            order = [(part * lanes + lane) // times for lane in range(lanes)]
            out = emit.offset(y, part * lanes * self.item)
            emit.store(emit.shuffle(values, order), out, self.item)
