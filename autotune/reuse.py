"""What a loop nest reads again, and which cache still holds it.

The least working set decides: where all that one turn of a loop touches fits in a cache, whatever its next
turn needs again is still there. So what comes into a cache is what the loop around the largest body that fits
touches in all its turns, each byte once, times the turns of the loops around that.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from autotune.machine_table import LEVELS
from lowbit_dialect.geometry import WindowAxis
from lowbit_dialect.schedule import Loop
from microkernels.nest import Nest

FULL = 7 / 8
"""The part of a cache beyond L1 that holds what is read again: pages lie in it where chance has it, so a set
that fills all of it is half lost. C7 at 1 x 1 bit, look-ups, takes 0.93 of the time with rows outermost: with
channels there 0.9 of L2 would be filled (Zen 3, 2026-11)."""

SCATTERED = 1.3
"""By what bringing results there is multiplied where neighbouring channels are not stored in a row."""


Bytes = tuple[float, float, float]
"""Of inputs, weights and results."""


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


class Reuse(NamedTuple):
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


class Traffic:
    """What comes into caches for the tiles of a nest, in whatever loops."""

    def __init__(self, nest: Nest, operands: Operands, caches: tuple[int, ...]):
        """Caches of no bytes are left out."""
        self._nest, self._operands = nest, operands
        shares = (1.0, *[FULL] * len(caches))
        self._caches = [
            (level, share * size) for level, size, share in zip(LEVELS, caches, shares) if size
        ]
        self._outer = nest.batch * nest.groups
        self._steps = {axis: float(nest.steps(axis)) for axis in ("rows", "pixels")}
        self._steps["channels"] = max(1.0, nest.channels / nest.block)
        self._whole = self._touched(tuple(self._steps.values()))
        self._known: dict[tuple[float, ...], Bytes] = {}
        self._found: dict[tuple[Loop, ...], tuple[Reuse, ...]] = {}

    def reuses(self, loops: tuple[Loop, ...]) -> tuple[Reuse, ...]:
        """For each cache, from the innermost on, what comes into it."""
        if loops not in self._found:
            self._found[loops] = self._reuses(loops)
        return self._found[loops]

    def _reuses(self, loops: tuple[Loop, ...]) -> tuple[Reuse, ...]:
        touched, turns = self._inside(loops)
        sizes = [*map(sum, touched)]
        found: list[Reuse] = []
        for level, capacity in self._caches:
            depth = 0
            while depth < len(sizes) and sizes[depth] > capacity:
                depth += 1
            if depth == 0:  # the call before left everything there
                found.append(Reuse(level, loops, sizes[0], 0.0, 0.0, 0.0))
                break
            # The loop just around the body touches each byte once; those around that, again each turn.
            around = depth - 1 if depth < len(touched) else len(touched) - 1
            times = self._outer * prod(turns[:around])
            into = touched[around]
            if depth == len(touched):
                into = _tile(self._nest, self._operands, into, capacity)
            inputs, weights, results = times * into[0], times * into[1], times * into[2]
            if self._nest.blocks > 1 and loops[-1].axis != "channels":
                results *= SCATTERED
            held = sizes[min(depth, len(touched) - 1)]
            found.append(Reuse(level, loops[depth:], held, inputs, weights, results))
        return tuple(found)

    def unheld(self) -> tuple[Reuse, ...]:
        """The same if caches that cannot hold all of it held nothing from one tile to the next: a bound."""
        nest, one = self._nest, self._touched((1.0, 1.0, 1.0))
        tiles = self._outer * nest.window.rows.out * nest.tiles * nest.blocks
        found: list[Reuse] = []
        for level, capacity in self._caches:
            if sum(self._whole) <= capacity:
                break
            inputs, weights, results = (
                tiles * part for part in _tile(nest, self._operands, one, 0)
            )
            found.append(Reuse(level, (), sum(one), inputs, weights, results * SCATTERED))
        return tuple(found)

    def _inside(self, loops: tuple[Loop, ...]) -> tuple[list[Bytes], list[float]]:
        """What is touched inside the first loops, none, one, ... all of them; and the turns of each.

        The last tile of an axis may have less, so these are averages where loops end early.
        """
        steps, turns, touched = dict(self._steps), list[float](), [self._whole]
        for loop in loops:
            inside = min(steps[loop.axis], loop.by or 1)
            turns.append(steps[loop.axis] / inside)
            steps[loop.axis] = inside
            key = tuple(steps.values())
            if key not in self._known:
                self._known[key] = self._touched(key)
            touched.append(self._known[key])
        return touched, turns

    def _touched(self, steps: tuple[float, ...]) -> Bytes:
        """Bytes that so many steps of rows, tiles and blocks of channels touch."""
        nest, operands, (lines, tiles, blocks) = self._nest, self._operands, steps
        rows, columns = nest.window.rows, nest.window.columns
        pixels = min(columns.out, tiles * columns.out / nest.tiles)
        vectors = min(blocks * nest.vectors, -(-nest.channels // nest.lanes))
        seen = _span(rows, lines) * _span(columns, pixels)
        outputs = lines * pixels * vectors
        return seen * operands.pixel, vectors * operands.vector, outputs * operands.result


def _tile(nest: Nest, operands: Operands, touched: Bytes, capacity: float) -> Bytes:
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


def _span(axis: WindowAxis, outputs: float) -> float:
    """Inputs that so many outputs side by side read."""
    return min(axis.size, (outputs - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1)
