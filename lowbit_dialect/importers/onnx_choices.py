"""Comparisons with numbers, Not, and Where between numbers: bipolar codes, which mean 0 and 1, or those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.importers.onnx_binary import subtract, with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_functions import SMALLEST
from lowbit_dialect.importers.onnx_model import Constant, Node
from lowbit_dialect.importers.onnx_shapes import ranked
from lowbit_dialect.importers.onnx_tensor import BIPOLAR, ONE, Tensor, Value
from lowbit_dialect.ops.elementwise import AddOp, QuantizeOp, RequantizeOp

HALF = ONE / np.float32(2)


def comparison(swapped: bool, strict: bool) -> Callable[[Builder, Node], Value]:
    """Whether `x - y`, or `y - x`, is not negative, or positive: f32 keeps the sign, and NaN is neither."""

    def handler(b: Builder, node: Node) -> Value:
        if not any(isinstance(b.operand(node, index), Constant) for index in (0, 1)):
            raise node.fail("compares two computed tensors: one side is a constant")
        pair = node.inputs[1::-1] if swapped else node.inputs
        rest = subtract(b, replace(node, inputs=pair))
        assert isinstance(rest, Tensor)
        if strict:
            rest = with_known(b, node, rest, np.array(-SMALLEST, np.float32), AddOp)
        return reached(b, node, rest)

    return handler


def reached(b: Builder, node: Node, x: Tensor) -> Tensor:
    """1 where `x` is not negative, else 0."""
    codes = QuantizeOp(x.value, b.known(node, ONE, f32, "one"), BIPOLAR)
    return x.holding(b.emit(node, codes), scale=HALF, bias=HALF)


def condition(b: Builder, node: Node) -> Tensor:
    """Input 0, the result of a comparison."""
    x = b.tensor(node)
    if x.element != BIPOLAR or x.bias is None or not np.array_equal(x.scale, x.bias):  # pyright: ignore
        raise node.fail("its condition is the result of a comparison with a number")
    return x


def opposite(b: Builder, node: Node) -> Tensor:
    """Not."""
    x = condition(b, node)
    minus = b.known(node, -ONE, f32, "minus")
    return reached(b, node, x.holding(b.emit(node, RequantizeOp(x.value, minus), "opposite")))


def where(b: Builder, node: Node) -> Value:
    """Where: the numbers are the codes times half their difference, plus their mean."""
    values = [b.operand(node, index) for index in (1, 2)]
    if any(not isinstance(one, Constant) or one.values.size != 1 for one in values):
        raise node.fail("chooses between two constant numbers; others are not imported")
    yes, no = (b.reals(node, index).reshape(1) for index in (1, 2))
    x = condition(b, node) if yes > no else opposite(b, node)
    high, low = max(yes, no), min(yes, no)
    scale, bias = (high - low) / np.float32(2), (high + low) / np.float32(2)
    if not (scale > 0 and scale + bias == high and bias - scale == low):
        raise node.fail(f"its numbers {yes[0]} and {no[0]} are not a mean plus and minus a number")
    x = replace(x, scale=scale, bias=bias if bias else None)
    return ranked(b, node, x, max(b.constant(node, index).values.ndim for index in (1, 2)))


OPS = {
    "Greater": comparison(swapped=False, strict=True),
    "GreaterOrEqual": comparison(swapped=False, strict=False),
    "Less": comparison(swapped=True, strict=True),
    "LessOrEqual": comparison(swapped=True, strict=False),
    "Not": opposite,
    "Where": where,
}
