"""Reshape, Flatten, Transpose, Pad, Identity and Constant against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_oracle import check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed

POOL = helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1])


def node(op: str, *inputs: str, **attributes: object):
    """A node from `inputs` to `y`."""
    return helper.make_node(op, list(inputs), ["y"], "n", **attributes)


@pytest.mark.parametrize("stored", ["x", "p"])
@pytest.mark.parametrize(
    "shape", [[2, -1], [0, 60], [2, 3, 20], [6, 20], [0, 0, 5, 4], [120], [-1, 3, 4, 5], [1, 120]]
)
def test_reshape(shape, stored):
    proto = model([POOL, node("Reshape", stored, "s")], (2, 3, 4, 5), {"s": np.array(shape)})
    check(proto, integers(1, 2, 3, 4, 5))


@pytest.mark.parametrize("axis", [0, 1, 2, 4, -1])
def test_flatten(axis):
    check(model([POOL, node("Flatten", "p", axis=axis)], (2, 3, 4, 5)), integers(2, 2, 3, 4, 5))


def test_unflatten():
    nodes = [POOL, helper.make_node("Flatten", ["p"], ["f"]), node("Reshape", "f", "s")]
    check(model(nodes, (2, 3, 4, 5), {"s": np.array([2, 3, 4, 5])}), integers(3, 2, 3, 4, 5))


@pytest.mark.parametrize("order", [[0, 2, 3, 1], [0, 1, 3, 2], [3, 2, 1, 0], None])
def test_transpose_is_a_change_of_names(order):
    attributes = {} if order is None else {"perm": order}
    nodes = [POOL, node("Transpose", "p", **attributes)]
    module = check(model(nodes, (2, 3, 4, 5)), integers(4, 2, 3, 4, 5))
    assert op_names(module).count("transpose") == (1 if order == [0, 2, 3, 1] else 2)


def test_transpose_carries_scales_along():
    scale = np.array([1, 2, 4], np.float32).reshape(1, 3, 1, 1)
    nodes = [quant("x", "q", "scale"), node("Transpose", "q", perm=[1, 3, 0, 2])]
    proto = model(nodes, (2, 3, 4, 5), {"scale": scale, "zero": 0.0, "bits": 4.0})
    check(proto, integers(5, 2, 3, 4, 5))


def test_transposed_and_reshaped_weights_keep_their_scales():
    constants = {"one": 1.0, "zero": 0.0, "bits": 4.0, "w": integers(6, 5, 2, 3)}
    constants["scale"] = np.array([1, 2, 3, 4, 5], np.float32).reshape(5, 1, 1)
    nodes = [
        quant("x", "q", "one"),
        quant("w", "a"),
        helper.make_node("Reshape", ["a", "s"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"]),
        node("MatMul", "q", "c"),
    ]
    check(model(nodes, (4, 6), constants | {"s": np.array([5, 6])}), integers(7, 4, 6))


def test_pad_before_conv_is_its_padding():
    pads = np.array([0, 0, 1, 2, 0, 0, 0, 1])
    constants = {"pads": pads, "w": integers(8, 2, 3, 3, 3), "none": 0.0}
    nodes = [
        helper.make_node("Pad", ["x", "pads", "none"], ["p"]),
        node("Conv", "p", "w", pads=[1, 0, 1, 0]),
    ]
    module = check(model(nodes, (1, 3, 4, 5), constants), integers(9, 1, 3, 4, 5))
    assert "padding = array<i64: 2, 2, 1, 1>" in str(module)


def test_pad_before_quant_and_conv():
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "w": integers(10, 2, 3, 3, 3)}
    constants |= {"scale": 1.0, "zero": 3.0, "wzero": 0.0, "bits": 4.0}
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        quant("p", "q"),
        quant("w", "wq", zero="wzero"),
        node("Conv", "q", "wq"),
    ]
    check(model(nodes, (1, 3, 4, 5), constants), integers(11, 1, 3, 4, 5))


def test_pad_of_each_opset():
    """The value and the pads are attributes up to opset 10; from 18 on there are axes."""
    w = {"w": integers(8, 2, 3, 3, 3)}
    conv, pads = node("Conv", "p", "w"), [0, 0, 1, 2, 0, 0, 0, 1]
    old = helper.make_node("Pad", ["x"], ["p"], pads=pads, value=0.0)
    x = integers(9, 1, 3, 4, 5)
    text = str(check(model([old, conv], (1, 3, 4, 5), w, opset=10), x))
    assert "padding = array<i64: 1, 2, 0, 1>" in text
    axes = helper.make_node("Pad", ["x", "some", "", "axes"], ["p"])
    w |= {"some": np.array([2, 1, 1, 0]), "axes": np.array([-1, 2])}
    assert str(check(model([axes, conv], (1, 3, 4, 5), w), x)) == text


@pytest.mark.parametrize("pads", [[0, 0, 1, 0, 0, 0, 0, 3], [0, 0, 0, 0, 0, 0, 1, 1]])
@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_auto_pad_is_of_the_padded_image(pads, auto, stride):
    nodes = [
        helper.make_node("Pad", ["x", "a"], ["half"]),
        helper.make_node("Pad", ["half", "pads"], ["p"]),
        node("Conv", "p", "w", auto_pad=auto, strides=[stride, stride]),
    ]
    constants = {"a": np.array([0, 0, 0, 1, 0, 0, 0, 0]), "pads": np.array(pads)}
    constants["w"] = integers(10, 1, 1, 3, 3)
    check(model(nodes, (1, 1, 5, 5), constants, opset=13), integers(11, 1, 1, 5, 5))


@pytest.mark.parametrize("axes", [[1], [-4, 0], None])
def test_squeeze_and_unsqueeze(axes):
    nodes = [
        quant("x", "q"),
        helper.make_node("Unsqueeze", ["q", "new"], ["u"]),
        node("Squeeze", "u", *([] if axes is None else ["axes"])),
    ]
    constants = {"new": np.array([0, -4]), "zero": 0.0, "bits": 4.0, "axes": np.array(axes or [])}
    constants["scale"] = np.array([1, 2, 4], np.float32).reshape(3, 1, 1)
    module = check(model(nodes, (3, 4, 5), constants), integers(12, 3, 4, 5, low=-20, high=20))
    assert op_names(module)[:1] + op_names(module)[-1:] == ["quantize", "requantize"]


@pytest.mark.parametrize(
    "op,opset,attributes", [("Squeeze", 11, {"axes": [0, 2]}), ("Unsqueeze", 11, {"axes": [3, 0]})]
)
def test_axes_as_an_attribute(op, opset, attributes):
    check(model([node(op, "x", **attributes)], (1, 3, 1), opset=opset), integers(13, 1, 3, 1))


@pytest.mark.parametrize("attributes", [{}, {"start": 1}, {"start": -3, "end": -1}, {"end": 9}])
def test_shape_and_size(attributes):
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], **attributes),
        helper.make_node("Size", ["x"], ["n"]),
        helper.make_node("Cast", ["s"], ["f"], to=1),
        helper.make_node("Cast", ["n"], ["g"], to=1),
        helper.make_node("ReduceSum", ["f"], ["h"], keepdims=0),
        helper.make_node("Mul", ["g", "h"], ["k"]),
        node("Mul", "x", "k"),
    ]
    check(model(nodes, (2, 3, 4)), integers(14, 2, 3, 4))


def test_constants_and_identities():
    value = numpy_helper.from_array(np.array([1, 2, 3], np.float32))
    nodes = [
        helper.make_node("Constant", [], ["a"], value=value),
        helper.make_node("Constant", [], ["b"], value_float=2.0),
        helper.make_node("Constant", [], ["s"], value_ints=[3, 1]),
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Dropout", ["i"], ["d"]),
        helper.make_node("Add", ["d", "a"], ["c"]),
        helper.make_node("Mul", ["c", "b"], ["m"]),
        node("Reshape", "m", "s"),
    ]
    check(model(nodes, (1, 3)), integers(12, 1, 3))


@pytest.mark.parametrize(
    "made,message",
    [
        (node("Reshape", "x", "wrong"), "does not hold the elements"),
        (node("Reshape", "x", "zeros"), "copies an extent"),
        (node("Reshape", "x", "real"), "short list of known integers"),
        (node("Reshape", "x", "x"), "'x' is not a constant"),
        (node("Reshape", "x", "long"), "rank 8"),
        (node("Flatten", "x", axis=5), "axis 5 is not one of 4"),
        (node("Transpose", "x", perm=[0, 0, 1, 2]), "permutes no 4 axes"),
        (node("Transpose", "x", perm=[0, 1]), "list of 4 integers"),
        (node("Pad", "x", "real"), "short list"),
        (node("Pad", "x", "negative"), "not negative"),
        (
            node("Pad", "x", "sides", mode="mirror"),
            "mode is constant, reflect, edge, wrap, not mirror",
        ),
        (node("Pad", "x", "wrong"), "has 2 pads: one before and one after each of 4 axes"),
        (node("Squeeze", "x", "wrong"), r"axes \[2, 7\] are not different ones of 4"),
        (node("Squeeze", "x", "two"), r"axes \[2\] of \[2, 3, 4, 5\] are not all of extent 1"),
        (node("Unsqueeze", "x"), "its axes are missing"),
        (node("Unsqueeze", "x", "zeros"), "gives rank 12; up to 6"),
        (node("Dropout", "x", "", "yes"), "training form"),
        (node("Constant"), "holds no tensor"),
    ],
)
def test_refusals(made, message):
    lists = {
        "wrong": [2, 7],
        "zeros": [0] * 8,
        "long": [1] * 8,
        "sides": [0, 0, 1, 1] * 2,
        "two": [2],
    }
    constants = {name: np.array(value) for name, value in lists.items()}
    constants |= {
        "negative": np.array([0, 0, -1, 0, 0, 0, 0, 0]),
        "real": 1.0,
        "yes": np.array([1]),
    }
    if made.op_type == "Reshape" and made.input[1] == "long":
        constants["long"] = np.array([2, 3, 4, 5, 1, 1, 1, 1])
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'n': .*{message}"):
        imported(model([made], (2, 3, 4, 5), constants))


@pytest.mark.parametrize("after", [node("Relu", "p"), node("Identity", "p")])
def test_a_pad_before_anything(after):
    nodes = [helper.make_node("Pad", ["x", "pads"], ["p"], "pad"), after]
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    check(model(nodes, (1, 1, 4, 4), constants), integers(1, 1, 1, 4, 4))


def test_a_channel_shuffle_moves_channels_within_pixels():
    nodes = [
        quant("x", "q"),
        helper.make_node("MaxPool", ["q"], ["p"], kernel_shape=[1, 1]),
        helper.make_node("Reshape", ["p", "groups"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["t", "whole"], ["s"]),
        helper.make_node("MaxPool", ["s"], ["y"], kernel_shape=[2, 2]),
    ]
    constants = {"scale": 1.0, "zero": 0.0, "bits": 4.0, "whole": np.array([2, 6, 4, 5])}
    proto = model(nodes, (2, 6, 4, 5), constants | {"groups": np.array([2, 2, 3, 4, 5])})
    module = check(proto, integers(20, 2, 6, 4, 5))
    assert "permutation = [0, 1, 2, 4, 3]" in str(module)
    kept = ("quantize", "max_pool", "requantize", "transpose")
    names = [name for name in op_names(module) if name in kept]
    assert names == [
        *("quantize", "transpose", "max_pool", "transpose", "max_pool", "requantize", "transpose")
    ]


@pytest.mark.parametrize("perm", [[0, 3, 1, 2], [0, 2, 1, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("shape", [[2, 15, 4], [10, 4, 3], [1, 2, 1, 60], [6, 5, 2, 2], [8, 15]])
def test_reshapes_of_what_is_stored_otherwise(perm, shape):
    turned = helper.make_node("Transpose", ["p"], ["t"], perm=perm)
    nodes = [POOL, turned, node("Reshape", "t", "s")]
    check(model(nodes, (2, 3, 4, 5), {"s": np.array(shape)}), integers(21, 2, 3, 4, 5))
