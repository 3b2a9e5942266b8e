"""BatchNormalization, Relu, Clip, Add, Sub, Mul and Div against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import QONNX, check, imported, integers, model, op_names, quant

from lowbit_dialect import reference
from lowbit_dialect.importers import ImportFailed

BN = ["gamma", "beta", "mean", "variance"]
ROWS = {name: integers(i, 3, low=1, high=4) for i, name in enumerate(BN)}


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5), (2, 3, 4)])
def test_batch_norm(shape):
    proto = model([helper.make_node("BatchNormalization", ["x", *BN], ["y"])], shape, ROWS)
    module = check(proto, integers(5, *shape), tolerance=1e-6)
    assert op_names(module) == ["batch_norm"]


def node(op: str, *inputs: str, **attributes: object):
    """A node from `inputs` to `y`."""
    return helper.make_node(op, list(inputs), ["y"], "n", **attributes)


@pytest.mark.parametrize(
    "made",
    [
        node("Relu", "x"),
        node("Clip", "x", "low", "high"),
        node("Clip", "x", "", "high"),
        node("Clip", "x", "low"),
        node("Clip", "x", "least"),
        node("Add", "x", "channels"),
        node("Add", "width", "x"),
        node("Sub", "x", "channels"),
        node("Sub", "channels", "x"),
        node("Sub", "low", "x"),
        node("Mul", "x", "channels"),
        node("Mul", "high", "x"),
        node("Div", "x", "channels"),
        node("Add", "x", "x"),
        node("Sub", "x", "x"),
    ],
    ids=lambda made: f"{made.op_type} {' '.join(made.input)}",
)
@pytest.mark.parametrize("stored", ["as given", "nhwc", "flattened"])
def test_elementwise(made, stored):
    constants = {"low": -1.0, "high": 2.0, "least": float("-inf"), "width": [1, 2, 3, 4, 5]}
    constants["channels"] = np.array([1, 2, 4], np.float32).reshape(1, 3, 1, 1)
    shape, nodes, made = (2, 3, 4, 5), [], type(made).FromString(made.SerializeToString())
    if stored != "as given":
        nodes = [helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1])]
        made.input[:] = ["p" if name == "x" else name for name in made.input]
    if stored == "flattened":
        nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
        made.input[:] = ["f" if name == "p" else name for name in made.input]
        constants["channels"] = constants["width"] = np.exp2(integers(6, 60))
    check(model([*nodes, made], shape, constants), integers(7, *shape))


def test_clip_by_attributes():
    proto = model([node("Clip", "x", min=-1.0, max=1.5)], (2, 3), opset=10)
    check(proto, integers(8, 2, 3))


def test_codes_of_one_scale_add_as_integers():
    constants = {"scale": 0.3, "other": 0.5, "zero": 1.0, "bits": 4.0}
    nodes = [quant("x", "a"), quant("x", "b", rounding_mode="FLOOR"), node("Add", "a", "b")]
    proto = model(nodes, (1, 2, 3, 4), constants)
    module = check(proto, integers(9, 1, 2, 3, 4), tolerance=1e-6)
    assert op_names(module)[-2:] == ["add", "requantize"]
    nodes[1] = quant("x", "b", "other")
    module = check(model(nodes, (1, 2, 3, 4), constants), integers(9, 1, 2, 3, 4), tolerance=1e-6)
    assert op_names(module).count("requantize") == 2 and op_names(module)[-1] == "add"


def test_what_is_known_folds():
    nodes = [
        helper.make_node("Mul", ["a", "b"], ["c"]),
        helper.make_node("Sub", ["c", "b"], ["d"]),
        helper.make_node("Div", ["d", "a"], ["e"]),
        helper.make_node("Add", ["e", "e"], ["f"]),
        node("Add", "x", "f"),
    ]
    module = check(model(nodes, (1, 3), {"a": 4.0, "b": [1, 2, 3]}), integers(10, 1, 3))
    assert op_names(module) == ["add"]


@pytest.mark.parametrize(
    "made,message",
    [
        (node("BatchNormalization", "x", *BN, training_mode=1), "in training form"),
        (node("BatchNormalization", "x", "beta", "two", "mean", "mean"), r"shape \[2\], not \[3\]"),
        (node("BatchNormalization", "x", "beta", "beta", "beta", "negative"), "not positive"),
        (node("Add", "x", "two"), "the shapes differ"),
        (node("Pow", "x", "beta"), "exponent is one of the constants"),
        (node("Pow", "x", "x"), "exponent is one of the constants"),
        (node("Max", "x", "x"), "takes a computed tensor and one known number"),
        (node("Clip", "x", "two"), "its min is one number"),
        (node("Clip", "x", "nan"), "not finite"),
        (node("Add", "x", "ints"), "'ints' is not float32"),
        (node("Add", "x"), "input 1 is missing"),
        (node("Add", "beta", "two"), "cannot be computed ahead: 'Incompatible dimensions'"),
        (helper.make_node("Quant", ["x"], ["y"], "n", domain=QONNX), "input 1 is missing"),
    ],
)
def test_refusals(made, message):
    constants = {"two": [1, 2], "negative": [-1, 1, 1]}
    constants |= {"nan": float("nan"), "ints": np.ones(3, int)}
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'n': .*{message}"):
        imported(model([made], (2, 3), ROWS | constants))


def test_nan_passes_relu_and_clip_and_gives_the_smallest_code():
    x = np.array([[np.nan, -np.inf, -0.0, 3.0, np.inf]], np.float32)
    constants = {"low": -1.0, "high": 2.0, "scale": 0.5, "zero": np.asarray(3, np.uint8)}
    check(model([node("Clip", "x", "low", "high")], x.shape, constants), x)
    check(model([node("Relu", "x")], x.shape), x)
    quantise = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"])
    proto = model([quantise, node("DequantizeLinear", "q", "scale", "zero")], x.shape, constants)
    assert reference.run(imported(proto), x)[0].tolist() == [[-1.5, -1.5, 0, 3, 126]]
