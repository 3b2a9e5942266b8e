"""`lowbit-tile`: memref ops become loops around register-block tiles.

Needs the output of `lowbit-bufferize`; leaves `scf` loops with `lowbit.tile` in them, and loops of scalar
ops for what converts layouts:

    lowbit.conv2d %x, %w outs(%y : ...) {schedule = ...} : ...
    ->  scf.for %block ... { scf.for %row ... { scf.for %column ... {
          lowbit.tile "popcount_32x16" at (...) rows (...) ins(%x : ...) weights(%w : ...) outs(%y : ...)

Borders are peeled, so that no tile tests for padding; tails are tiles of their own size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import Layout, layout_of, plain
from lowbit_dialect.ops.common import element_of, output_type, shape_of, shaped, spatial_axes
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.elementwise import BinaryOp, ElementwiseOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.movement import MoveOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp, PoolOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ops.rows import RowOp
from lowbit_dialect.ops.tile import YieldOp
from lowering.loops.row_loops import row_loops
from lowering.loops.sharing import build_share
from lowering.loops.tasks import Share, call, erase_unused_addresses, outline
from lowering.loops.tile_loops import TileNest
from lowering.moving.conversion_loops import convert_loops
from lowering.moving.correction_loops import correction_loops
from lowering.moving.gather_loops import gather_loops
from lowering.moving.move_loops import move_loops
from lowering.moving.strips import build_strips, tables_of
from lowering.packing.outline_packing import packs_for
from lowering.preconditions import schedule_of, target_of
from lowering.rebuild import rebuild
from microkernels import lanewise
from microkernels.emit import Emitter
from microkernels.nest import Nest, nest_of, runs_of
from microkernels.table import find_kernel
from microkernels.target import Target

PEELED_OUTPUTS = 6
"""Border outputs of a row up to which a pool has code for each."""

TILED = (
    LinearOp,
    PoolOp,
    ElementwiseOp,
    ConversionOp,
    TransposeOp,
    MoveOp,
    RowOp,
    CorrectionsOp,
    GatherOp,
)


def tile_linear(op: LinearOp, target: Target, share: Share | None = None) -> int:
    """Replace a `conv2d` or `dense` on memrefs by its loops, or a share of them; return the extent.

    What makes tables for it goes into the loops too where the schedule has strips of them.
    """
    work, schedule, emit = op.contraction, schedule_of(op, target), Emitter(op)
    assert schedule.microkernel and schedule.vectors and schedule.unroll and schedule.taps
    assert schedule.planes and schedule.prefetch is not None and op.outs is not None
    if schedule.algorithm == "im2col" and work != work.gathered:
        raise ValueError("im2col runs on windows that lowbit-pack gathers: run it first")
    kernel = find_kernel(schedule.microkernel, target)
    _reads(op.input, kernel.input_layout(work), kernel.name)
    _reads(op.weights, kernel.weight_layout(work, schedule.vectors), kernel.name)
    region, axes = op.epilogue, _four(work.input_axes)
    nest = TileNest(
        emit=emit,
        microkernel=kernel.name,
        input=op.input,
        weights=op.weights,
        corrections=op.corrections,
        outs=op.outs,
        epilogue=lambda: region.clone(),
        nest=nest_of(work, schedule, kernel),
        unroll=schedule.unroll,
        taps=schedule.taps,
        planes=schedule.planes,
        prefetch=schedule.prefetch,
        input_axes=axes,
        weight_axes=_four(work.weight_axes),
        output_axes=axes,
    )
    if schedule.tables == "strips":
        if share is not None or (tables := tables_of(op)) is None:
            raise ValueError(
                "tables = strips is for tables that this op alone reads, on one thread"
            )
        extent = build_strips(nest, tables)
        Rewriter.erase_op(tables)
    elif share is None or schedule.parallel == "none":
        extent = nest.build()
    else:
        extent = build_share(nest, share, schedule.parallel)
    Rewriter.erase_op(op)
    return extent


def _reads(value: SSAValue, layout: Layout, kernel: str) -> None:
    """Raise ValueError unless an operand is stored as its kernel reads it."""
    found = layout_of(shaped(value))
    if found != layout and not (found is None and plain(layout, element_of(value.type))):
        raise ValueError(f"{kernel} reads {layout}, not {value.type}: run lowbit-pack first")


def _four(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Name four axes; a dense layer has no batch and one row."""
    return (-1,) * (4 - len(axes)) + axes


def tile_pool(op: PoolOp, target: Target, share: Share | None = None) -> int:
    """Replace a pool on memrefs by its loops, or a share of them; return the extent."""
    emit, shape = Emitter(op), shape_of(op.input)
    assert op.outs is not None
    axes = (0, *spatial_axes(op.format.data))
    nest = TileNest(
        emit=emit,
        microkernel="max" if isinstance(op, MaxPoolOp) else "sum",
        input=op.input,
        outs=op.outs,
        epilogue=Region,
        nest=_lanewise(target, op.window, shape[0], shape[axes[3]]),
        input_axes=axes,
        output_axes=axes,
        divisor=op.count if isinstance(op, AvgPoolOp) else 1,
    )
    extent = build_share(nest, share)
    Rewriter.erase_op(op)
    return extent


def tile_elementwise(op: ElementwiseOp, target: Target, share: Share | None = None) -> int:
    """Replace an elementwise op on memrefs by loops that load, apply it and store.

    Or by a share of them; returns the extent.
    """
    emit = Emitter(op)
    assert op.outs is not None
    shape, axis = shape_of(op.input), op.channel_axis
    values = (op.input, op.outs, *op.others)
    unlaid = all(layout_of(shaped(v)) is None for v in values)
    per_channel = any(shape_of(table)[0] != 1 for table in op.tables)
    if unlaid and (not per_channel or axis == len(shape) - 1):
        channels = shape[axis] if per_channel else prod(shape)
        flat = (prod(shape) // channels, channels)
        axes: tuple[int, ...] = (-1, -1, 0, 1)
        reshaped = {v: _reshape(emit, v, flat) for v in values}
        batch, window = 1, Window.of((1, flat[0]), (1, 1))
    else:
        if len(shape) != 4 or axis != 1:
            raise PassFailedException(
                f"'{op.name}' on channels of axis {axis} of {op.input.type}: run lowbit-pack first"
            )
        axes, reshaped = (0, 2, 3, 1), {}
        channels = shape[1]
        batch, window = shape[0], Window.of((shape[2], shape[3]), (1, 1))
    nest = TileNest(
        emit=emit,
        microkernel="copy",
        input=reshaped.get(op.input, op.input),
        outs=reshaped.get(op.outs, op.outs),
        epilogue=lambda: _single(op, reshaped),
        nest=_lanewise(target, window, batch, channels),
        input_axes=axes,
        output_axes=axes,
    )
    extent = build_share(nest, share)
    Rewriter.erase_op(op)
    return extent


def _reshape(emit: Emitter, value: SSAValue, shape: tuple[int, int]) -> SSAValue:
    type = MemRefType(shaped(value).element_type, shape)
    return emit.op(ReshapeOp(value, type))


def _single(op: ElementwiseOp, reshaped: dict[SSAValue, SSAValue]) -> Region:
    """An epilogue that applies `op` to the accumulator."""
    assert op.outs is not None
    element = shaped(op.input).element_type
    block = Block(arg_types=[element])
    changed: dict[str, SSAValue | None] = {"input": block.args[0], "outs": None}
    if isinstance(op, BinaryOp):
        changed["other"] = reshaped.get(op.other, op.other)
    inner = rebuild(op, output_type(op).element_type, operands=changed)
    block.add_ops([inner, YieldOp(inner.results[0])])
    return Region(block)


def _lanewise(target: Target, window: Window, batch: int, channels: int) -> Nest:
    """The nest of a kernel that goes lane by lane: up to four vectors of one pixel."""
    lanes, columns = lanewise.lanes(target), window.columns
    runs = runs_of(columns, 1, peeled=columns.head + columns.tail <= PEELED_OUTPUTS)
    return Nest(window, batch, 1, channels, lanes, min(4, -(-channels // lanes)), runs)


@dataclass(frozen=True)
class LowbitTilePass(ModulePass):
    """Loops around tiles, for a target; with more than one thread in tasks (`lowering.loops.tasks`)."""

    name = "lowbit-tile"

    target: str = "host"
    threads: int = 1
    least: int = 2000
    """Nanoseconds that an op must take on one thread, as estimated, to be shared out unless it pins how:
    to hand over a task and claim its units takes a few hundred."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Tile every op of the module."""
        target = target_of(self.target)
        if self.threads < 1:
            raise PassFailedException(f"lowbit-tile has threads={self.threads}: expected 1 or more")
        for func in list(op.ops):
            tiled = [inner for inner in func.walk() if _is_tiled(inner)]
            if self.threads == 1 or not isinstance(func, FuncOp) or packs_for(func, op):
                # Readers first: one may take over what makes its tables.
                for inner in reversed(tiled):
                    if inner.parent is not None:
                        _tile(inner, target)
            else:
                self._tasks(tiled, func, op, target)

    def _tasks(
        self, tiled: list[Operation], func: FuncOp, module: ModuleOp, target: Target
    ) -> None:
        """Move each op of a function to a task, and tile it there."""
        for number, inner in enumerate(tiled):
            task = outline(inner, func, module, number, self.threads, self.least)
            extent = _tile(task.op, target, task.share)
            call(task, inner, extent, func, module, target.architecture.pointer_bits // 8)
        erase_unused_addresses(func)


def _is_tiled(op: Operation) -> bool:
    if op.results and isinstance(op, TILED) and isinstance(op.results[0].type, TensorType):
        raise PassFailedException(f"'{op.name}' works on tensors: run lowbit-bufferize first")
    return getattr(op, "outs", None) is not None and isinstance(op, TILED)


def _tile(op: Operation, target: Target, share: Share | None = None) -> int:
    """Replace one op by its loops, or a share of them; return the extent of what is shared."""
    try:
        match op:
            case LinearOp():
                return tile_linear(op, target, share)
            case PoolOp():
                return tile_pool(op, target, share)
            case ElementwiseOp():
                return tile_elementwise(op, target, share)
            case ConversionOp() | TransposeOp():
                return convert_loops(op, target, share)
            case MoveOp():
                return move_loops(op, share)
            case RowOp():
                return row_loops(op, share)
            case GatherOp():
                return gather_loops(op, target, share)
            case CorrectionsOp():
                return correction_loops(op, share)
            case _:
                raise AssertionError(f"{op.name} is not tiled")
    except ValueError as error:
        raise PassFailedException(f"'{op.name}': {error}") from error
