"""Functions of one tensor against onnxruntime, and before a quantiser against qonnx."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed

SHAPE = (2, 3, 4, 5)
SLOPES = {"slope": np.array([0.25, -0.5, 1.5], np.float32).reshape(3, 1, 1)}
WITH_ATTRIBUTES = [
    ("Abs", {}),
    ("Elu", {}),
    ("Elu", {"alpha": 0.3}),
    ("Erf", {}),
    ("Exp", {}),
    ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}),
    ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 0.1, "beta": 0.25}),
    ("HardSwish", {}),
    ("LeakyRelu", {}),
    ("LeakyRelu", {"alpha": 0.3}),
    ("Log", {}),
    ("Mish", {}),
    ("Neg", {}),
    ("PRelu", {}),
    ("Reciprocal", {}),
    ("Selu", {}),
    ("Selu", {"alpha": 1.5, "gamma": 2.0}),
    ("Sigmoid", {}),
    ("Sign", {}),
    ("Softplus", {}),
    ("Sqrt", {}),
    ("Tanh", {}),
]


def node(op: str, y: str = "y", **attributes: object):
    """A node of `x`, which a PRelu has slopes beside."""
    inputs = ["x", "slope"] if op == "PRelu" else ["x"]
    return helper.make_node(op, inputs, [y], "n", **attributes)


def data(op: str):
    """Numbers of every size that networks have, positive where only they are in the domain."""
    x = np.random.default_rng(0).uniform(-9, 9, SHAPE).astype(np.float32)
    return np.abs(x) if op in ("Log", "Sqrt") else x


@pytest.mark.parametrize("op,attributes", WITH_ATTRIBUTES, ids=str)
def test_in_f32(op, attributes):
    """Within 4 ulps of a result, or of 1: onnxruntime's sigmoid, tanh and erf are off by that."""
    proto = model([node(op, **attributes)], SHAPE, SLOPES, opset=22)
    check(proto, data(op), tolerance=5e-7)


@pytest.mark.parametrize("op,attributes", WITH_ATTRIBUTES, ids=str)
def test_before_a_quantiser(op, attributes):
    """The same codes: none of these numbers lies within an ulp of a tie."""
    constants = {"scale": 0.11, "zero": 0.0, "bits": 4.0, **SLOPES}
    nodes = [node(op, "f", **attributes), quant("f", "y")]
    check(model(nodes, SHAPE, constants), data(op), tolerance=1e-6)


def test_functions_of_codes_start_from_their_numbers():
    constants = {"scale": 0.5, "zero": 0.0, "bits": 4.0}
    proto = model([quant("x", "q"), helper.make_node("Tanh", ["q"], ["y"])], SHAPE, constants)
    module = check(proto, integers(1, *SHAPE), tolerance=1e-6)
    assert op_names(module) == ["quantize", "requantize", "apply"]


def test_sign_gives_ternary_codes():
    x = np.array([[-2, -0.0, 0, 1e-40, 3]], np.float32)
    module = check(model([node("Sign")], (1, 5)), x)
    assert op_names(module) == ["apply", "quantize", "requantize"]
    assert "!lowbit.ternary" in str(module)


def test_sign_of_codes_with_one_axis():
    constants = {"scale": 0.5, "zero": 0.0, "bits": 4.0}
    nodes = [quant("x", "q"), helper.make_node("Sign", ["q"], ["y"])]
    check(model(nodes, (5,), constants), integers(1, 5))


def test_sign_of_codes_compares_them():
    """Larq's sign, `Sign(Sign(x) + 0.1)`, is bipolar."""
    nodes = [
        node("Sign", "s"),
        helper.make_node("Add", ["s", "tenth"], ["t"]),
        helper.make_node("Sign", ["t"], ["y"]),
    ]
    x = np.array([[-2, -0.0, 0, 1e-40, 3]], np.float32)
    module = check(model(nodes, (1, 5), {"tenth": 0.1}), x)
    assert op_names(module) == ["apply", "quantize", "add", "threshold", "requantize"]
    assert "!lowbit.odd<1>" in str(module)


def test_sign_of_sums():
    """A convolution's integers are compared; with a bias that none cancels they are never 0."""
    w = np.sign(integers(2, 4, 3, 1, 1) + 0.5)
    for bias in (None, 0.3):
        nodes = [
            node("Sign", "s"),
            quant("w", "wq", bits="one"),
            helper.make_node("Conv", ["s", "wq", *(["b"] if bias else [])], ["c"]),
            helper.make_node("Sign", ["c"], ["y"]),
        ]
        constants = {"w": w, "one": 1.0, "scale": 1.0, "zero": 0.0, "b": np.full(4, 0.3, "f4")}
        module = check(model(nodes, SHAPE, constants), integers(3, *SHAPE))
        assert op_names(module).count("threshold") == 1
        assert ("-> tensor<2x4x5x4x!lowbit.odd<1>>" in str(module)) == bool(bias)


@pytest.mark.parametrize("kind", ["as tf2onnx folds Larq's", "in the file", "Bi-Real's", "ternary"])
def test_weights_of_binary_networks_need_no_quantiser(kind):
    """Signs times a number for each output are multiplied as bits."""
    random = np.random.default_rng(4)
    w = np.sign(random.standard_normal((4, 3, 3, 3))).astype(np.float32)
    nodes = [
        node("Sign", "s"),
        helper.make_node("Add", ["s", "tenth"], ["t"]),
        helper.make_node("Sign", ["t"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    constants, tolerance = {"tenth": 0.1, "w": w}, 0.0
    if kind.endswith("Larq's"):
        constants |= {"v": constants.pop("w") * 0.3}
        folded = [("Sign", ["v"], "u"), ("Add", ["u", "tenth"], "a"), ("Sign", ["a"], "w")]
        nodes = [*(helper.make_node(op, i, [o]) for op, i, o in folded), *nodes]
    elif kind != "in the file":
        size = random.random((4, 1, 1, 1)).astype(np.float32)
        constants["w"], tolerance = (
            w * size * (1 if kind == "Bi-Real's" else np.abs(w + 0.2) < 1),
            1e-6,
        )
    x = random.standard_normal(SHAPE).astype(np.float32)
    module = check(model(nodes, SHAPE, constants), x, tolerance)
    code = "ternary" if kind == "ternary" else "odd<1>"
    assert f"x!lowbit.odd<1>>, tensor<3x3x3x4x!lowbit.{code}> -> " in str(module)


@pytest.mark.parametrize(
    "made,message",
    [
        (node("Gelu", approximate="sine"), "approximate is none or tanh"),
        (node("Elu", alpha=float("inf")), "attribute 'alpha' is inf, not a finite number"),
        (helper.make_node("PRelu", ["x", "x"], ["y"], "n"), "'x' is not a constant"),
        (helper.make_node("PRelu", ["x", "whole"], ["y"], "n"), "does not run along one axis"),
    ],
)
def test_refusals(made, message):
    constants = {"whole": np.ones(SHAPE, np.float32)}
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'n': .*{message}"):
        imported(model([made], SHAPE, constants))
