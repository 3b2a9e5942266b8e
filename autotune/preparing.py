"""What it takes to lay activations out for a kernel before its tiles run: packing, tables, windows.

In instructions by class for each vector, table or run that the loops of `lowering.packing` and
`lowering.moving` step over, priced by the table of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from autotune.bounds import joint, pressures
from autotune.machine_table import LEVELS, MachineTable
from autotune.tile_cost import TileCost
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import Schedule
from microkernels.nest import Nest

Stored = Literal["codes", "planes", "ready"]
"""How activations come: as codes, one an element; as planes in rows; or as the kernel reads them."""

OVERLAP = 2.0
"""How nearly making tables and writing them go on side by side (`autotune.bounds.joint`)."""

PACKING = {"load": 1.0, "integer": 1.0, "look_up": 1.0, "store": 1.0, "scalar": 1.0}
"""One plane of a vector of bytes: a mask of it, and the store of that."""
CONVERTING = {"load": 1.0, "widening": 1.0, "store": 2.0, "scalar": 2.0}
"""A vector of bytes as wider integers, or moved elsewhere."""
RUN = {"load": 4.0, "store": 2.0, "integer": 8.0, "scalar": 10.0}
"""One row of a window: its address, how far to shift, and a vector of it."""
TABLE_OF_TWO_FOURS = {"scalar": 6.0, "branch": 1.0, "store": 1.0}
"""A pair of tables of 4 channels, and below for each plane."""
PLANE_OF_TWO_FOURS = {"load": 2.0, "scalar": 3.0, "integer": 2.0}
TABLE_OF_SIX = {"store": 1.0, "scalar": 1.0}
PLANE_OF_SIX = {"load": 1.0, "scalar": 3.0, "look_up": 2.0, "integer": 2.0, "popcount": 1.0}


def preparing(
    work: Contraction,
    schedule: Schedule,
    cost: TileCost,
    again: float,
    stored: Stored,
    machine: MachineTable,
) -> float:
    """Cycles to prepare the activations of one call, tables being made so many times."""
    if stored == "ready":
        return 0.0
    layout, code = cost.kernel.input_layout(cost.work), work.activation
    planes = code.planes if isinstance(code, CodeType) else 1
    rows, columns = work.window.rows, work.window.columns
    channels = work.inputs * work.groups
    sampled = schedule.algorithm == "im2col" and work.subsamples
    pixels = work.pixels if sampled else work.batch * rows.size * columns.size
    vectors = pixels * channels / (cost.target.simd_bits // 8)
    taken = 0.0
    if layout.encoded and stored == "codes":
        taken += planes * _cycles(PACKING, machine) * vectors
    if not layout.encoded and (stored == "planes" or layout.word_width > 8):
        taken += _cycles(CONVERTING, machine) * vectors
    if schedule.algorithm == "im2col" and not sampled:
        runs = work.pixels * rows.kernel * (planes if layout.encoded else 1)
        taken += runs * _cycles(RUN, machine)
    if layout.table:
        taken += _tables(cost, planes, machine, _at_a_time(schedule, cost)) * again
    return taken


def _at_a_time(schedule: Schedule, cost: TileCost) -> float:
    """The part of all tables that there are at a time."""
    if schedule.tables != "strips":
        return 1.0
    assert schedule.loops
    rows = cost.work.window.rows
    return min(1.0, (schedule.loops[0].by or 1) * rows.stride / rows.size)


def _tables(cost: TileCost, planes: int, machine: MachineTable, part: float) -> float:
    """Cycles of the tables of all pixels, each made once, so much of them at a time."""
    rows, columns = cost.work.window.rows, cost.work.window.columns
    tables = cost.work.batch * rows.size * columns.size * cost.words
    size = tables << cost.kernel.channels_per_word
    level = next((n for n, c in zip(LEVELS, cost.target.caches) if part * size <= c), "memory")
    written = size / machine.write[level]
    if cost.kernel.channels_per_word == 6:
        made = tables * (_cycles(TABLE_OF_SIX, machine) + planes * _cycles(PLANE_OF_SIX, machine))
    else:
        plane = _cycles(PLANE_OF_TWO_FOURS, machine)
        made = tables / 2 * (_cycles(TABLE_OF_TWO_FOURS, machine) + planes * plane)
    return joint((made, written), OVERLAP)


def again(nest: Nest, schedule: Schedule) -> float:
    """How often a row of tables is made: strips overlap by what windows reach over."""
    if schedule.tables != "strips":
        return 1.0
    axis = nest.window.rows
    size = nest.loops[0].by or 1
    reach = (axis.kernel - 1) * axis.dilation + 1
    seen = sum(
        min(axis.size, (min(size, axis.out - first) - 1) * axis.stride + reach)
        for first in range(0, axis.out, size)
    )
    return seen / axis.size


def _cycles(counts: Mapping[str, float], machine: MachineTable) -> float:
    return max(pressures(counts, machine).values())
