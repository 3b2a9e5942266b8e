"""Which axis of an op's loops threads share, and whether that is worth their while."""

from __future__ import annotations

from dataclasses import replace

from lowbit_dialect.layout import layout_of, storage_bytes
from lowbit_dialect.ops.common import shaped
from lowering.loops.tasks import Share
from lowering.loops.tile_loops import TileNest


def build_share(nest: TileNest, share: Share | None, pinned: str = "") -> int:
    """Emit the loops of a nest, or those of a share of them.

    Returns the extent of the parallel axis, `pinned` or chosen, of which the share is a part.
    """
    if share is None or not (pinned or _nanoseconds(nest) >= share.least):
        nest.build()
        return 1
    axis = _axis(nest, share.threads, pinned)
    replace(nest, units=share.units, parallel=axis).build()
    return _extent(nest, axis)


def _axis(nest: TileNest, threads: int, pinned: str) -> str:
    """The parallel axis: the pinned one, else the one that `threads` share out more fairly.

    Where both are fair it is the one that leaves less to read: every thread reads all weights when
    rows are shared out, and the whole input when channels are.
    """
    if _blocks_overlap(nest):
        return "none" if pinned == "none" else "rows"
    if pinned:
        return pinned
    rows, channels = (_fairness(_extent(nest, name), threads) for name in ("rows", "channels"))
    if rows != channels:
        return "rows" if rows > channels else "channels"
    if nest.weights is None:
        return "rows"
    input, weights = (storage_bytes(shaped(one)) for one in (nest.input, nest.weights))
    return "rows" if weights <= input else "channels"


def _extent(nest: TileNest, parallel: str) -> int:
    """Units of a parallel axis: `none`, `rows` or `channels`."""
    match parallel:
        case "rows" if nest.straight:
            return -(-nest.window.columns.out // nest.pixels)
        case "rows":
            return nest.batch * nest.window.rows.out
        case "channels":
            return nest.groups * nest.blocks_of_a_group
        case _:
            return 1


def _fairness(extent: int, threads: int) -> float:
    """The share of the time that threads have work, each having as many units as another, or one less.

    0.9 is as good as 1: that much differs from run to run anyway.
    """
    return min(0.9, extent / threads / -(-extent // threads))


def _nanoseconds(nest: TileNest) -> int:
    """A guess of the time on one thread: half for a vector of products, one to finish a vector."""
    rows, columns = nest.window.rows, nest.window.columns
    blocks = nest.groups * -(-nest.channels // nest.lanes)
    vectors = nest.batch * rows.out * columns.out * blocks
    return vectors * (2 + rows.kernel * columns.kernel * nest.words) // 2


def _blocks_overlap(nest: TileNest) -> bool:
    """Whether channel blocks write to each other's bits (`TileStore` clears the rest of a word)."""
    layout = layout_of(shaped(nest.outs))
    if layout is None or not layout.packed:
        return False
    return -(-nest.channels // nest.lanes) * nest.lanes % layout.word_width != 0
