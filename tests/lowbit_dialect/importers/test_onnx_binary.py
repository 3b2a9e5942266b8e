"""Add, Sub, Mul, Div, Pow, Max and Min of tensors that broadcast, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, imported, integers, model, op_names

from lowbit_dialect.importers import ImportFailed

SHAPES = [(3, 1, 1), (2, 3, 1, 1), (1, 3, 4, 5), (5,), (2, 1, 4, 1), (1,), (3, 4, 5), (2, 3, 4, 5)]


def node(op: str, *inputs: str):
    """A node from `inputs` to `y`."""
    return helper.make_node(op, list(inputs), ["y"], "n")


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("stored", ["as given", "nhwc"])
def test_known_operands(op, shape, swapped, stored):
    nodes = [helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1])]
    x = "p" if stored == "nhwc" else "x"
    nodes = [*(nodes if stored == "nhwc" else []), node(op, *(("c", x) if swapped else (x, "c")))]
    check(model(nodes, (2, 3, 4, 5), {"c": np.exp2(integers(1, *shape))}), integers(2, 2, 3, 4, 5))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("swapped", [False, True])
def test_squeeze_and_excite(op, swapped):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        node(op, *(("g", "x") if swapped else ("x", "g"))),
    ]
    module = check(model(nodes, (2, 3, 4, 4)), integers(3, 2, 3, 4, 4), tolerance=1e-6)
    # What is repeated is moved before, while it is small.
    names = op_names(module)
    assert "repeat" in names and "transpose" not in names[names.index("repeat") :]


def test_both_operands_spread_and_widen():
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("Reshape", ["x", "columns"], ["c"]),
        node("Mul", "r", "c"),
    ]
    shapes = {"rows": np.array([2, 6, 1]), "columns": np.array([1, 12])}
    check(model(nodes, (3, 4), shapes), integers(4, 3, 4))


@pytest.mark.parametrize("exponent", [-1.0, -0.5, 0.5, 1.0, 2.0, 3.0])
def test_pow(exponent):
    proto = model([node("Pow", "x", "e")], (2, 3), {"e": exponent})
    check(proto, integers(5, 2, 3, low=1, high=9) / 2, tolerance=2e-7)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_max_and_min_with_a_number(op):
    check(model([node(op, "x", "c")], (2, 3), {"c": 1.0}), integers(6, 2, 3))
    check(model([node(op, "c", "x")], (2, 3), {"c": [-1.0]}), integers(6, 2, 3))
    check(model([node(op, "x")], (2, 3)), integers(6, 2, 3))


@pytest.mark.parametrize("op", ["Max", "Min", "Pow"])
def test_a_number_with_more_axes_than_the_tensor(op):
    check(model([node(op, "x", "c")], (2, 3), {"c": [[[2.0]]]}), integers(6, 2, 3))


def test_one_over_x_and_x_over_itself():
    x = integers(7, 2, 3, low=1, high=7)
    module = check(model([node("Div", "c", "x")], (2, 3), {"c": 1.0}), x)
    assert op_names(module) == ["apply"]
    check(model([node("Div", "x", "x")], (2, 3)), x)


def test_what_spreads_too_far():
    turned = helper.make_node("Transpose", ["x"], ["t"])
    proto = model([turned, node("Mul", "x", "t")], (1, 20000))
    with pytest.raises(ImportFailed, match="more than 268435456 elements"):
        imported(proto)
