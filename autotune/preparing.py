"""What it takes to lay activations out for a kernel before its tiles run: packing, tables, windows.

In instructions by class for each vector, table or run that the loops of `lowering.packing` and
`lowering.moving` step over, priced by the table of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from autotune.machine_table import MachineTable
from autotune.tile_cost import TileCost, pressures
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import Schedule
from microkernels.nest import Nest

Stored = Literal["codes", "planes", "ready"]
"""How activations come: as codes, one an element; as planes in rows; or as the kernel reads them."""

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
    vectors = work.batch * rows.size * columns.size * channels / (cost.target.simd_bits // 8)
    taken = 0.0
    if layout.encoded and stored == "codes":
        taken += planes * _cycles(PACKING, machine) * vectors
    if not layout.encoded and (stored == "planes" or layout.word_width > 8):
        taken += _cycles(CONVERTING, machine) * vectors
    if schedule.algorithm == "im2col":
        taken += work.pixels * rows.kernel * planes * _cycles(RUN, machine)
    if layout.table:
        taken += _tables(cost, planes, machine) * again
    return taken


def _tables(cost: TileCost, planes: int, machine: MachineTable) -> float:
    """Cycles of the tables of all pixels, each made once."""
    rows, columns = cost.work.window.rows, cost.work.window.columns
    tables = cost.work.batch * rows.size * columns.size * cost.words
    if cost.kernel.channels_per_word == 6:
        return tables * (_cycles(TABLE_OF_SIX, machine) + planes * _cycles(PLANE_OF_SIX, machine))
    plane = _cycles(PLANE_OF_TWO_FOURS, machine)
    return tables / 2 * (_cycles(TABLE_OF_TWO_FOURS, machine) + planes * plane)


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
