"""The meaning of `conv2d`, `dense` and `corrections`, in NumPy."""

from __future__ import annotations

from typing import cast

import numpy as np

from lowbit_dialect.algebra import OFFSETS, PairAlgebra, inside_terms
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, storage_dtype
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.tile import YieldOp
from lowbit_dialect.reference_elementwise import Values, apply_step


def _split(op: LinearOp | CorrectionsOp, values: Values) -> tuple[Contraction, Array]:
    """The numbers of an op and its weights as [KH, KW, G, I, O] of i64 or f64."""
    work = op.contraction
    weights = values[op.weights].transpose(work.weight_axes)
    kind = np.float64 if weights.dtype == np.float32 else np.int64
    kernel = (work.window.rows.kernel, work.window.columns.kernel)
    split = weights.reshape(*kernel, work.inputs, work.groups, work.outputs)
    return work, split.transpose(0, 1, 3, 2, 4).astype(kind)


def _images(work: Contraction, x: Array) -> Array:
    """The input as [N, H, W, G, I] of i64 or f64."""
    kind = np.float64 if x.dtype == np.float32 else np.int64
    size = (work.window.rows.size, work.window.columns.size)
    nhwc = x.transpose(work.input_axes)
    return nhwc.reshape(work.batch, *size, work.groups, work.inputs).astype(kind)


def _slide(work: Contraction, x: Array, tap: tuple[int, int]) -> Array:
    """Under one kernel tap, the elements that all outputs see, [N, OH, OW, ...]; `x` is padded."""
    rows, columns = work.window.rows, work.window.columns
    y, z = tap[0] * rows.dilation, tap[1] * columns.dilation
    return x[
        :,
        y : y + (rows.out - 1) * rows.stride + 1 : rows.stride,
        z : z + (columns.out - 1) * columns.stride + 1 : columns.stride,
    ]


def _pad(work: Contraction, x: Array, value: int) -> Array:
    rows, columns = work.window.rows, work.window.columns
    pads = [(0, 0), (rows.before, rows.after), (columns.before, columns.after)]
    return np.pad(x, [*pads, *[(0, 0)] * (x.ndim - 3)], constant_values=value)


def _taps(work: Contraction) -> list[tuple[int, int]]:
    rows, columns = work.window.rows.kernel, work.window.columns.kernel
    return [(y, x) for y in range(rows) for x in range(columns)]


def _contract(work: Contraction, padded: Array, weights: Array) -> Array:
    """Sum over taps and input channels: [N, OH, OW, G, O]."""
    total = np.zeros((work.batch, *work.window.out, work.groups, work.outputs), weights.dtype)
    for tap in _taps(work):
        seen = _slide(work, padded, tap)
        # Float matrix products are exact below 2^53 and use the machine's fast GEMM.
        product = np.matmul(
            seen.transpose(3, 0, 1, 2, 4).reshape(work.groups, -1, work.inputs).astype(np.float64),
            weights[tap].astype(np.float64),
        )
        shape = (work.groups, work.batch, *work.window.out, work.outputs)
        total += product.reshape(shape).transpose(1, 2, 3, 0, 4).astype(weights.dtype)
    return total


def linear(op: LinearOp, values: Values) -> Array:
    """`conv2d` and `dense`, epilogue included."""
    work, weights = _split(op, values)
    x = _images(work, values[op.input])
    if op.corrections is None:
        total = _contract(work, _pad(work, x, work.pad_value), weights)
    else:
        total = _corrected(work, x, weights, values[op.corrections], op.products.data)
    flat = total.reshape(work.batch, *work.window.out, work.groups * work.outputs)
    if len(work.input_axes) == 2:
        flat = flat.reshape(-1, work.outputs)
    elif work.input_axes[3] == 1:
        flat = flat.transpose(0, 3, 1, 2)
    flat = flat.astype(storage_dtype(op.accumulator))
    if not op.epilogue.blocks:
        return flat
    block = op.epilogue.block
    inner: Values = {**values, block.args[0]: flat}
    channel = work.input_axes[-1]
    for step in block.ops:
        if isinstance(step, YieldOp):
            return inner[step.value]
        raw = apply_step(cast(ElementwiseOp, step), inner, channel)
        inner[step.results[0]] = raw.astype(storage_dtype(step.results[0].type))
    raise ValueError(f"the epilogue of '{op.name}' does not yield")


def _corrected(
    work: Contraction, x: Array, weights: Array, corrections: Array, products: str
) -> Array:
    """What is summed over the taps inside the image, plus the corrections of the border class."""
    if products == "popcount":
        total = _popcounts(work, x, weights)
    else:
        shifted = x + OFFSETS.get(products, 0)
        total = _contract(work, _pad(work, shifted, 0), weights)
    rows, columns = work.window.rows, work.window.columns
    at = np.ix_(
        [rows.class_of(o) for o in range(rows.out)],
        [columns.class_of(o) for o in range(columns.out)],
    )
    table = corrections.reshape(rows.classes, columns.classes, work.groups, work.outputs)[at]
    return total + table[None]


def _popcounts(work: Contraction, x: Array, weights: Array) -> Array:
    """`factor * raw`, with popcounts over the taps inside the image."""
    assert isinstance(work.activation, CodeType) and isinstance(work.weight, CodeType)
    algebra = PairAlgebra(work.activation, work.weight)
    bits, planes = work.activation.encode(x), work.weight.encode(weights)
    inside = _pad(work, np.ones(x.shape, np.int64), 0)
    raw = np.zeros((work.batch, *work.window.out, work.groups, work.outputs), np.int64)
    for i, j, weight in algebra.pairs:
        b = _pad(work, ((bits >> i) & 1).astype(np.int64), 0)
        w = ((planes >> j) & 1).astype(np.int64)
        if algebra.xor:
            # popcount(b ^ w) = sum b (1 - w) + (1 - b) w, on taps inside only
            count = _contract(work, b, 1 - w) + _contract(work, inside - b, w)
        else:
            count = _contract(work, b, w)
        raw += weight * count
    return algebra.factor * raw


def corrections(op: CorrectionsOp, values: Values) -> Array:
    """The rank-one terms of each border class and output channel."""
    work, weights = _split(op, values)
    a, b, shift = inside_terms(work.activation, work.weight, op.products.data)
    within = ((a * weights + b) >> shift).sum(axis=3)
    outside = work.pad_value * weights.sum(axis=3)
    if op.fill is not None:
        outside += within - op.fill.value.data * weights.sum(axis=3)
    rows, columns = work.window.rows, work.window.columns
    table = np.zeros((rows.classes, columns.classes, work.groups, work.outputs), np.int64)
    for y in range(rows.classes):
        for x in range(columns.classes):
            (top, bottom), (left, right) = rows.class_taps(y), columns.class_taps(x)
            mask = np.zeros(weights.shape[:2], bool)
            mask[top:bottom, left:right] = True
            table[y, x] = within[mask].sum(0) + outside[~mask].sum(0)
    return table.reshape(rows.classes, columns.classes, -1)
