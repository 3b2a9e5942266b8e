"""MatMul and Gemm: with a known matrix on either side, or of two computed tensors."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import TensorType, f32, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.importers.onnx_binary import with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_linear import contract
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_moves import cut, join
from lowbit_dialect.importers.onnx_shapes import to_shape
from lowbit_dialect.importers.onnx_tensor import Tensor
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import I32_MAX, value_range
from lowbit_dialect.ops.elementwise import AddOp, MulOp
from lowbit_dialect.ops.linear import DenseOp, LinearOp

MOST_PRODUCTS = 256
"""Matrices that a MatMul of more axes may be made of, each an op."""


def gemm(b: Builder, node: Node) -> Tensor:
    """`alpha A B + beta C` with a known C."""
    x = b.tensor(node)
    if len(x.shape) != 2:
        raise node.fail(f"takes rank 2, not {list(x.shape)}: flatten first")
    x = turned(b, node, x) if node.integer("transA", 0) else x
    alpha, beta = (np.float32(node.number(name, 1.0)) for name in ("alpha", "beta"))
    bias = b.reals(node, 2) * beta if node.has(2) else None
    across, w = bool(node.integer("transB", 0)), b.operand(node, 1)
    if isinstance(w, Constant):
        row = bias.reshape(-1) if bias is not None and is_row(bias) and alpha == 1 else None
        y = product(b, node, x, w, (1, 0) if across else (0, 1), row)
    else:
        other, row = b.tensor(node, 1), None
        y = matrices(b, node, x, turned(b, node, other) if across else other)
    if alpha != 1:
        y = with_known(b, node, y, np.reshape(alpha, 1), MulOp)
    return y if bias is None or row is not None else with_known(b, node, y, bias, AddOp)


def is_row(values: Array) -> bool:
    """Whether this is one row, or one number, for all rows."""
    return values.ndim <= 2 and values.size == (values.shape[-1] if values.ndim else 1)


def matmul(b: Builder, node: Node) -> Tensor:
    """Product along the last axis of one and the last but one of the other."""
    left, right = b.operand(node, 0), b.operand(node, 1)
    if any(len(one.shape) < 2 for one in (left, right) if isinstance(one, Tensor | Constant)):
        raise node.fail("takes two matrices or more axes: reshape a vector to a matrix")
    if isinstance(right, Constant) and right.values.ndim == 2:
        return rows_by(b, node, b.tensor(node), right)
    if isinstance(left, Constant) and left.values.ndim == 2:
        # (A x)^T = x^T A^T
        y = rows_by(b, node, turned(b, node, b.tensor(node, 1)), transposed(left))
        return turned(b, node, y)
    x, y = b.tensor(node, 0), b.tensor(node, 1)
    if len(x.shape) == len(y.shape) == 2:
        return matrices(b, node, x, y)
    return batches(b, node, x, y)


def rows_by(b: Builder, node: Node, x: Tensor, w: Constant) -> Tensor:
    """Every row of the last axis of `x` by a known matrix."""
    if len(x.shape) == 2:
        return product(b, node, x, w, (0, 1), None)
    *lead, depth = x.shape
    flat = to_shape(b, node, b.row_major(node, x), (prod(lead), depth))
    y = product(b, node, flat, w, (0, 1), None)
    return to_shape(b, node, y, (*lead, w.shape[1]))


def turned(b: Builder, node: Node, x: Tensor) -> Tensor:
    """`x` with its last two axes swapped: new names for the axes, no op."""
    x = b.row_major(node, x) if x.flattened else x
    last = len(x.shape) - 1
    order = [*range(last - 1), last, last - 1]
    shape = tuple(x.shape[axis] for axis in order)
    axes = tuple(order.index(axis) for axis in x.axes)
    axis = order.index(x.axis) if x.axis <= last else x.axis
    return replace(x, base=shape, shape=shape, axes=axes, axis=axis)


def transposed(w: Constant) -> Constant:
    """A known matrix turned round."""
    return Constant(w.values.T, w.bounds, None if w.scale is None else w.scale.T)


def product(
    b: Builder, node: Node, x: Tensor, w: Constant, axes: tuple[int, int], bias: Array | None
) -> Tensor:
    """`lowbit.dense` by known weights; their rows follow the columns of a flattened image."""
    if w.values.ndim != 2:
        raise node.fail(f"takes weights of rank 2, not {list(w.shape)}: flatten first")
    depth, outputs = (w.shape[axis] for axis in axes)
    if depth != x.shape[1] or outputs == 0:
        raise node.fail(f"an input {list(x.shape)} does not fit weights of {depth} rows")
    if bias is not None and bias.size not in (1, outputs):
        raise node.fail(f"C has {bias.size} columns, not {outputs}")
    if x.flattened:
        w = select(w, axes[0], x.columns)
    else:
        x = b.row_major(node, x)
    shape = (x.shape[0], outputs)

    def make(x: Tensor, weights: SSAValue, element: Attribute) -> LinearOp:
        return DenseOp(x.value, weights, TensorType(element, shape))

    if bias is not None:
        bias = np.broadcast_to(bias, (outputs,)).copy()
    return contract(b, node, x, w, axes, make, (shape, (0, 1)), bias)


def select(w: Constant, axis: int, order: Array) -> Constant:
    """`w` with the positions of one axis in another order."""
    scale = w.scale
    if scale is not None and scale.shape[axis] != 1:
        scale = np.take(scale, order, axis)
    return Constant(np.take(w.values, order, axis), w.bounds, scale)


def matrices(b: Builder, node: Node, x: Tensor, y: Tensor) -> Tensor:
    """The product of two computed matrices: of codes without a zero point the exact sum of codes."""
    if len(y.shape) != 2 or x.shape[1] != y.shape[0]:
        raise node.fail(f"cannot multiply {list(x.shape)} by {list(y.shape)}")
    scale = sum_scale(x, y)
    if scale is None:
        x, y = b.to_float(node, x), b.to_float(node, y)
    x, y = b.row_major(node, x), b.row_major(node, y)
    shape = (x.shape[0], y.shape[1])
    element = f32 if scale is None else i32
    value = b.emit(node, DenseOp(x.value, y.value, TensorType(element, shape)))
    return replace(Tensor.plain(value, shape), scale=scale)


def sum_scale(x: Tensor, y: Tensor) -> Array | None:
    """What a sum of products of codes is scaled by; None where it is not one number, or not of codes."""
    if not (x.is_codes and y.is_codes) or x.zero or y.zero or x.scale is None or y.scale is None:
        return None
    largest = prod(max(map(abs, value_range(one.element))) for one in (x, y))
    if x.scale.size > 1 or y.scale.size > 1 or x.shape[1] * largest > I32_MAX:
        return None
    return (x.scale.astype(np.float64) * y.scale.astype(np.float64)).astype(np.float32)


def batches(b: Builder, node: Node, x: Tensor, y: Tensor) -> Tensor:
    """Products of the matrices of two tensors, whose axes before are as many, or broadcast."""
    try:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise node.fail(f"cannot multiply {list(x.shape)} by {list(y.shape)}") from None
    if prod(lead) > MOST_PRODUCTS:
        raise node.fail(
            f"multiplies {prod(lead)} pairs of matrices: up to {MOST_PRODUCTS} are imported"
        )
    parts = [
        matrices(b, node, matrix(b, node, x, at), matrix(b, node, y, at)) for at in np.ndindex(lead)
    ]
    whole = join(b, node, parts, 0)
    return to_shape(b, node, whole, (*lead, *parts[0].shape))


def matrix(b: Builder, node: Node, x: Tensor, at: tuple[int, ...]) -> Tensor:
    """One matrix of a tensor; an axis of extent 1, or one that is not there, has the same for all."""
    lead = x.shape[:-2]
    places = [i if extent > 1 else 0 for i, extent in zip(at[len(at) - len(lead) :], lead)]
    part = cut(b, node, x, {axis: range(i, i + 1) for axis, i in enumerate(places)})
    return to_shape(b, node, part, x.shape[-2:])


OPS = {"Gemm": gemm, "MatMul": matmul}
