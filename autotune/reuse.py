"""What a loop nest reads again, and which cache still holds it.

The least working set decides: where all that one turn of a loop touches fits in a cache, whatever its next
turn needs again is still there. So what comes into a cache is what the loop around the largest body that fits
touches in all its turns, each byte once, times the turns of the loops around that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from autotune.machine_table import LEVELS
from lowbit_dialect.geometry import WindowAxis
from lowbit_dialect.schedule import Loop
from microkernels.nest import Nest

SCATTERED = 1.3
"""By what bringing results there is multiplied where neighbouring channels are not stored in a row."""


@dataclass(frozen=True)
class Operands:
    """Bytes that tiles touch."""

    pixel: float
    """Of activations, for one pixel of the input: all channels and planes that are read."""
    vector: float
    """Of weights, for one vector of output channels: all taps and planes."""
    result: float
    """Of results, for one output pixel and vector."""
    passes: tuple[int, int] = (1, 1)
    """How often a tile goes over its activations and weights: where pairs of planes are apart, again for
    each plane of the other."""


@dataclass(frozen=True)
class Reuse:
    """What comes into a cache, by operand."""

    level: str
    """The cache, or `memory` where what is meant is read or written there."""
    body: tuple[Loop, ...]
    """The loops whose data it holds from turn to turn; none if it does not even hold those of a tile."""
    working_set: float
    """Bytes that a turn of them touches."""
    inputs: float
    weights: float
    results: float

    @property
    def bytes(self) -> float:
        """All bytes that come from further away, or go there."""
        return self.inputs + self.weights + self.results


def reuses_of(nest: Nest, operands: Operands, caches: tuple[int, ...]) -> tuple[Reuse, ...]:
    """For each cache, from the innermost on, what comes into it; caches of no bytes are left out."""
    extents = _extents(nest)
    touched = [_touched(nest, operands, one) for one in extents]
    turns = [prod(before[a] / after[a] for a in before) for before, after in pairwise(extents)]
    outer = nest.batch * nest.groups
    found: list[Reuse] = []
    for level, capacity in zip(LEVELS, caches):
        if not capacity:
            continue
        depth = next((d for d, one in enumerate(touched) if sum(one) <= capacity), len(touched))
        if depth == 0:  # the call before left everything there
            found.append(Reuse(level, nest.loops, sum(touched[0]), 0.0, 0.0, 0.0))
            break
        # The loop just around the body touches each byte once; those around that, again each turn.
        around = depth - 1 if depth < len(touched) else len(touched) - 1
        times = outer * prod(turns[: max(0, around)])
        into = touched[max(0, around)]
        if depth == len(touched):
            into = _tile(nest, operands, into, capacity)
        inputs, weights, results = (times * one for one in into)
        if nest.blocks > 1 and nest.loops[-1].axis != "channels":
            results *= SCATTERED
        held = touched[min(depth, len(touched) - 1)]
        found.append(Reuse(level, nest.loops[depth:], sum(held), inputs, weights, results))
    return tuple(found)


def unheld(nest: Nest, operands: Operands, caches: tuple[int, ...]) -> tuple[Reuse, ...]:
    """The same if caches that cannot hold all of it held nothing from one tile to the next: a bound."""
    steps = {"rows": 1.0, "pixels": 1.0, "channels": 1.0}
    whole = _touched(nest, operands, _extents(nest)[0])
    one = _touched(nest, operands, steps)
    tiles = nest.batch * nest.groups * nest.window.rows.out * nest.tiles * nest.blocks
    found: list[Reuse] = []
    for level, capacity in zip(LEVELS, caches):
        if not capacity:
            continue
        if sum(whole) <= capacity:
            break
        inputs, weights, results = (tiles * part for part in _tile(nest, operands, one, 0))
        found.append(Reuse(level, (), sum(one), inputs, weights, results * SCATTERED))
    return tuple(found)


def _tile(
    nest: Nest, operands: Operands, touched: tuple[float, float, float], capacity: float
) -> tuple[float, float, float]:
    """What comes in for a tile that does not fit: all of it again in each pass, and activations for each
    kernel column where not even those of a kernel row fit."""
    rows, columns = nest.window.rows, nest.window.columns
    (x_passes, w_passes), (inputs, weights, results) = operands.passes, touched
    inputs, weights = inputs * x_passes, weights * w_passes
    row = touched[0] / max(1, min(rows.kernel, rows.size))
    row += touched[1] / rows.kernel / columns.kernel
    if row > capacity and columns.kernel > 1:
        pixels = columns.out / nest.tiles
        inputs *= pixels * columns.kernel / _span(columns, pixels)
    return inputs, weights, results


def _extents(nest: Nest) -> list[Mapping[str, float]]:
    """Steps of each axis inside the first loops: inside none, one, ... all of them.

    The last tile of an axis may have less, so these are averages where loops end early.
    """
    inside: dict[str, float] = {axis: nest.steps(axis) for axis in ("rows", "pixels")}
    inside["channels"] = max(1.0, nest.channels / nest.block)
    found: list[Mapping[str, float]] = [dict(inside)]
    for loop in nest.loops:
        inside[loop.axis] = min(inside[loop.axis], loop.by or 1)
        found.append(dict(inside))
    return found


def _touched(
    nest: Nest, operands: Operands, steps: Mapping[str, float]
) -> tuple[float, float, float]:
    """Bytes of inputs, weights and results that so many steps of each axis touch."""
    rows, columns = nest.window.rows, nest.window.columns
    pixels = min(columns.out, steps["pixels"] * columns.out / nest.tiles)
    vectors = min(steps["channels"] * nest.vectors, -(-nest.channels // nest.lanes))
    seen = _span(rows, steps["rows"]) * _span(columns, pixels)
    outputs = steps["rows"] * pixels * vectors
    return seen * operands.pixel, vectors * operands.vector, outputs * operands.result


def _span(axis: WindowAxis, outputs: float) -> float:
    """Inputs that so many outputs side by side read."""
    return min(axis.size, (outputs - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1)
