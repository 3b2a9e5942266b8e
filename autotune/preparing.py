"""What it takes to lay activations out for a kernel before its tiles run: packing, tables, windows.

In instructions by class for each vector, table or run that the loops of `lowering.packing` and
`lowering.moving` step over, priced by the table of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Literal

from xdsl.dialects.builtin import TensorType

from autotune.bounds import joint, pressures
from autotune.machine_table import LEVELS, MachineTable
from autotune.tile_cost import TileCost
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, storage_dtype
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.schedule import Schedule
from lowering.packing.layout_assignment import rows_of
from microkernels.instructions import total
from microkernels.nest import Nest
from microkernels.target import Target

Stored = Literal["codes", "planes", "ready"]
"""How activations come: as codes, one an element; as planes in rows; or as the kernel reads them."""

OVERLAP = 2.0
"""How nearly making tables and writing them go on side by side (`autotune.bounds.joint`)."""

PACKING = {"load": 1.0, "integer": 1.0, "look_up": 1.0, "store": 1.6, "scalar": 1.0}
"""One plane of a vector of bytes: a mask of it, and the store of that (Zen 3: 1.5 to 1.8 cycles)."""
UNPACKING = {"broadcast": 1.0, "look_up": 1.0, "integer": 6.0}
"""One plane of a vector of bytes, back (Zen 3: 1.7 cycles)."""
SPREADING = {"load": 0.5, "widening": 0.5, "integer": 3.0, "store": 0.5}
"""One plane of as many channels, four of them a byte (Zen 3: 0.8 to 1.2 cycles)."""
CONVERTING = {"load": 2.0, "widening": 2.0, "store": 2.0, "scalar": 20.0}
"""A vector of bytes as wider integers, 16 at a time, or moved elsewhere (Zen 3: 5 to 6 cycles of 32)."""
ELEMENT = {"load": 1.0, "store": 1.0, "scalar": 22.0}
"""One plane of one element where no loop takes vectors of them (Zen 3: 5 to 6 cycles)."""
_CODED = {(False, True): PACKING, (True, False): UNPACKING, (True, True): SPREADING}
RUN = {"load": 4.0, "store": 2.0, "integer": 8.0, "scalar": 10.0}
"""One row of a window: its address, how far to shift, and a vector of it."""
TABLE_OF_TWO_FOURS = {"scalar": 6.0, "branch": 1.0, "store": 1.0}
PLANE_OF_TWO_FOURS = {"load": 2.0, "scalar": 3.0, "integer": 2.0}
"""A pair of tables of 4 channels, and then each plane (Zen 3 and 5)."""
TABLE_OF_SIX = {"store": 1.0, "scalar": 1.0}
PLANE_OF_SIX = {"load": 1.25, "scalar": 3.0, "integer": 1.0}
"""One table of 6, and for each plane, side by side: counted in the code of four tables of two planes."""


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
    rows, columns, seen = work.window.rows, work.window.columns, cost.work.window
    channels, read = work.inputs * work.groups, work.batch * seen.rows.size * seen.columns.size
    sampled = schedule.algorithm == "im2col" and work.subsamples
    pixels = work.pixels if sampled else work.batch * rows.size * columns.size
    vectors = pixels * channels / (cost.target.simd_bits // 8)
    taken = 0.0
    if layout.encoded and stored == "codes":
        taken += planes * _cycles(PACKING, machine) * vectors
    if _pads(layout, channels) and schedule.algorithm == "direct":
        taken += _cycles(ELEMENT, machine) * pixels * channels
    elif not layout.encoded and (stored == "planes" or layout.word_width > 8):
        taken += _cycles(CONVERTING, machine) * vectors
    if schedule.algorithm == "im2col" and not sampled:
        runs = work.pixels * rows.kernel * (planes if layout.encoded else 1)
        taken += runs * _cycles(RUN, machine)
    if layout.packed and rows_of(layout) is not None:
        spread = planes * _cycles(SPREADING, machine) * cost.work.inputs * work.groups
        taken += spread * read / (cost.target.simd_bits // 8)
    if layout.table:
        sizes = read * cost.words, cost.kernel.channels_per_word, planes
        part = _at_a_time(schedule, cost)
        taken += _tables(*sizes, machine, cost.target, part) * again
    return taken


def converting(
    type: TensorType[Any],
    source: Layout | None,
    target: Layout | None,
    machine: MachineTable,
    core: Target,
) -> float:
    """Cycles to store a whole tensor in another layout."""
    code, shape = type.element_type, type.get_shape()
    planes = code.planes if isinstance(code, CodeType) else 1
    if target is not None and target.table and (word := target.word_term):
        assert word.axis is not None
        extent, channels = shape[word.axis], word.chain[-1][1]
        tables = prod(shape) // extent * -(-extent // channels)
        return _tables(tables, channels, planes, machine, core)
    vectors = prod(shape) * storage_dtype(code).itemsize / (core.simd_bits // 8)
    packed = source is not None and source.encoded, target is not None and target.encoded
    rows = [form for form in (source, target) if form is not None and form.encoded]
    single = any(form.row_axes is None and rows_of(form) is None for form in rows)
    if single or (target is not None and _pads(target, shape[target.terms[-1].axis or 0])):
        return planes * _cycles(ELEMENT, machine) * prod(shape)
    each = planes * _cycles(_CODED[packed], machine) if any(packed) else 0.0
    return (each + (0.0 if packed[1] else _cycles(CONVERTING, machine))) * vectors


def _pads(layout: Layout, channels: int) -> bool:
    """Whether unpacked elements are followed by others that fill their last block of channels."""
    chain = () if layout.encoded else layout.terms[-1].chain
    return bool(chain) and channels % chain[-1][1] != 0


def _at_a_time(schedule: Schedule, cost: TileCost) -> float:
    """The part of all tables that there are at a time."""
    if schedule.tables != "strips":
        return 1.0
    assert schedule.loops
    rows = cost.work.window.rows
    return min(1.0, (schedule.loops[0].by or 1) * rows.stride / rows.size)


def _tables(
    tables: float,
    channels: int,
    planes: int,
    machine: MachineTable,
    core: Target,
    part: float = 1.0,
) -> float:
    """Cycles of so many tables of so many channels each, made once, a part of them at a time."""
    size = tables * (1 << channels)
    level = next((n for n, c in zip(LEVELS, core.caches) if part * size <= c), "memory")
    written = size / machine.write[level]
    if channels == 6:
        made = tables * _cycles(total((1, TABLE_OF_SIX), (planes, PLANE_OF_SIX)), machine)
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
