"""MultiThreshold: the count of thresholds that are at most x, scaled and offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CODE_SPELLINGS, CodeType, parse_code
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node, shown
from lowbit_dialect.importers.onnx_tensor import ONE, Tensor
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import I32_MAX
from lowbit_dialect.ops.elementwise import AddOp, ThresholdOp

MAX_STEPS = 255
MAX_TABLE = 1 << 22
LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}


@dataclass(frozen=True)
class Steps:
    """How a count is stored: codes that mean `(code - zero) * scale + bias`."""

    code: CodeType
    scale: Array
    zero: int = 0
    bias: Array | None = None


def multi_threshold(b: Builder, node: Node) -> Tensor:
    """Integers are compared with integer thresholds, f32 with the thresholds of the file."""
    x, thresholds = b.tensor(node), b.reals(node, 1, finite=False)
    rank = len(x.shape)
    layout = node.text("data_layout", "") or LAYOUTS.get(rank, "")
    axis = layout.index("C") if "C" in layout else 1
    if axis >= rank:
        raise node.fail(f"data_layout {shown(layout)} has no channels in {list(x.shape)}")
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, x.shape[axis]):
        raise node.fail(
            f"thresholds of shape {list(thresholds.shape)} are not [1 or {x.shape[axis]}, steps]"
        )
    count = thresholds.shape[1]
    if not 1 <= count <= MAX_STEPS:
        raise node.fail(f"has {count} thresholds a channel; 1 to {MAX_STEPS} make a code")
    steps = steps_for(node, count)
    if x.scale is not None:
        if thresholds.shape[0] == 1:
            axis = x.axis
        elif x.axis != axis and x.has_rows:
            x = b.to_float(node, x)
    if x.scale is None:
        value = compare_floats(b, node, x, thresholds, axis, steps.code)
    else:
        value = compare_integers(b, node, x, thresholds, axis, steps.code)
    return x.holding(value, scale=steps.scale, zero=steps.zero, bias=steps.bias)


def steps_for(node: Node, count: int) -> Steps:
    """The code type for `count` thresholds whose offset is that of the node.

    The offset is f32 like the scale, so that a multiple of it is one to within an f32 step.
    """
    scale = np.float32(node.number("out_scale", 1.0))
    bias = np.float32(node.number("out_bias", 0.0))
    if not scale > 0:
        raise node.fail("out_scale is greater than 0")
    start = round(2 * float(bias) / float(scale)) / 2
    counted = parse_code(f"uint{count.bit_length()}")
    if abs(start * float(scale) - float(bias)) > np.spacing(np.abs(bias)) or abs(start) > 2**20:
        return Steps(counted, ONE * scale, bias=ONE * bias)
    for code in sorted(map(parse_code, CODE_SPELLINGS), key=lambda code: code.planes):
        if code.steps >= count and code.minimum / code.scale == start:
            return Steps(code, ONE * scale / np.float32(code.scale))
    if start % 1:
        return Steps(counted, ONE * scale, bias=ONE * bias)
    return Steps(counted, ONE * scale, zero=-int(start))


def compare_integers(
    b: Builder, node: Node, x: Tensor, thresholds: Array, axis: int, code: CodeType
) -> SSAValue:
    """`lowbit.threshold` with the smallest integers whose f32 values reach the thresholds."""
    value = x.value
    if x.zero or isinstance(x.element, CodeType):
        offset = b.known(node, np.array([-x.zero]), i32, "zero_point")
        value = b.emit(node, AddOp(value, offset), "centred")
    assert x.scale is not None
    bias = np.zeros(1, np.float32) if x.bias is None else x.bias
    if max(x.scale.size, bias.size, thresholds.shape[0]) * thresholds.shape[1] > MAX_TABLE:
        raise node.fail(f"has more than {MAX_TABLE} thresholds, the limit here")
    rows = np.sort(smallest_reaching(x.scale, bias, thresholds), axis=1)
    return apply_thresholds(b, node, x, value, rows, axis, code)


def apply_thresholds(
    b: Builder, node: Node, x: Tensor, value: SSAValue, rows: Array, axis: int, code: CodeType
) -> SSAValue:
    """`lowbit.threshold` of i32 or f32; steps that the code has beyond the rows are never reached."""
    # No accumulator reaches I32_MAX: the verifier of the op before bounds it, and 2^31 - 1 is prime.
    element, never = (f32, np.nan) if rows.dtype == np.float32 else (i32, I32_MAX)
    spare = np.full((rows.shape[0], code.steps - rows.shape[1]), never, rows.dtype)
    rows = np.concatenate([rows, spare], axis=1)
    if rows.shape[0] > 1 and x.flattened and axis == 1:
        rows = rows[x.columns]
    table = b.known(node, rows, element, "thresholds")
    at = x.stored_axis(axis) if rows.shape[0] > 1 else -1  # one row is for any axis
    return b.emit(node, ThresholdOp(value, table, code, axis=at))


def smallest_reaching(scale: Array, bias: Array, thresholds: Array) -> Array:
    """For each threshold the smallest i32 `v` with `f32(v) * scale + bias >= threshold`, by bisection.

    The expression never decreases in `v`, each of its roundings being monotonic. I32_MAX if none does.
    """
    scale, bias = scale.reshape(-1, 1), bias.reshape(-1, 1)
    shape = np.broadcast_shapes(scale.shape, bias.shape, thresholds.shape)
    low = np.full(shape, -(2**31), np.int64)
    high = np.full(shape, I32_MAX, np.int64)
    with np.errstate(all="ignore"):
        while np.any(low < high):
            middle = (low + high) >> 1
            reached = middle.astype(np.float32) * scale + bias >= thresholds
            high, low = np.where(reached, middle, high), np.where(reached, low, middle + 1)
            low = np.minimum(low, high)
    return high


def compare_floats(
    b: Builder, node: Node, x: Tensor, thresholds: Array, axis: int, code: CodeType
) -> SSAValue:
    """`lowbit.threshold` of f32 with the thresholds themselves, in ascending order."""
    return apply_thresholds(b, node, x, x.value, np.sort(thresholds, axis=1), axis, code)


QONNX_OPS = {"MultiThreshold": multi_threshold}
