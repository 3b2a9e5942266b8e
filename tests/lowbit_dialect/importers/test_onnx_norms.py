"""Softmax and normalisations against onnxruntime: within 4 ulps of the largest number of a row, or of 1."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, imported, model, op_names

from lowbit_dialect import reference
from lowbit_dialect.importers import ImportFailed

SHAPE = (2, 6, 4, 5)
NEAR = 5e-7


def node(op: str, *inputs: str, **attributes: object):
    """A node of `x` and `inputs`."""
    return helper.make_node(op, ["x", *inputs], ["y"], "n", **attributes)


def numbers(*shape: int):
    """Numbers of a unit normal distribution."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("attributes", [{}, {"axis": 1}, {"axis": -2}, {"axis": 0}], ids=str)
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax(op, attributes, opset):
    if opset == 11 and attributes.get("axis") == 0:
        attributes = {"axis": 3}
    check(model([node(op, **attributes)], SHAPE, opset=opset), 3 * numbers(*SHAPE), 4 * NEAR)


def test_softmax_of_large_numbers():
    x = np.array([[1e4, 1e4, -1e4], [-3e38, 3e38, 0], [-np.inf, 0, 1]], np.float32)
    check(model([node("Softmax")], x.shape), x, NEAR)


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_layer_norm(axis, bias):
    shape = SHAPE[axis:]
    constants = {"g": numbers(*shape) + 1, "c": numbers(*shape)}
    made = node("LayerNormalization", "g", *(["c"] if bias else []), axis=axis, epsilon=1e-3)
    x = 3 * numbers(*SHAPE)
    # onnxruntime subtracts the square of the mean from the mean square, which f32 does worse than this.
    module = check(model([made], SHAPE, constants), x, 20 * NEAR)
    wide = x.astype(np.float64)
    axes = tuple(range(axis % 4, 4))
    mean, variance = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
    want = (wide - mean) / np.sqrt(variance + 1e-3) * constants["g"] + constants["c"] * bias
    np.testing.assert_allclose(reference.run(module, x)[0], want, 2 * NEAR, 2 * NEAR)


def test_rms_norm():
    """As exporters write it, and as one node, whose every step is the same."""
    nodes = [
        helper.make_node("Pow", ["x", "two"], ["s"]),
        helper.make_node("ReduceMean", ["s", "last"], ["m"]),
        helper.make_node("Add", ["m", "e"], ["a"]),
        helper.make_node("Sqrt", ["a"], ["r"]),
        helper.make_node("Div", ["x", "r"], ["d"]),
        helper.make_node("Mul", ["d", "g"], ["y"]),
    ]
    constants = {"two": 2.0, "last": np.array([-1]), "e": 1e-5, "g": numbers(5)}
    module = check(model(nodes, SHAPE, constants), numbers(*SHAPE), NEAR)
    one = imported(model([node("RMSNormalization", "g")], SHAPE, {"g": numbers(5)}, opset=23))
    assert op_names(one) == op_names(module)
    nodes[4] = helper.make_node("Reciprocal", ["r"], ["q"])
    nodes.insert(5, helper.make_node("Mul", ["x", "q"], ["d"]))
    check(model(nodes, SHAPE, constants), numbers(*SHAPE), NEAR)


def test_instance_norm():
    constants = {"g": numbers(6), "c": numbers(6)[::-1].copy()}
    proto = model([node("InstanceNormalization", "g", "c")], SHAPE, constants)
    check(proto, 3 * numbers(*SHAPE), 2 * NEAR)


@pytest.mark.parametrize("opset", [18, 21])
def test_group_norm(opset):
    size = 6 if opset == 21 else 3
    constants = {"g": numbers(size), "c": numbers(size)[::-1].copy()}
    made = node("GroupNormalization", "g", "c", num_groups=3)
    check(model([made], SHAPE, constants, opset=opset), numbers(*SHAPE), 2 * NEAR)


def test_attention():
    """Softmax of products, of which each step is an op."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        helper.make_node("Mul", ["x", "t"], ["p"]),
        helper.make_node("Softmax", ["p"], ["y"]),
    ]
    module = check(model(nodes, (4, 4)), numbers(4, 4), NEAR)
    wanted = ["transpose", "mul", "reduce", "apply", "repeat", "add", "apply", "reduce", "repeat"]
    assert op_names(module) == [*wanted, "div"]


@pytest.mark.parametrize(
    "made,message",
    [
        (node("Softmax", axis=7), "axis 7 is not one of 4"),
        (node("InstanceNormalization", "g", "g"), r"input 1 of shape \[5\] is not \[6, 1, 1\]"),
        (node("GroupNormalization", "g", "g", num_groups=4), "has 4 groups"),
        (node("LayerNormalization", "g", axis=1), r"input 1 of shape \[5\] is not \[6, 4, 5\]"),
        (
            helper.make_node("LayerNormalization", ["x", "g"], ["y", "mean"], "n"),
            "outputs beside the first are for training",
        ),
    ],
)
def test_refusals(made, message):
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'n': .*{message}"):
        imported(model([made], SHAPE, {"g": numbers(5)}))
