"""BatchNormalization, Relu, Clip, Add, Sub, Mul and Div, in f32 and in the order of the file."""

from __future__ import annotations

import numpy as np
from xdsl.ir import Operation

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_qcdq import clip_integers
from lowbit_dialect.importers.onnx_tensor import Quantised, Tensor, Value
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import AddOp, BatchNormOp, ClipOp, DivOp, MulOp


def batch_norm(b: Builder, node: Node) -> Tensor:
    """BatchNormalization in inference form, along axis 1."""
    if node.integer("training_mode", 0) or node.integer("spatial", 1) != 1:
        raise node.fail("is in training form: export the model for inference")
    x = b.to_float(node, b.tensor(node))
    if len(x.shape) < 2:
        raise node.fail(f"takes rank 2 or more, not {list(x.shape)}")
    names = ("gamma", "beta", "mean", "variance")
    tables = [b.vector(node, index, x.shape[1]) for index in range(1, 5)]
    epsilon = node.number("epsilon", 1e-5)
    if np.any(tables[3] + np.float32(epsilon) <= 0):
        raise node.fail("a variance plus epsilon is not positive")
    rows = [
        b.row(node, x, t, node.inputs[i + 1] or n) for i, (t, n) in enumerate(zip(tables, names))
    ]
    axis = rows[0][1]
    op = BatchNormOp(x.value, *(row for row, _ in rows), epsilon=epsilon, axis=axis)
    return x.holding(b.emit(node, op))


def relu(b: Builder, node: Node) -> Tensor:
    """Relu."""
    x = b.to_float(node, b.tensor(node))
    return x.holding(b.emit(node, ClipOp(x.value, 0.0)))


def clip(b: Builder, node: Node) -> Value:
    """Clip, bounds as inputs or as attributes; on integers that of a QCDQ."""
    source = b.operand(node, 0)
    if isinstance(source, Quantised) or (
        isinstance(source, Constant) and source.bounds is not None
    ):
        if isinstance(source, Constant) and source.scale is not None:
            raise node.fail("clips known quantised values: fold it away first")
        return clip_integers(b, node, source)
    x = b.to_float(node, b.tensor(node))
    limits: list[float | None] = []
    for index, name, none in ((1, "min", -np.inf), (2, "max", np.inf)):
        value = node.attributes.get(name, none)
        if node.has(index):
            values = b.reals(node, index, finite=False)
            if values.size != 1:
                raise node.fail(f"its {name} is one number")
            value = float(values.ravel()[0])
        if not isinstance(value, float) or np.isnan(value):
            raise node.fail(f"its {name} is one number")
        limits.append(None if value == none else value)
    return x.holding(b.emit(node, ClipOp(x.value, *limits)))


def table(node: Node, x: Tensor, constant: Array) -> tuple[Array, int]:
    """A known operand as one number or a row along one ONNX axis of `x`."""
    rank = len(x.shape)
    if constant.ndim > rank:
        raise node.fail(f"a constant of shape {list(constant.shape)} would widen {list(x.shape)}")
    shape = (1,) * (rank - constant.ndim) + constant.shape
    varying = [axis for axis, extent in enumerate(shape) if extent != 1]
    if len(varying) > 1 or any(shape[axis] != x.shape[axis] for axis in varying):
        raise node.fail(
            f"a constant of shape {list(constant.shape)} against {list(x.shape)}: "
            "one number, or a row along one axis, is taken"
        )
    return constant.ravel(), varying[0] if varying else 1


def with_row(b: Builder, node: Node, x: Tensor, constant: Array, kind: type[Operation]) -> Tensor:
    """An elementwise op between `x` and a known row."""
    x = b.to_float(node, x)
    values, axis = table(node, x, constant)
    row, at = b.row(node, x, values, f"{node.outputs[0]}_row", axis)
    make: type[AddOp | MulOp | DivOp] = kind  # pyright: ignore[reportAssignmentType]
    return x.holding(b.emit(node, make(x.value, row, axis=at)))


def split(b: Builder, node: Node) -> tuple[Tensor, Array] | None:
    """The computed and the known operand of a commutative node; None if both are computed."""
    for index in (0, 1):
        if isinstance(b.operand(node, 1 - index), Constant):
            return b.tensor(node, index), b.reals(node, 1 - index)
    return None


def add(b: Builder, node: Node) -> Value:
    """Sum of two tensors of one shape, or with a known row."""
    if (folded := fold(b, node, np.add)) is not None:
        return folded
    if (pair := split(b, node)) is not None:
        return with_row(b, node, *pair, AddOp)
    x, y = b.tensor(node, 0), b.tensor(node, 1)
    return add_tensors(b, node, x, y)


def add_tensors(b: Builder, node: Node, x: Tensor, y: Tensor) -> Tensor:
    """Codes of one scale add as integers, everything else in f32."""
    if x.shape != y.shape:
        raise node.fail(f"adds {list(x.shape)} and {list(y.shape)}: the shapes differ")
    same = x.is_codes and y.is_codes and np.array_equal(x.scale, y.scale) and x.axis == y.axis  # pyright: ignore[reportArgumentType]
    if not same:
        x, y = b.to_float(node, x), b.to_float(node, y)
    if x.flattened or y.flattened:
        x, y = b.row_major(node, x), b.row_major(node, y)
    else:
        y = b.arranged(node, y, x.axes)
    value = b.emit(node, AddOp(x.value, y.value))
    if not same:
        return x.holding(value)
    return x.holding(value, scale=x.scale, axis=x.axis, zero=x.zero + y.zero)


def subtract(b: Builder, node: Node) -> Value:
    """`x - y` as `x + (-y)`, which is the same in f32."""
    if (folded := fold(b, node, np.subtract)) is not None:
        return folded
    minus = np.array(-1, np.float32)
    if isinstance(b.operand(node, 1), Constant):
        return with_row(b, node, b.tensor(node, 0), -b.reals(node, 1), AddOp)
    negative = with_row(b, node, b.tensor(node, 1), minus, MulOp)
    if isinstance(b.operand(node, 0), Constant):
        return with_row(b, node, negative, b.reals(node, 0), AddOp)
    return add_tensors(b, node, b.tensor(node, 0), negative)


def multiply(b: Builder, node: Node) -> Value:
    """Product with a known row."""
    if (folded := fold(b, node, np.multiply)) is not None:
        return folded
    if (pair := split(b, node)) is None:
        raise node.fail("multiplies two computed tensors: one factor is a constant")
    return with_row(b, node, *pair, MulOp)


def divide(b: Builder, node: Node) -> Value:
    """Quotient by a known row."""
    if (folded := fold(b, node, np.divide)) is not None:
        return folded
    if isinstance(b.operand(node, 0), Constant):
        raise node.fail("divides by a computed tensor: the divisor is a constant")
    return with_row(b, node, b.tensor(node), b.reals(node, 1), DivOp)


def fold(b: Builder, node: Node, function: np.ufunc) -> Constant | None:
    """The result if both operands are known."""
    if not all(isinstance(b.operand(node, index), Constant) for index in (0, 1)):
        return None
    left, right = b.reals(node, 0), b.reals(node, 1)
    if left.size != 1 and right.size != 1 and left.shape != right.shape:
        raise node.fail("two constants of different shapes: fold this node away first")
    with np.errstate(all="ignore"):
        return Constant(np.asarray(function(left, right)))


OPS = {
    "BatchNormalization": batch_norm,
    "Relu": relu,
    "Clip": clip,
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
}
