"""What the analytic model says of a planned layer: its time by part, what binds, what each cache holds."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.machine_table import LEVELS
from autotune.model import Model
from autotune.processors import table_of
from autotune.ranking import stored_as
from autotune.reuse import Reuse
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target


@dataclass(frozen=True)
class Held:
    """What a cache holds from turn to turn of a loop nest."""

    level: str
    loops: str
    """Those whose data that is, outermost first; or that it is `a tile`, or only `part of a tile`."""
    working_set: int
    """Bytes that a turn of them touches."""
    incoming: int
    """Bytes that come into the cache in a call, and leave it."""


@dataclass(frozen=True)
class Forecast:
    """The predicted time of a schedule on one core, by the table of the target's processor."""

    us: float
    parts: dict[str, float]
    """Microseconds of `tiles` on the core, of bytes from each level beside that, and of `preparation`."""
    binds: str
    reuses: tuple[Held, ...]
    reachable: float
    """The share of the limit that the schedule reaches at best: 1 is the limit."""

    @staticmethod
    def of(op: LinearOp, schedule: Schedule, target: Target, limit_us: float) -> Forecast:
        """The forecast of an op on tensors that runs by a complete schedule."""
        model = Model(op.contraction, target, table_of(target), stored_as(op))
        told = model.predict(schedule)
        us = told.seconds * 1e6
        parts = {name: round(seconds * 1e6, 3) for name, seconds in told.parts.items() if seconds}
        reuses = tuple(_held(one, target) for one in told.reuses)
        return Forecast(round(us, 3), parts, told.binds, reuses, round(min(1.0, limit_us / us), 3))


def _held(reuse: Reuse, target: Target) -> Held:
    capacity = target.caches[LEVELS.index(reuse.level)]
    tile = "a tile" if reuse.working_set <= capacity else "part of a tile"
    loops = ", ".join(map(str, reuse.body)) or tile
    return Held(reuse.level, loops, round(reuse.working_set), round(reuse.bytes))
