"""Orders of the loops of a nest: which there are, and which mean the same."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

from lowbit_dialect.schedule import AXES, Loop
from microkernels.nest import Nest

TILES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128)
"""Steps of cache tiles."""


StepCounts = tuple[tuple[str, int], ...]
"""Steps of each axis."""


def steps_of(nest: Nest) -> StepCounts:
    """The steps of each axis."""
    return tuple((axis, nest.steps(axis)) for axis in AXES)


def effective(
    loops: tuple[Loop, ...], steps: StepCounts, *, strips: bool = False
) -> tuple[Loop, ...]:
    """The loops without those that change nothing, axes of a single step first."""
    strips = strips and loops[0].axis == "rows" and loops[0].by is not None
    extents, single = dict(steps), [Loop(axis) for axis, count in steps if count == 1]
    left, found = dict(extents), list[Loop]()
    for at, loop in enumerate(loops):
        kept = strips and at == 0
        if extents[loop.axis] == 1 and not kept:
            continue
        if loop.by is not None and not kept and loop.by >= left[loop.axis]:
            continue
        if loop.by is not None:
            left[loop.axis] = loop.by
        # A tile whose steps come next is no tile, nor is one of single steps with more between.
        if found and found[-1].axis == loop.axis and not (strips and len(found) == 1):
            found.pop()
        found.append(loop)
    head, tail = (found[:1], found[1:]) if strips else ([], found)
    for at, loop in enumerate(tail):
        if loop.by == 1:
            later = next(n for n in range(at + 1, len(tail)) if tail[n].axis == loop.axis)
            tail[at] = Loop(loop.axis)
            del tail[later]
            return effective((*head, *single, *tail), steps, strips=strips)
    return (*head, *single, *tail)


@cache
def orders(steps: StepCounts, strips: bool) -> tuple[tuple[Loop, ...], ...]:
    """Every order of the loops, with up to two cache tiles around them."""
    extents = dict(steps)
    tiles = [Loop(axis, size) for axis in AXES for size in TILES if size < extents[axis]]
    pairs = [pair for pair in product(tiles, tiles) if pair[0].axis != pair[1].axis]
    outer: list[tuple[Loop, ...]] = [(), *((tile,) for tile in tiles), *pairs]
    plain = [tuple(map(Loop, order)) for order in permutations(AXES)]
    every = (effective((*tile, *order), steps) for tile in outer for order in plain)
    strip = (
        effective((Loop("rows", size), *order), steps, strips=True)
        for size in (1, *TILES)
        for order in plain
        if strips and size < extents["rows"]
    )
    return tuple(dict.fromkeys((*every, *strip)))
