"""Loops over a box of index values, and over the rows of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.ir import SSAValue

from lowering.loops.tasks import Units, count_up
from microkernels.emit import Emitter


def nest(
    emit: Emitter,
    extents: Sequence[int],
    body: Callable[[list[SSAValue]], None],
    units: Units | None = None,
) -> None:
    """Loops over a box of index values; an extent of 1 needs none.

    `units` are those to do of the outermost loop, which has `outermost(extents)` of them; None for all.
    """

    def level(depth: int, indices: list[SSAValue], units: Units | None) -> None:
        if depth == len(extents):
            body(indices)
        elif extents[depth] == 1:
            level(depth + 1, [*indices, emit.index(0)], units)
        else:

            def inner(index: SSAValue) -> None:
                level(depth + 1, [*indices, index], None)

            count_up(emit, extents[depth], inner, units)

    level(0, [], units)


def outermost(extents: Sequence[int]) -> int:
    """Steps of the outermost loop of a nest; 1 if it has no loop."""
    return next((extent for extent in extents if extent > 1), 1)


def each_row(
    emit: Emitter,
    images: int,
    rows: int,
    body: Callable[[SSAValue, SSAValue, SSAValue], None],
    units: Units | None,
) -> None:
    """One loop over the rows of all images: its index, the image, and the row of that."""

    def one(at: list[SSAValue]) -> None:
        image, row = emit.index(0), at[0]
        if images > 1:
            image, row = (emit.at(name, row, rows) for name in ("div", "rem"))
        body(at[0], image, row)

    nest(emit, [images * rows], one, units)
