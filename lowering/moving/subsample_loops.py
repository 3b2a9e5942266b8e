"""Loops for `subsample`: pixels are packed or unpacked, or copied where both store them alike."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from xdsl.dialects.builtin import i8
from xdsl.ir import SSAValue

from lowbit_dialect.layout import Term, storage_bytes
from lowbit_dialect.ops.common import array
from lowbit_dialect.ops.gather import SubsampleOp
from lowering.loops.index_nest import each_row
from lowering.loops.tasks import Units, in_steps
from lowering.moving.copying import copy
from lowering.moving.element_access import Element
from lowering.moving.row_planes import STEPS, Rows, are_rows
from lowering.moving.word_fill import fill_words
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.target import Target

Some = Callable[[SSAValue, SSAValue, int, int], None]
"""Writes a number of pixels at the second address, from the first on, so many bytes apart."""


def subsample_loops(emit: Emitter, op: SubsampleOp, machine: Target, units: Units | None) -> int:
    """Emit the loops of `subsample` on memrefs, or those of some rows; return how many there are."""
    assert op.outs is not None
    source, target = Element(emit, op.input), Element(emit, op.outs)
    leading = tuple(map(Term, op.image_axes[:3]))
    ordered = target.terms[: len(leading)] == leading

    def copied(x: SSAValue, y: SSAValue, count: int, apart: int) -> None:
        size = _pixel_bytes(target, op)
        for pixel in range(count):
            pair = emit.offset(x, pixel * apart), emit.offset(y, pixel * size)
            copy(emit, *pair, size, (i8, i8))

    if ordered and are_rows(source, target):
        rows = Rows(emit, source, target, machine)
        _by_row(emit, op, source, target, rows.pixels, rows.convert, units)
    elif ordered and source.layout == target.layout:
        _by_row(emit, op, source, target, STEPS, copied, units)
    else:
        return _by_element(emit, op, source, target, units)
    return prod(target.type.get_shape()[axis] for axis in op.image_axes[:2])


def _pixel_bytes(element: Element, op: SubsampleOp) -> int:
    """Bytes of a pixel of an image whose pixels lie in order."""
    shape = element.type.get_shape()
    return storage_bytes(element.type) // prod(shape[axis] for axis in op.image_axes[:3])


def _by_row(
    emit: Emitter,
    op: SubsampleOp,
    source: Element,
    target: Element,
    pixels: int,
    some: Some,
    units: Units | None,
) -> None:
    """Call `some` for up to `pixels` pixels at a time, row by row."""
    (batch, rows, columns), (_, height, width) = (
        [one.type.get_shape()[axis] for axis in op.image_axes[:3]] for one in (target, source)
    )
    sizes = _pixel_bytes(source, op), _pixel_bytes(target, op)
    down, right = array(op.strides, ())

    def row(number: SSAValue, image: SSAValue, index: SSAValue) -> None:
        line = width * sizes[0]
        x = move(emit, source.operand.pointer, [(image, height * line), (index, down * line)])
        y = move(emit, target.operand.pointer, [(number, columns * sizes[1])])

        def step(first: SSAValue, count: int) -> None:
            begin = move(emit, x, [(first, right * sizes[0])]), move(emit, y, [(first, sizes[1])])
            some(*begin, count, right * sizes[0])

        in_steps(emit, columns, pixels, step)

    each_row(emit, batch, rows, row, units)


def _by_element(
    emit: Emitter, op: SubsampleOp, source: Element, target: Element, units: Units | None
) -> int:
    strides = dict(zip(op.image_axes[1:3], array(op.strides, ())))

    def read(at: list[SSAValue]) -> SSAValue:
        return source.read([emit.at("mul", i, strides.get(axis, 1)) for axis, i in enumerate(at)])

    return fill_words(emit, target, read, units)
