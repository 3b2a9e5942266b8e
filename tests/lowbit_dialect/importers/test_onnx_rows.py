"""Reductions, ArgMax, ArgMin and TopK along any axes, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, expected, imported, integers, model, op_names, quant

from lowbit_dialect import reference
from lowbit_dialect.importers import ImportFailed

SHAPE = (2, 3, 4, 5)


def node(op: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes: object):
    """A node of `x` and `inputs`."""
    return helper.make_node(op, ["x", *inputs], list(outputs), "n", **attributes)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [(3,), (0,), (1,), (-3, -1), (1, 2), (2, 3), (0, 1, 2, 3), ()])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(op, axes, keepdims):
    """Of integers, whose sums are exact in any order."""
    named = {"axes": np.array(axes, np.int64)} if axes else {}
    made = node(op, *named, keepdims=keepdims)
    x = integers(0, *SHAPE, low=-9, high=9)
    if not keepdims and len(axes) in (0, 4):
        with pytest.raises(ImportFailed, match=f"{op} 'n': leaves no axis: set keepdims to 1"):
            imported(model([made], SHAPE, named))
        return
    check(model([made], SHAPE, named), x, tolerance=0 if op != "ReduceMean" else 2e-7)


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceL2", "ReduceSumSquare"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_norms(op, keepdims):
    made = node(op, "axes", keepdims=keepdims)
    proto = model([made], SHAPE, {"axes": np.array([1, -1])})
    check(proto, integers(6, *SHAPE), tolerance=2e-7 if op == "ReduceL2" else 0)


def test_axes_as_an_attribute_and_none_at_all():
    x = integers(1, *SHAPE)
    check(model([node("ReduceSum", axes=[1, 2])], SHAPE, opset=11), x)
    check(model([node("ReduceMax", axes=[-1], keepdims=0)], SHAPE, opset=11), x)
    made = model([node("ReduceSum", noop_with_empty_axes=1)], SHAPE)
    assert op_names(check(made, x)) == []


@pytest.mark.parametrize("stored", ["nhwc", "flattened", "codes"])
def test_wherever_x_lies(stored):
    nodes = [helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1])]
    axis = 1
    if stored == "flattened":
        nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
    if stored == "codes":
        nodes.append(quant("p", "f"))
    nodes.append(helper.make_node("ReduceSum", [nodes[-1].output[0], "axis"], ["y"], "n"))
    constants = {"axis": np.array([axis]), "scale": 0.5, "zero": 0.0, "bits": 4.0}
    check(model(nodes, SHAPE, constants), integers(2, *SHAPE))


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("axis", [0, 1, 3, -1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_places(op, axis, keepdims):
    """The first of equals, as the int64 of onnxruntime."""
    proto = model([node(op, axis=axis, keepdims=keepdims)], SHAPE)
    proto.graph.output[0].type.tensor_type.elem_type = 7
    x = integers(3, *SHAPE)
    (got,) = reference.run(imported(proto), x)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, expected(proto, x))


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k(axis, largest):
    made = node("TopK", "k", outputs=("v", "i"), axis=axis, largest=largest)
    nodes = [made, helper.make_node("Cast", ["i"], ["y"], to=1)]
    proto = model(nodes, SHAPE, {"k": np.array([3])}, outputs=("y", "v"))
    x = integers(4, *SHAPE)
    places, numbers = reference.run(imported(proto), x)
    np.testing.assert_array_equal(places, expected(proto, x))
    taken = np.take_along_axis(x, places.astype(int), axis)
    np.testing.assert_array_equal(numbers, taken)


@pytest.mark.parametrize(
    "made,message",
    [
        (node("ReduceSum", "far"), r"axes \[4\] are not different ones of 4"),
        (node("ArgMax", select_last_index=1), "select_last_index is 0"),
        (node("ArgMax", axis=4), "axis 4 is not one of 4"),
        (node("TopK", "k", outputs=("y", "i")), "k is 1 to 5, not 9"),
        (node("TopK", "two", outputs=("y", "i")), "takes one number k"),
        (node("TopK", outputs=("y", "i")), "k is 1 to 5, not 0"),
    ],
)
def test_refusals(made, message):
    constants = {"far": np.array([4]), "k": np.array([9]), "two": np.array([1, 2])}
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'n': {message}"):
        imported(model([made], SHAPE, constants))
