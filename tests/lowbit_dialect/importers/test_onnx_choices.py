"""Comparisons, Not and Where against onnxruntime, at every float that is special."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import QONNX, check, imported, model, op_names, quant

from lowbit_dialect.importers import ImportFailed

COMPARISONS = ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"]
X = np.array(
    [[0, 1e-45, 0.5, np.nextafter(np.float32(0.5), 1), 1, 3e38, np.inf, np.nan]], np.float32
)
X = np.concatenate([X, -X], axis=1)


def node(op: str, *inputs: str, y: str = "y", **attributes: object):
    """A node, `n` if its output is that of the model."""
    return helper.make_node(op, list(inputs), [y], "n" if y == "y" else y, **attributes)


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("number", [0.0, -0.0, 0.5, 1e-45, -3e38])
@pytest.mark.parametrize("swapped", [False, True])
def test_comparisons(op, number, swapped):
    inputs = ("c", "x") if swapped else ("x", "c")
    nodes = [node(op, *inputs, y="b"), node("Cast", "b", to=1)]
    check(model(nodes, X.shape, {"c": number}), X)
    nodes.insert(1, node("Not", "b", y="o"))
    nodes[2].input[0] = "o"
    check(model(nodes, X.shape, {"c": number}), X)


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("yes,no", [(1.0, -1.0), (-1.0, 1.0), (0.0, 1.0), (3.0, 0.5), (-2.0, 4.0)])
def test_where(op, yes, no):
    nodes = [node(op, "x", "c", y="b"), node("Where", "b", "yes", "no")]
    module = check(model(nodes, X.shape, {"c": 0.5, "yes": yes, "no": no}), X)
    assert "!lowbit.odd<1>" in str(module)


@pytest.mark.parametrize("yes,no", [([[[1.0]]], [-1.0]), (0.0, [[[1.0]]])])
def test_numbers_with_more_axes_than_the_condition(yes, no):
    nodes = [node("Less", "x", "c", y="b"), node("Where", "b", "yes", "no")]
    check(model(nodes, X.shape, {"c": 0.5, "yes": yes, "no": no}), X)


def test_a_binary_network():
    """As PyTorch writes the sign of one: its codes are multiplied as bits."""
    w = np.sign(np.random.default_rng(0).standard_normal((4, 3, 3, 3))).astype(np.float32)
    nodes = [
        node("GreaterOrEqual", "x", "c", y="b"),
        node("Where", "b", "yes", "no", y="s"),
        helper.make_node("BipolarQuant", ["w", "one"], ["wq"], domain=QONNX),
        node("Conv", "s", "wq", y="y"),
    ]
    x = np.random.default_rng(1).standard_normal((1, 3, 6, 6)).astype(np.float32)
    constants = {"c": 0.0, "yes": 1.0, "no": -1.0, "w": w, "one": 1.0}
    module = imported(model(nodes, x.shape, constants))
    assert op_names(module) == ["add", "quantize", "transpose", "conv2d", "requantize", "transpose"]
    assert "x!lowbit.odd<1>>, tensor<3x3x3x4x!lowbit.odd<1>> -> tensor<1x4x4x4xi32>" in str(module)


def test_a_larger_shape_of_the_number():
    row = np.array([0, 1, 0.5, 2, 3, 4, 5, 6] * 2, np.float32)
    nodes = [node("Less", "x", "row", y="b"), node("Cast", "b", to=1)]
    check(model(nodes, X.shape, {"row": row}), X)


def test_of_codes():
    nodes = [quant("x", "q"), node("Greater", "q", "c", y="b"), node("Cast", "b", to=1)]
    constants = {"c": 0.5, "scale": 0.5, "zero": 0.0, "bits": 4.0}
    check(model(nodes, X.shape, constants), np.nan_to_num(X))


@pytest.mark.parametrize(
    "made,message",
    [
        ([node("Less", "x", "x")], "Less 'n': compares two computed tensors"),
        ([node("Not", "x")], "Not 'n': its condition is the result of a comparison"),
        ([node("Where", "x", "c", "c")], "Where 'n': its condition is the result of a comparison"),
        (
            [node("Less", "x", "c", y="b"), node("Where", "b", "x", "c")],
            "Where 'n': chooses between two constant numbers",
        ),
        (
            [node("Less", "x", "c", y="b"), node("Where", "b", "c", "far")],
            "Where 'n': its numbers .* are not a mean plus and minus a number",
        ),
    ],
)
def test_refusals(made, message):
    with pytest.raises(ImportFailed, match=message):
        imported(model(made, X.shape, {"c": 0.1, "far": 1e30}))
