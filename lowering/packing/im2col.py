"""im2col: a convolution becomes one of a 1x1 window, over windows gathered before.

    %y = lowbit.conv2d %x, %w {padding = ..., schedule = #lowbit.schedule<algorithm = im2col, ...>}
    ->  %lines = lowbit.lines %x {padding = ...}
        %windows = lowbit.windows %lines {channels = 65 : i64, kernel = array<i64: 3, 3>}
        %flat = lowbit.reshape %w : tensor<3x3x65x67x...> -> tensor<1x1x585x67x...>
        %y = lowbit.conv2d %windows, %flat {schedule = #lowbit.schedule<algorithm = im2col, ...>}

Where the pad value is no code, windows hold another in its place: the new op has `edges`, whose corrections
make up for that.

Lines carry the planes of an input that is packed or whose producer can pack it, else elements, which are
packed where a line holds many of them. A window of one tap needs neither:

    %windows = lowbit.subsample %x {strides = array<i64: 2, 2>}
"""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.layout import Layout, layout_of, with_layout
from lowbit_dialect.ops.common import element_of, ints, shaped, tensor_of
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.gather import LinesOp, SubsampleOp, WindowsOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowering.moving.window_runs import line_pixels, runs_of
from lowering.packing.layout_assignment import Storage, fold_constant, rows_of
from lowering.rebuild import rebuild
from microkernels.interface import Microkernel

CHANNELS_OUTERMOST = (0, 2, 3, 1)
"""Weights OIHW with the channels of a tap innermost, as windows have them."""


def gather(op: LinearOp, kernel: Microkernel, storage: Storage) -> LinearOp:
    """Replace a convolution whose schedule says so by one over gathered windows; return that."""
    work = op.contraction
    if work == work.gathered:
        return op
    if op.corrections is not None:
        raise ValueError("im2col has no use for corrections of borders: leave them out")
    layout = kernel.input_layout(work.gathered)
    gathered = _sampled if work.subsamples else _windows
    windows = gathered(op, work, rows_of(layout) or layout, storage)
    weights = _flat(op, storage.stored(op.weights, None), work)
    new = rebuild(
        op,
        op.results[0].type,
        regions=[op.detach_region(region) for region in list(op.regions)],
        without=("strides", "padding", "dilations", "pad_value"),
        operands={"input": windows, "weights": weights},
    )
    if any(edges := work.gathered.window.edges):
        new.properties["edges"] = ints(edges)
    new.results[0].name_hint = op.results[0].name_hint
    Rewriter.replace_op(op, new)
    return new


def _sampled(op: LinearOp, work: Contraction, layout: Layout, storage: Storage) -> SSAValue:
    """The pixels that `op` reads, stored in `layout`, or in planes as they are."""
    axes, format = work.input_axes, "nhwc" if work.input_axes[3] == 3 else "nchw"
    planes = Layout.row_planes(axes) if layout.encoded and has_planes(op.input) else None
    image = planes or storage.channels_last(shaped(op.input), axes)
    strides = work.window.rows.stride, work.window.columns.stride
    sampled = SubsampleOp(storage.stored(op.input, image), strides, format=format)
    kept = storage.kept(planes or layout, element_of(op.input.type))
    return _add(sampled, op, kept, "windows")


def _windows(op: LinearOp, work: Contraction, layout: Layout, storage: Storage) -> SSAValue:
    """The windows that `op` reads, stored in `layout`, which has planes or elements in rows."""
    rows, columns = work.window.rows, work.window.columns
    channels, format = work.inputs, "nhwc" if work.input_axes[3] == 3 else "nchw"
    axes = [(a.kernel, a.stride, a.dilation) for a in (rows, columns)]
    kernel, strides, dilations = zip(*axes)
    padded = columns.before + columns.size + columns.after
    pixels, planes = padded, layout.encoded and has_planes(op.input)
    if layout.encoded:
        runs = runs_of(channels, kernel, strides, dilations)
        written = columns.before + columns.size if planes else 0
        pixels = line_pixels(padded, written, channels, runs, columns.out)
    type = shaped(op.input)
    image = (
        Layout.row_planes(work.input_axes)
        if planes
        else storage.channels_last(type, work.input_axes)
    )
    source = storage.stored(op.input, image)
    right = columns.after + pixels - padded
    padding = rows.before, columns.before, rows.after, right
    if any(padding) or image is not None:
        lines: Operation = LinesOp(
            source,
            padding=padding,
            pad_value=work.filling if any(padding) else 0,
            format=format,
        )
    else:
        shape = work.batch, rows.size, columns.size * channels
        lines = ReshapeOp(source, TensorType(type.element_type, shape))
    value = _add(lines, op, Layout.row_planes((0, 1, 2)) if planes else None, "lines")
    if layout.encoded:
        value = storage.stored(value, Layout.row_planes((0, 1, 2)))
    gathered = WindowsOp(
        value,
        work.window.out,
        channels=channels,
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        format=format,
    )
    return _add(gathered, op, storage.kept(layout, type.element_type), "windows")


def has_planes(value: SSAValue) -> bool:
    """Whether a value is packed, or computed by an op that can store planes."""
    layout = layout_of(shaped(value))
    return isinstance(value.owner, LinearOp) or (layout is not None and layout.encoded)


def _flat(op: LinearOp, weights: SSAValue, work: Contraction) -> SSAValue:
    """Weights whose taps and channels are one axis, in the order of windows."""
    shape = (1, 1, work.depth, work.outputs)
    if work.weight_axes[3] == 0:
        weights = _add(TransposeOp(weights, CHANNELS_OUTERMOST), op, None, "turned")
        shape = (work.outputs, work.depth, 1, 1)
    type = TensorType(shaped(weights).element_type, shape)
    return _add(ReshapeOp(weights, type), op, None, "flat")


def _add(new: Operation, before: Operation, layout: Layout | None, name: str) -> SSAValue:
    """Insert an op, or the constant that it comes to; its result is stored in `layout`."""
    folded = fold_constant(new)
    if folded is not new:
        new.erase()
    Rewriter.insert_op(folded, InsertPoint.before(before))
    (value,) = folded.results
    value.name_hint = name
    if layout is None:
        return value
    return Rewriter.replace_value_with_new_type(value, with_layout(tensor_of(value), layout))
