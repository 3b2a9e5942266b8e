"""BatchNormalization, Relu and Clip, in f32."""

from __future__ import annotations

import numpy as np

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_qcdq import clip_integers
from lowbit_dialect.importers.onnx_tensor import Quantised, Tensor, Value
from lowbit_dialect.ops.elementwise import BatchNormOp, ClipOp


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


OPS = {
    "BatchNormalization": batch_norm,
    "Relu": relu,
    "Clip": clip,
}
