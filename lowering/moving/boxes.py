"""What ops that move elements do, as boxes: places that are read and written in a nest of loops.

The boxes of an op write every element of its result once, so that they can be done in any order:

    pad [4, 4] by 1 all round:  fill 6; then 4 times { fill 1; copy 4; fill 1 }; fill 6
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from lowbit_dialect.ops.common import array, output_type, shape_of
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, MoveOp, PadOp, RepeatOp
from lowbit_dialect.ops.reshaping import TransposeOp

RUN_BYTES = 4096
"""Bytes up to which what follows each other is moved at once; more is cut, so that it can be shared out."""

SPREAD_BYTES = 16
"""Bytes that are loaded at a time to be spread out."""
UNROLLED = 8
"""Elements apart from each other that are moved in a straight line."""


@dataclass(frozen=True)
class MoveLoop:
    """One level of a nest: how often, and how far each step goes, in elements."""

    extent: int
    read: int
    write: int


@dataclass(frozen=True)
class Box:
    """Elements of input number `source`, or the value of a pad where it is None, and where they go."""

    source: int | None
    loops: tuple[MoveLoop, ...]
    read: int = 0
    write: int = 0

    def joined(self) -> Box:
        """The same with as few loops as can be."""
        loops: list[MoveLoop] = []
        for loop in self.loops:
            if loop.extent == 1:
                continue
            outer = loops[-1] if loops else None
            if outer and (outer.read, outer.write) == (
                loop.extent * loop.read,
                loop.extent * loop.write,
            ):
                loops[-1] = replace(loop, extent=outer.extent * loop.extent)
            else:
                loops.append(loop)
        return replace(self, loops=tuple(loops))

    def spreads(self, item: int) -> bool:
        """Whether elements of `item` bytes that follow each other are each repeated a few times."""
        if len(self.loops) < 2:
            return False
        (*_, each, times) = self.loops
        few = times.extent * item <= SPREAD_BYTES
        return few and (each, times) == (
            MoveLoop(each.extent, 1, times.extent),
            MoveLoop(times.extent, 0, 1),
        )

    def cut(self, at: int, most: int) -> Iterator[Box]:
        """The same in boxes of which loop `at` has at most `most` steps."""
        loop = self.loops[at]
        if loop.extent <= most:
            yield self
            return
        outer, inner = self.loops[:at], self.loops[at:][1:]
        whole, rest = divmod(loop.extent, most)
        blocks = MoveLoop(whole, most * loop.read, most * loop.write)
        around = replace(self, loops=(*outer, blocks)).joined().loops
        yield replace(self, loops=(*around, replace(loop, extent=most), *inner))
        if rest:
            yield replace(
                self,
                loops=(*outer, replace(loop, extent=rest), *inner),
                read=self.read + whole * most * loop.read,
                write=self.write + whole * most * loop.write,
            )


def boxes_of(op: MoveOp | TransposeOp, item: int) -> list[Box]:
    """The boxes of an op on elements of `item` bytes."""
    boxes = [box.joined() for box in _BOXES[type(op)](op)]
    return [part for box in boxes for part in _in_runs(box, item)]


def _in_runs(box: Box, item: int) -> Iterator[Box]:
    """A box in parts that vectors move: whole ones of what is spread, runs of what follows each other."""
    if not box.loops:
        yield box
    elif box.spreads(item):
        yield from _in_powers(box, SPREAD_BYTES // item)
    elif box.loops[-1].write == 1 and box.loops[-1].read in (0, 1):
        yield from box.cut(len(box.loops) - 1, max(1, RUN_BYTES // item))
    else:
        yield from box.cut(len(box.loops) - 1, UNROLLED)


def _in_powers(box: Box, most: int) -> Iterator[Box]:
    """A box that spreads elements in parts that load 1, 2, 4, ... `most` of them at a time."""
    at = len(box.loops) - 2
    size = min(most, 1 << box.loops[at].extent.bit_length() - 1)
    first, *rest = box.cut(at, size)
    yield first if size > 1 else first.joined()
    for part in rest:
        yield from _in_powers(part, most)


def strides_of(shape: Sequence[int]) -> list[int]:
    """Elements between neighbours along each axis, in row-major order."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _concat(op: ConcatOp) -> Iterator[Box]:
    axis, written, place = op.axis.value.data, strides_of(output_type(op).get_shape()), 0
    for number, value in enumerate(op.inputs):
        shape = shape_of(value)
        yield Box(number, _loops(shape, strides_of(shape), written), write=place * written[axis])
        place += shape[axis]


def _extract_slice(op: ExtractSliceOp) -> Iterator[Box]:
    sizes, strides = output_type(op).get_shape(), strides_of(shape_of(op.input))
    read = [stride * step for stride, step in zip(strides, array(op.steps, ()))]
    first = sum(stride * start for stride, start in zip(strides, array(op.starts, ())))
    yield Box(0, _loops(sizes, read, strides_of(sizes)), read=first)


def _transpose(op: TransposeOp) -> Iterator[Box]:
    shape, order = shape_of(op.input), array(op.permutation, ())
    strides, sizes = strides_of(shape), [shape[axis] for axis in order]
    yield Box(0, _loops(sizes, [strides[axis] for axis in order], strides_of(sizes)))


def _repeat(op: RepeatOp) -> Iterator[Box]:
    shape, factors = shape_of(op.input), array(op.factors, ())
    pairs = zip(shape, factors, strides_of(shape), strides_of(output_type(op).get_shape()))
    loops = [
        loop
        for extent, factor, read, write in pairs
        for loop in (MoveLoop(extent, read, factor * write), MoveLoop(factor, 0, write))
    ]
    yield Box(0, tuple(loops))


def _pad(op: PadOp) -> Iterator[Box]:
    """Axis by axis what lies outside along it, and inside along those before; at last the input."""
    shape, result = shape_of(op.input), output_type(op).get_shape()
    low, _, interior = op.amounts
    written, first = strides_of(result), 0
    inside: list[MoveLoop] = []
    for axis, (extent, stride) in enumerate(zip(shape, written)):
        step = interior[axis] + 1
        end = low[axis] + (extent - 1) * step + 1
        rest = [MoveLoop(n, 0, w) for n, w in zip(result[axis + 1 :], written[axis + 1 :])]
        holes = MoveLoop(extent - 1, 0, step * stride), MoveLoop(step - 1, 0, stride)
        outside = (
            (0, (MoveLoop(low[axis], 0, stride),)),
            (low[axis] + 1, holes),
            (end, (MoveLoop(result[axis] - end, 0, stride),)),
        )
        for place, loops in outside:
            if all(loop.extent for loop in loops):
                still = [replace(loop, read=0) for loop in inside]
                yield Box(None, (*still, *loops, *rest), write=first + place * stride)
        inside.append(MoveLoop(extent, strides_of(shape)[axis], step * stride))
        first += low[axis] * stride
    yield Box(0, tuple(inside), write=first)


def _loops(
    extents: Sequence[int], read: Sequence[int], write: Sequence[int]
) -> tuple[MoveLoop, ...]:
    return tuple(MoveLoop(*numbers) for numbers in zip(extents, read, write))


_BOXES: dict[type[MoveOp | TransposeOp], Callable[[Any], Iterator[Box]]] = {
    ConcatOp: _concat,
    ExtractSliceOp: _extract_slice,
    PadOp: _pad,
    RepeatOp: _repeat,
    TransposeOp: _transpose,
}
