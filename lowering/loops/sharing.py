"""Which axis of an op's loops threads share, and whether that is worth their while."""

from __future__ import annotations

from dataclasses import replace

from lowering.loops.tasks import Share
from lowering.loops.tile_loops import TileNest
from microkernels.nest import Nest

PACKED_BITS = 32
"""Bits of the words that packed results are stored in."""


def build_share(nest: TileNest, share: Share | None, parallel: str | None = None) -> int:
    """Emit the loops of a nest, or those of a share of them; return the extent of the parallel axis.

    That is `parallel`, or the fairer one for an op without a schedule, if it is worth it.
    """
    if share is None:
        return nest.build()
    if parallel is None:
        parallel = parallel_axis(nest.nest, share.threads, share.least)
    if parallel == "none":
        return nest.build()
    return replace(nest, units=share.units, parallel=parallel).build()


def parallel_axis(
    nest: Nest, threads: int, least: int, words: int = 1, *, weighs: bool = False
) -> str:
    """The axis that `threads` share out more fairly; `none` if that is not worth it.

    `least` is the number of nanoseconds from which it is; a tap has so many `words`. Where both are fair it
    is the one that leaves less to read: every thread reads all weights when rows are shared out, and the
    whole input when channels are; `weighs` if the weights are the larger.
    """
    if threads == 1 or nanoseconds(nest, words) < least:
        return "none"
    rows, channels = (_fairness(nest.units(name), threads) for name in ("rows", "channels"))
    if rows != channels:
        return "rows" if rows > channels else "channels"
    return "channels" if weighs else "rows"


def _fairness(extent: int, threads: int) -> float:
    """The share of the time that threads have work, each having as many units as another, or one less.

    0.9 is as good as 1: that much differs from run to run anyway.
    """
    return min(0.9, extent / threads / -(-extent // threads))


def nanoseconds(nest: Nest, words: int) -> int:
    """A guess of the time on one thread: half for a vector of products, one to finish a vector."""
    rows, columns = nest.window.rows, nest.window.columns
    blocks = nest.groups * -(-nest.channels // nest.lanes)
    vectors = nest.batch * rows.out * columns.out * blocks
    return vectors * (2 + rows.kernel * columns.kernel * words) // 2


def packs_overlapping(nest: Nest) -> bool:
    """Whether channel blocks of packed results write to each other's bits (`TileStore` clears the rest)."""
    return -(-nest.channels // nest.lanes) * nest.lanes % PACKED_BITS != 0
