"""Add, Sub, Mul, Div, Pow, Max and Min: in f32 and in the order of the file, by broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import MAX_ELEMENTS, Constant, Node
from lowbit_dialect.importers.onnx_shapes import ranked
from lowbit_dialect.importers.onnx_tensor import Tensor, Value
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import AddOp, ApplyOp, ClipOp, DivOp, MulOp
from lowbit_dialect.ops.movement import RepeatOp

Kind = type[AddOp] | type[MulOp] | type[DivOp]


def table(node: Node, x: Tensor, constant: Array) -> tuple[Array, int] | None:
    """A known operand as one number or a row along one ONNX axis of `x`; None if it is neither."""
    rank = len(x.shape)
    shape = (1,) * (rank - constant.ndim) + constant.shape
    varying = [axis for axis, extent in enumerate(shape) if extent != 1]
    if len(shape) > rank or len(varying) > 1 or any(shape[a] != x.shape[a] for a in varying):
        return None
    return constant.ravel(), varying[0] if varying else 1


def with_known(b: Builder, node: Node, x: Tensor, constant: Array, kind: Kind) -> Tensor:
    """An op between `x` and a known operand: a row where that is one."""
    x = b.to_float(node, x)
    if (row := table(node, x, constant)) is None:
        return combine(b, node, x, known(b, node, constant), kind)
    values, at = b.row(node, x, row[0], f"{node.outputs[0]}_row", row[1])
    return x.holding(b.emit(node, kind(x.value, values, axis=at)))


def known(b: Builder, node: Node, values: Array) -> Tensor:
    """A known tensor as one that is computed."""
    values = values.reshape(values.shape or (1,))
    return Tensor.plain(b.known(node, values, f32, f"{node.outputs[0]}_known"), values.shape)


def combine(b: Builder, node: Node, x: Tensor, y: Tensor, kind: Kind) -> Tensor:
    """An op between two tensors in f32, repeated where they are one long."""
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise node.fail(f"takes {list(x.shape)} and {list(y.shape)}: the shapes differ") from None
    if prod(shape) > MAX_ELEMENTS:
        raise node.fail(f"gives {list(shape)}, more than {MAX_ELEMENTS} elements, the limit here")
    x, y = (b.to_float(node, one) for one in (x, y))
    if x.flattened or y.flattened:
        x, y = b.row_major(node, x), b.row_major(node, y)
    # The order of one that need not be repeated, so that the other is moved while it is small.
    order = next((one.axes for one in (x, y) if one.shape == shape), tuple(range(len(shape))))
    x, y = (spread(b, node, one, shape, order) for one in (x, y))
    return x.holding(b.emit(node, kind(x.value, y.value)))


def spread(
    b: Builder, node: Node, x: Tensor, shape: tuple[int, ...], order: tuple[int, ...]
) -> Tensor:
    """`x` repeated to `shape`, its ONNX axes stored in `order`."""
    x = b.arranged(node, ranked(b, node, x, len(shape)), order)
    if x.shape == shape:
        return x
    factors = [shape[axis] // x.shape[axis] for axis in order]
    value = b.emit(node, RepeatOp(x.value, factors), f"{x.value.name_hint or 'x'}_repeated")
    return Tensor(value, shape, order, shape)


def split(b: Builder, node: Node) -> tuple[Tensor, Array] | None:
    """The computed and the known operand of a commutative node; None if both are computed."""
    for index in (0, 1):
        if isinstance(b.operand(node, 1 - index), Constant):
            return b.tensor(node, index), b.reals(node, 1 - index)
    return None


def add(b: Builder, node: Node) -> Value:
    """Sum of two tensors, or with a known one."""
    if (pair := split(b, node)) is not None:
        x, constant = pair
        if x.is_codes and constant.size == 1 and constant.ndim <= len(x.shape):
            # They stay codes: a Sign after this compares those.
            return replace(x, bias=constant.reshape(1))
        return with_known(b, node, x, constant, AddOp)
    return add_tensors(b, node, b.tensor(node, 0), b.tensor(node, 1))


def add_tensors(b: Builder, node: Node, x: Tensor, y: Tensor) -> Tensor:
    """Codes of one scale add as integers, everything else in f32."""
    scales = (x.scale, y.scale)
    same = x.is_codes and y.is_codes and np.array_equal(*scales) and x.axis == y.axis  # pyright: ignore
    if not same or x.shape != y.shape:
        return combine(b, node, x, y, AddOp)
    if x.flattened or y.flattened:
        x, y = b.row_major(node, x), b.row_major(node, y)
    y = b.arranged(node, y, x.axes)
    value = b.emit(node, AddOp(x.value, y.value))
    return x.holding(value, scale=x.scale, axis=x.axis, zero=x.zero + y.zero)


def subtract(b: Builder, node: Node) -> Value:
    """`x - y` as `x + (-y)`, which is the same in f32."""
    if isinstance(b.operand(node, 1), Constant):
        return with_known(b, node, b.tensor(node, 0), -b.reals(node, 1), AddOp)
    y = b.to_float(node, b.tensor(node, 1))
    negative = y.holding(b.emit(node, ApplyOp("neg", y.value), "negative"))
    if isinstance(b.operand(node, 0), Constant):
        return with_known(b, node, negative, b.reals(node, 0), AddOp)
    return combine(b, node, b.tensor(node, 0), negative, AddOp)


def multiply(b: Builder, node: Node) -> Value:
    """Product of two tensors, or with a known one."""
    if (pair := split(b, node)) is not None:
        return with_known(b, node, *pair, MulOp)
    return combine(b, node, b.tensor(node, 0), b.tensor(node, 1), MulOp)


def divide(b: Builder, node: Node) -> Value:
    """Quotient of two tensors of which one may be known."""
    if isinstance(b.operand(node, 1), Constant):
        return with_known(b, node, b.tensor(node), b.reals(node, 1), DivOp)
    y = b.to_float(node, b.tensor(node, 1))
    if not isinstance(b.operand(node, 0), Constant):
        return combine(b, node, b.tensor(node, 0), y, DivOp)
    values = b.reals(node, 0)
    if values.size == 1 and values.ravel()[0] == 1 and values.ndim <= len(y.shape):
        return y.holding(b.emit(node, ApplyOp("reciprocal", y.value)))
    return combine(b, node, known(b, node, values), y, DivOp)


def power(b: Builder, node: Node) -> Value:
    """Pow by the numbers that exporters write."""
    exponent = b.reals(node, 1) if isinstance(b.operand(node, 1), Constant) else np.zeros(2)
    number = float(exponent.ravel()[0]) if exponent.size == 1 else 0.0
    x = ranked(b, node, b.to_float(node, b.tensor(node)), exponent.ndim)
    match number:
        case 1.0:
            return x
        case 2.0 | 3.0:
            square = b.emit(node, MulOp(x.value, x.value))
            cube = number == 3.0
            return x.holding(b.emit(node, MulOp(square, x.value)) if cube else square)
        case 0.5:
            return x.holding(b.emit(node, ApplyOp("sqrt", x.value)))
        case -1.0:
            return x.holding(b.emit(node, ApplyOp("reciprocal", x.value)))
        case -0.5:
            root = b.emit(node, ApplyOp("sqrt", x.value), "root")
            return x.holding(b.emit(node, ApplyOp("reciprocal", root)))
        case _:
            raise node.fail("its exponent is one of the constants -1, -0.5, 0.5, 1, 2 and 3")


def bound(low: bool) -> Callable[[Builder, Node], Value]:
    """Max or Min with a number."""

    def handler(b: Builder, node: Node) -> Value:
        if len(node.inputs) == 1:
            return b.tensor(node)
        if len(node.inputs) != 2 or (pair := split(b, node)) is None or pair[1].size != 1:
            raise node.fail("takes a computed tensor and one known number")
        x = ranked(b, node, b.to_float(node, pair[0]), pair[1].ndim)
        number = float(pair[1].ravel()[0])
        op = ClipOp(x.value, number) if low else ClipOp(x.value, None, number)
        return x.holding(b.emit(node, op))

    return handler


OPS = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Pow": power,
    "Max": bound(low=True),
    "Min": bound(low=False),
}
