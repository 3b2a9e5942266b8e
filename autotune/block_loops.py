"""The loops around a register block: those that bring it what it reads soonest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import permutations

from autotune.loop_orders import TILES
from autotune.model import Model, around, body_of
from autotune.reuse import Traffic
from autotune.space import Space
from lowbit_dialect.schedule import Loop, Schedule
from microkernels.nest import PLAIN, Nest

ORDERS = tuple(permutations(PLAIN))
BOUND = 0.7
"""Of the cycles of tiles, what the best order may move in before cache tiles are looked into."""
GAIN = 0.98
"""The part of the time of the best order that is left at most with a cache tile that is worth its loop: C12
at 1 x 1 bit takes 1.05 with channels by 6, which brings a little less from L3 (Zen 3, 2026-11)."""
LOOPS = 2
"""Loop nests of a register block that are predicted as a whole."""
STRIPS = 3
"""Sizes of strips that are predicted, the largest that L2 holds."""
TILED = 4
"""Loops of a nest with a cache tile: more are left to search."""
PLAIN_ROWS = (Loop("channels"), Loop("rows"), Loop("pixels"))


@dataclass(frozen=True)
class BlockLoops:
    """The loops of the schedules of a space with some fields pinned, by a model."""

    space: Space
    model: Model
    pinned: Schedule

    def of(self, core: Schedule, *, tiled: bool) -> Iterator[Schedule]:
        """A register block in the loops that bring it what it reads soonest."""
        plain = core.changed(tables="whole", prefetch=0, parallel="none", loops=PLAIN)
        rest = {
            field: value
            for field in ("prefetch", "parallel", "tables", "loops")
            if (value := getattr(self.pinned, field)) is not None
        }
        plain = plain.changed(**rest)
        if self.pinned.loops is not None:
            yield plain
            return
        cost = self.model.cost(core.algorithm or "", core.microkernel or "")
        nest = self.model.nest(plain)
        tiles, _, loads = self.model.tiles(cost, nest, body_of(plain), plain.prefetch or 0)
        if self.pinned.tables in (None, "whole"):
            traffic = self.model.traffic(cost, nest, plain.planes or "outer")

            def taken(loops: tuple[Loop, ...]) -> float:
                return self.beside(traffic, loops, tiles + around(cost, nest, loops), loads)

            looked_at = {one: taken(one) for one in ORDERS}
            if tiled and min(self.beside(traffic, o, 0.0, 0.0) for o in ORDERS) > tiles * BOUND:
                domain: tuple[tuple[Loop, ...], ...] = self.space.domain("loops", core)  # pyright: ignore
                most = GAIN * min(looked_at.values())
                cached = (one for one in domain if len(one) == TILED)
                looked_at |= {one: took for one in cached if (took := taken(one)) <= most}
            for loops in nsmallest(LOOPS, looked_at, key=looked_at.__getitem__):
                yield plain.changed(loops=loops)
        if self.pinned.tables != "whole":
            yield from self._strips(plain, nest)

    def beside(
        self, traffic: Traffic, loops: tuple[Loop, ...], cycles: float, loads: float
    ) -> float:
        """Cycles of tiles, and of bringing what they read in some loops beside that."""
        moving, exposed = self.model.moving(traffic.reuses(loops))
        return self.model.beside(moving, cycles, loads) + exposed

    def _strips(self, plain: Schedule, nest: Nest) -> list[Schedule]:
        """The same with tables in strips that L2 holds, where it does not hold all of them.

        As it is where there are no strips and some are pinned.
        """
        cost = self.model.cost(plain.algorithm or "", plain.microkernel or "")
        sizes: list[int] = []
        if self.space.strips(plain):
            rows, capacity = nest.window.rows, self.model.target.caches[1]
            row = nest.window.columns.size * cost.words << cost.kernel.channels_per_word
            reach = (rows.kernel - 1) * rows.dilation
            pinned = self.pinned.tables == "strips"
            if row * rows.size > capacity or pinned:
                fitting = [n for n in TILES if row * (n * rows.stride + reach) <= capacity]
                sizes = [n for n in fitting if n < rows.out][-STRIPS:] or [1] * pinned
        strips = [
            plain.changed(loops=(Loop("rows", size), *PLAIN_ROWS), tables="strips")
            for size in sizes
        ]
        return strips or [plain] * (self.pinned.tables == "strips")
