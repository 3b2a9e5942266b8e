"""Tables made a strip of rows at a time, inside the loops of the convolution that looks them up.

Tables of a whole image may be larger than L2, and are read once a kernel row and block of channels. So they
are made for the rows that a strip of outputs reads, always in the same place:

    lowbit.relayout %x outs(%tables : ...)
    lowbit.conv2d %tables, %w outs(%y : ...)
    ->  scf.for %row = 0 to %rows step %strip {
            tables of the rows that this strip reads, from the start of %tables
            tiles of this strip, which find its rows there
        }

Rows that two strips read are made twice: to move them would cost as much. One image, one thread: parts of a
task may run at the same time, and would need a place each.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import UnrealizedConversionCastOp
from xdsl.ir import Operation, SSAValue
from xdsl.traits import is_side_effect_free

from lowbit_dialect.layout import layout_of, storage_bytes
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.conversions import RelayoutOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from lowering.loops.tasks import Units, count_up
from lowering.loops.tile_loops import TileNest
from lowering.moving.element_access import Element
from lowering.moving.subset_tables import build_tables, builds_tables
from microkernels.operand import Operand


def tables_of(op: LinearOp) -> RelayoutOp | None:
    """The relayout that makes the tables of `op`, if it may as well be done inside the loops of `op`.

    Nothing else may read the tables, and nothing from the relayout on may write to what it reads.
    """
    if not isinstance(op.input.owner, SliceOp) or op.input.uses.get_length() != 2:
        return None
    written: list[SSAValue] = []
    one: Operation | None = op
    while one is not None:
        outs = getattr(one, "outs", None)
        if outs is op.input:
            break
        if outs is not None:
            written.append(outs)
        elif not is_side_effect_free(one):
            return None
        one = one.prev_op
    if not isinstance(one, RelayoutOp):
        return None
    if not builds_tables(*(layout_of(shaped(value)) for value in (one.input, op.input))):
        return None
    return None if any(_overlap(one.input, outs) for outs in written) else one


def _overlap(a: SSAValue, b: SSAValue) -> bool:
    """Whether two memrefs have bytes in common; different arguments and constants have none."""
    (first, *bounds), (second, *others) = _region(a), _region(b)
    return first is second and bounds[0] < others[1] and others[0] < bounds[1]


def _region(value: SSAValue) -> tuple[SSAValue, int, int]:
    """The buffer that a memref is a part of, and its first byte and the one behind its last."""
    size, first = storage_bytes(shaped(value)), 0
    while isinstance(owner := value.owner, SliceOp | ReshapeOp):
        if isinstance(owner, SliceOp):
            first += owner.offset.value.data
        value = owner.operands[0]
    return value, first, first + size


def build_strips(nest: TileNest, relayout: RelayoutOp) -> int:
    """Emit the outermost loop of a nest, over tiles of rows, in each their tables and what is inside.

    Returns 1, the extent of what is shared.
    """
    emit, axis, source = nest.emit, nest.nest.window.rows, Element(nest.emit, relayout.input)
    strip, *inside = nest.nest.loops
    tables, size = nest.input, strip.by or axis.out
    row_bytes = Operand(emit, tables).stride(nest.input_axes[1])
    columns = nest.nest.window.columns.size

    def one(first: SSAValue) -> None:
        last = emit.at("min", emit.at("add", first, size), axis.out)
        low = emit.at("sub", emit.at("mul", first, axis.stride), axis.before)
        high = emit.at("mul", emit.at("sub", last, 1), axis.stride)
        high = emit.at("add", high, (axis.kernel - 1) * axis.dilation + 1 - axis.before)
        low, high = emit.at("max", low, 0), emit.at("min", high, axis.size)
        back = emit.at("sub", emit.index(0), emit.at("mul", low, row_bytes))
        moved = emit.offset(emit.pointer(tables), back)
        place = emit.op(UnrealizedConversionCastOp.get([moved], [tables.type]))
        pixels = Units(emit.at("mul", low, columns), emit.at("mul", high, columns))
        build_tables(emit, source, Element(emit, place), pixels)
        loops = replace(nest.nest, loops=tuple(inside))
        units = Units(first, last)
        replace(nest, input=place, nest=loops, units=units, parallel="rows").build()

    count_up(emit, -(-axis.out // size), one, step=size)
    return 1
