"""`lowbit-pack`: layouts, packing and relayouts become explicit.

Needs functions on tensors; each `conv2d` and `dense` then reads the layouts of the microkernel that its
schedule names, tables of epilogues are padded to whole vectors, and what
depends only on arguments marked `lowbit.constant` moves to `@NAME_pack`:

    %y = lowbit.conv2d %x, %w : tensor<..x!lowbit.uint<1>>, tensor<..x!lowbit.odd<1>> -> ...
    ->  %p = lowbit.bitpack %x : ... -> tensor<..x!lowbit.uint<1>, #lowbit.layout<...>>
        %y = lowbit.conv2d %p, %w_packed corrections(%c : ...) : ... -> ...

What a constant alone determines is computed here. How functions are called is noted on them, and what they
are packed for on their module (`lowbit_dialect.interface`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import Float32Type, IntegerType, ModuleOp, StringAttr, UnitAttr, i16, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.algebra import inside_terms
from lowbit_dialect.attributes import TARGET
from lowbit_dialect.interface import state_interface
from lowbit_dialect.layout import Layout, layout_of, row_major, with_layout
from lowbit_dialect.ops.common import (
    check_layout,
    element_of,
    shape_of,
    shaped,
    spatial_axes,
    tensor_of,
)
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.conversions import ConversionOp, RelayoutOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.elementwise import ElementwiseOp, RequantizeOp, RescaleOp, ThresholdOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.movement import MoveOp
from lowbit_dialect.ops.pool import PoolOp
from lowbit_dialect.ops.quantizers import FURTHEST, ascends
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ops.rows import RowOp
from lowbit_dialect.ranges import accumulator_range, needs_range
from lowering.epilogue.integer_lines import rescaled
from lowering.epilogue.thresholds import addends, largest
from lowering.packing.collapsing import collapse, has_channels_within
from lowering.packing.im2col import gather
from lowering.packing.layout_assignment import Storage, fold_constant
from lowering.packing.outline_packing import outline_packing
from lowering.preconditions import block_of, return_of, schedule_of, target_of
from lowering.rebuild import rebuild
from microkernels import lanewise
from microkernels.interface import table_layout
from microkernels.table import find_kernel
from microkernels.target import Target

CHANNELS_LAST = (0, 2, 3, 1)


class Packer(Storage):
    """Rewrites the ops of one function."""

    def __init__(self, target: Target):
        super().__init__()
        self.target = target

    def linear(self, op: LinearOp) -> None:
        """Lay out the operands of a `conv2d` or `dense`, add corrections, pad its tables."""
        schedule = schedule_of(op, self.target)
        assert schedule.microkernel and schedule.vectors
        kernel = find_kernel(schedule.microkernel, self.target)
        asked, weights = op.contraction, op.weights
        if kernel.in_halves(asked) and "scale_halves" in kernel.verbs.can:
            _rescale(op)
        if schedule.algorithm == "im2col":
            op = gather(op, kernel, self)
        work = op.contraction
        if not any(work.window.edges):
            asked, weights = work, op.weights
        # By position: input and weights may be one value, stored in two layouts.
        op.operands[0] = self.stored(op.input, kernel.input_layout(work))
        op.operands[1] = self.stored(op.weights, kernel.weight_layout(work, schedule.vectors))
        groups, outputs = kernel.channels(work)
        products = kernel.sums(work)
        table = table_layout((0, 1), 2, groups, outputs, kernel.lanes)
        if op.corrections is not None:
            op.operands[2] = self.stored(op.corrections, table)
        else:
            _bound(op)
            # Windows may hold for padding what is further from it than any code is from 0.
            if kernel.in_halves(work) and not any(work.window.edges):
                table = Layout(table.terms, i16)
            if _needs_corrections(work, products):
                op = self._correct(op, asked, weights, table, products)
        if op.epilogue.blocks:
            for inner in op.epilogue.block.ops:
                if isinstance(inner, ElementwiseOp):
                    self._tables(inner, groups, outputs, kernel.lanes, op)
                    self._residual(inner, op)
        packs = kernel.packs(groups, outputs, kernel.lanes * schedule.vectors)
        self.output(op, work.input_axes, packs=packs)

    def _correct(
        self, op: LinearOp, work: Contraction, weights: SSAValue, table: Layout, products: str
    ) -> LinearOp:
        """Add the `corrections` operand, computed from unpacked weights of `work` and stored as `table`."""
        source = self.stored(weights, None) if layout_of(shaped(weights)) else weights
        fill = work.filling if work != op.contraction else None
        assert isinstance(table.word, IntegerType)
        new = CorrectionsOp.of(work, source, products, fill, table.word)
        folded = fold_constant(new)
        if folded is not new:
            new.erase()  # or the unpacked weights would stay, for a use that is in no block
        owner = source.owner
        where = (
            InsertPoint.after(owner)
            if isinstance(owner, Operation)
            else InsertPoint.at_start(owner)
        )
        Rewriter.insert_op(folded, where)
        value = folded.results[0]
        value.name_hint = "corrections"
        if isinstance(folded, ConstantOp):
            value = self.stored(value, table)
        else:
            type = tensor_of(value)
            value = Rewriter.replace_value_with_new_type(value, with_layout(type, table))
        new_op = _with_corrections(op, value)
        # In this order whether `products` was there, as in an op that was built, or not, as in one parsed.
        schedule = new_op.properties.pop("schedule")
        new_op.properties.pop("products", None)
        new_op.properties |= {"products": StringAttr(products), "schedule": schedule}
        return new_op

    def _tables(
        self, op: ElementwiseOp, groups: int, size: int, block: int, before: Operation
    ) -> None:
        """Pad tables with a row for each channel to whole vectors, steps outermost."""
        if isinstance(op, ThresholdOp) and _ascends(op.thresholds):
            op.properties["ascending"] = UnitAttr()
        for table in op.tables:
            shape = shape_of(table)
            if shape[0] == 1:
                layout = Layout(row_major(len(shape)), IntegerType(32))
            else:
                layout = table_layout(range(1, len(shape)), 0, groups, size, block)
            element = shaped(table).element_type
            if isinstance(element, Float32Type) or isinstance(op, RescaleOp):
                layout = Layout(layout.terms, element)
            # Not the input, which a vector that is added to itself is too.
            _replace(op, table, self.stored(table, layout), first=1)

    def _residual(self, op: ElementwiseOp, around: LinearOp) -> None:
        """Another tensor that an epilogue reads is unpacked, channels last."""
        for other in op.others:
            layout = self.channels_last(shaped(other), around.contraction.input_axes)
            _replace(op, other, self.stored(other, layout))

    def window(self, op: PoolOp) -> None:
        """Pools read and write unpacked elements, channels last."""
        axes = (0, *spatial_axes(op.format.data))
        type = shaped(op.input)
        op.operands[0] = self.stored(op.input, self.channels_last(type, axes))
        self.output(op, axes, packs=False)

    def elementwise(self, op: ElementwiseOp) -> None:
        """Standalone elementwise ops read and write unpacked elements, their channels innermost."""
        if has_channels_within(op):
            op = collapse(op, self)
        axes = axes_of(op)
        for value in (op.input, *op.others):
            layout = self.channels_last(shaped(value), axes)
            _replace(op, value, self.stored(value, layout))
        self._tables(op, 1, shape_of(op.input)[op.channel_axis], lanewise.lanes(self.target), op)
        self.output(op, axes, packs=False)

    def data(self, op: ReshapeOp | TransposeOp | MoveOp | RowOp) -> None:
        """Reshapes, transposes, moves and ops on rows work on tensors without a layout."""
        for at, value in enumerate(op.operands):
            op.operands[at] = self.stored(value, None)
        if isinstance(op, TransposeOp):
            folded = fold_constant(op)
            if folded is not op:
                Rewriter.replace_op(op, folded)


def axes_of(op: ElementwiseOp) -> tuple[int, ...]:
    """The order in which an elementwise op that stands alone reads and writes its axes."""
    rank = len(shape_of(op.input))
    tables = any(shape_of(table)[0] != 1 for table in op.tables)
    return CHANNELS_LAST if tables and op.channel_axis != rank - 1 else tuple(range(rank))


def _rescale(op: LinearOp) -> None:
    """Requantise sums of i16 in lanes of i16, where that gives the same codes."""
    bounds = accumulator_range(op.contraction, op.weights)
    steps = list(op.epilogue.block.ops) if op.epilogue.blocks else []
    if bounds is None or op.corrections is not None or not steps:
        return
    first = steps[0]
    if isinstance(first, RequantizeOp) and (new := rescaled(first, bounds)):
        *tables, last = new
        for table in tables:
            Rewriter.insert_op(table, InsertPoint.before(op))
        Rewriter.replace_op(first, last)


def _bound(op: LinearOp) -> None:
    """Move thresholds that no sum comes near to where differences with them cannot wrap."""
    steps = list(op.epilogue.block.ops) if op.epilogue.blocks else []
    final = next((one for one in steps if isinstance(one, ThresholdOp)), None)
    if final is None or final.flip or element_of(final.input.type) != i32:
        return
    added = addends(steps[: steps.index(final)], op.epilogue.block.args[0])
    if added is None:
        return
    if needs_range(op):
        return  # Its range may be a promise that nothing proves.
    owner = final.thresholds.owner
    reach = max(map(abs, op.sums)) + largest(added)
    if isinstance(owner, ConstantOp) and reach < FURTHEST:
        table = np.clip(owner.array(), -FURTHEST, FURTHEST)
        moved = ConstantOp.of(table, shaped(owner.result).element_type)
        Rewriter.insert_op(moved, InsertPoint.before(owner))
        moved.result.name_hint = owner.result.name_hint
        final.operands[1] = moved.result
        final.properties["bounded"] = UnitAttr()


def _ascends(table: SSAValue) -> bool:
    """Whether the rows of a table are known to ascend."""
    owner = table.owner
    return isinstance(owner, ConstantOp) and ascends(owner.array())


def _needs_corrections(work: Contraction, products: str) -> bool:
    """Whether a kernel's sums differ from the result: by the algebra of codes, or by padding."""
    pads = any(axis.head or axis.tail for axis in (work.window.rows, work.window.columns))
    padded = any(work.window.edges) or (pads and work.pad_value != 0)
    if products == "multiply":
        return padded
    return padded or inside_terms(work.activation, work.weight, products) != (0, 0, 0)


def _replace(op: Operation, old: SSAValue, new: SSAValue, first: int = 0) -> None:
    for at, operand in enumerate(op.operands):
        if at >= first and operand is old:
            op.operands[at] = new


def _with_corrections(op: LinearOp, value: SSAValue) -> LinearOp:
    """Replace `op` by one that has the optional operand."""
    regions = [op.detach_region(region) for region in list(op.regions)]
    new = rebuild(op, op.results[0].type, regions=regions, operands={"corrections": value})
    new.results[0].name_hint = op.results[0].name_hint
    Rewriter.replace_op(op, new)
    return new


def _copy_results(func: FuncOp) -> None:
    """Results that no op of their own writes (arguments, constants, reshapes, repeats) are copied."""
    last = return_of(func)
    seen: set[SSAValue] = set()
    for at, value in enumerate(last.operands):
        owner = value.owner
        computed = isinstance(owner, Operation) and not isinstance(owner, ConstantOp | ReshapeOp)
        if not computed or value in seen:
            check_layout(value.type)
            copy = RelayoutOp(value, tensor_of(value))
            Rewriter.insert_op(copy, InsertPoint.before(last))
            last.operands[at] = copy.results[0]
        seen.add(value)


@dataclass(frozen=True)
class LowbitPackPass(ModulePass):
    """Explicit layouts and packing, for a target."""

    name = "lowbit-pack"

    target: str = "host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Pack every function, consumers before producers, then outline what is constant."""
        target = target_of(self.target)
        op.attributes[TARGET] = StringAttr(str(target))
        for func in list(op.ops):
            if isinstance(func, FuncOp) and not func.is_declaration:
                _pack_function(func, target)
                _copy_results(func)
                state_interface(func)
                outline_packing(func, op)


def _pack_function(func: FuncOp, target: Target) -> None:
    packer, block = Packer(target), block_of(func)
    for op in block.walk():
        if isinstance(op, ThresholdOp):
            # Promises of who wrote the program: what holds is derived anew.
            op.ascending = op.bounded = None
    for op in reversed(list(block.ops)):
        if getattr(op, "outs", None) is not None:
            raise PassFailedException(f"'{op.name}' is on memrefs: lowbit-pack needs tensors")
        try:
            match op:
                case LinearOp():
                    packer.linear(op)
                case PoolOp():
                    packer.window(op)
                case ElementwiseOp():
                    packer.elementwise(op)
                case ReshapeOp() | TransposeOp() | MoveOp() | RowOp():
                    packer.data(op)
                case _:
                    pass
        except ValueError as error:
            raise PassFailedException(f"'{op.name}': {error}") from error
    for op in reversed(list(block.ops)):
        if isinstance(op, ConstantOp | ConversionOp) and not op.results[0].uses.get_length():
            Rewriter.erase_op(op)
    for op in list(block.ops):
        if isinstance(op, LinearOp) and op.schedule and op.schedule.data.tables == "strips":
            _bring_near(op)


def _bring_near(op: LinearOp) -> None:
    """Have tables made where they are read: in strips they are inside of that op, and no space before it."""
    made = op.input.owner
    if isinstance(made, RelayoutOp) and op.input.uses.get_length() == 1:
        made.detach()
        Rewriter.insert_op(made, InsertPoint.before(op))
