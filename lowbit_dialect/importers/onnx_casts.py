"""Cast of computed tensors: between f32 and integers, which are codes of up to 8 bits or sums."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.codes import parse_code
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_tensor import ONE, Tensor, Value
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.elementwise import QuantizeOp

FLOAT, UINT8, INT8 = 1, 2, 3
INTEGERS = {UINT8: 8, INT8: 8, 4: 16, 5: 16, 6: 32, 7: 64, 12: 32, 13: 64}
"""Bits of an integer type by its number in ONNX."""
UNSIGNED = (UINT8, 4, 12, 13)


def cast(b: Builder, node: Node) -> Value:
    """Cast: integers as such mean themselves in f32; f32 is cut towards zero to 8-bit integers."""
    x = b.tensor(node)
    to = node.integer("to", 0)
    if to == FLOAT:
        return x.holding(x.value, scale=ONE) if x.is_integers else x
    if to not in INTEGERS:
        raise node.fail("casts to a type other than float32 and integers: leave it float32")
    low, high = (0, (1 << INTEGERS[to]) - 1)
    if to not in UNSIGNED:
        low, high = -(high + 1) // 2, high // 2
    if whole(x):
        first, last = value_range(x.element)
        if low <= first and last <= high:
            return x.holding(x.value)
    if x.is_integers or to not in (UINT8, INT8):
        raise node.fail("casts to integers that may not hold the values, or of more than 8 bits")
    x = b.to_float(node, x)
    one = b.known(node, ONE, f32, "one")
    code = parse_code("uint8" if to == UINT8 else "int8")
    return x.holding(b.emit(node, QuantizeOp(x.value, one, code, rounding="down")))


def whole(x: Tensor) -> bool:
    """Whether the stored integers are what the tensor means."""
    scaled = x.scale is not None and not (np.all(x.scale == 1) and x.bias is None and x.zero == 0)
    return x.element != f32 and not scaled


OPS = {"Cast": cast}
