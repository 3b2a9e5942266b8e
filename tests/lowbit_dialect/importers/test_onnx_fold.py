"""Known nodes against onnxruntime: what they give, what stays integers, and what is refused unrun."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_oracle import check, expected, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_file import read_model
from lowbit_dialect.importers.onnx_graph import execute
from lowbit_dialect.importers.onnx_model import Constant

F, L = np.float32, np.int64
A = F([[1, 2, -3], [4, -5, 6]])


def known(op: str, *inputs: str, **attributes: object):
    """A node whose inputs are constants, to `k`."""
    return helper.make_node(op, list(inputs), ["k"], "known", **attributes)


VALUES = {
    "a": A,
    "b": F([2, 0.5, 4]),
    "one": F(1),
    "two": F(2),
    "shape": L([2, 3]),
    "axes": L([0]),
    "ends": L([2]),
    "index": L([2, 0, 1]),
    "flags": A > 0,
    "wide": A.astype(np.float64),
    "half": A.astype(np.float16),
    "byte": A.astype(np.int8),
}


@pytest.mark.parametrize(
    "node",
    [
        known("Pow", "two", "b"),
        known("Sqrt", "b"),
        known("ConstantOfShape", "shape", value=numpy_helper.from_array(F([3]))),
        known("Add", "a", "b"),
        known("Expand", "b", "shape"),
        known("Where", "flags", "a", "b"),
        known("Gather", "a", "index", axis=1),
        known("Slice", "a", "axes", "ends", "axes"),
        known("ReduceMax", "a", "axes"),
        known("MatMul", "a", "a_t"),
        known("Concat", "a", "a", axis=0),
        known("Cast", "wide", to=TensorProto.FLOAT),
        known("Cast", "half", to=TensorProto.FLOAT),
        known("Cast", "byte", to=TensorProto.FLOAT),
        known("Cast", "flags", to=TensorProto.FLOAT),
        known("Clip", "a", "one", "two"),
        known("Unsqueeze", "b", "axes"),
        known("Relu", "a"),
    ],
    ids=lambda node: node.op_type,
)
def test_known_nodes(node):
    nodes = [node, helper.make_node("ReduceSum", ["k"], ["s"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["x", "s"], ["y"]))
    proto = model(nodes, (2, 3), VALUES | {"a_t": A.T.copy()})
    assert op_names(check(proto, integers(1, 2, 3))) == ["mul"]


def test_a_subgraph_of_constants_and_shapes():
    """What PyTorch writes for `x.view(x.size(0), -1)`, and for a scale of 2 ** -3."""
    nodes = [
        helper.make_node("Constant", [], ["three"], value_float=-3.0),
        helper.make_node("Constant", [], ["first"], value_int=0),
        helper.make_node("Pow", ["two", "three"], ["scale"]),
        helper.make_node("Shape", ["x"], ["extents"]),
        helper.make_node("Gather", ["extents", "first"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["r"]),
        quant("r", "y"),
    ]
    constants = {"two": 2.0, "zero": 0.0, "bits": 4.0, "axes": L([0]), "rest": L([-1])}
    module = check(model(nodes, (2, 3, 2, 2), constants), integers(2, 2, 3, 2, 2) / 8)
    assert op_names(module) == ["reshape", "quantize", "requantize"]


MOVES = [
    (known("Reshape", "q", "to"), L([3, 2, 4]), False),
    (known("Reshape", "q", "to"), L([2, 3, 2, 2]), True),
    (known("Transpose", "q", perm=[1, 0, 2]), None, True),
    (known("Flatten", "q", axis=2), None, True),
    (known("Unsqueeze", "q", "to"), L([0]), True),
    (known("Slice", "q", "from", "to", "axis"), L([2]), True),
    (known("Gather", "q", "to", axis=1), L([2, 2, 0]), True),
]


@pytest.mark.parametrize("opset", [7, 9, 12])
@pytest.mark.parametrize(
    "node",
    [
        known("Squeeze", "c", axes=[0]),
        known("Unsqueeze", "c", axes=[2, 0]),
        known("ReduceSum", "c", axes=[1], keepdims=0),
        known("Softmax", "c"),
        known("LogSoftmax", "c", axis=0),
        known("BatchNormalization", "c", "s", "s", "s", "s"),
    ],
    ids=lambda node: node.op_type,
)
def test_known_nodes_as_their_opset_has_them(node, opset):
    constants = {"c": A.reshape(1, 2, 3, 1), "s": F([1, 4])}
    proto = model([node, helper.make_node("Mul", ["x", "k"], ["y"])], (1,), constants, opset=opset)
    proto.ir_version = 8
    check(proto, F([1]), 1e-6)


def test_a_known_clip_and_pad_by_attributes():
    nodes = [helper.make_node("Clip", ["a"], ["c"], min=-2.0, max=3.0)]
    nodes.append(known("Pad", "c", pads=[0, 1, 1, 0], value=1.5))
    nodes.append(helper.make_node("Mul", ["x", "k"], ["y"]))
    check(model(nodes, (1,), {"a": A}, opset=9), F([2]))


@pytest.mark.parametrize("node,to,by_axis", MOVES, ids=lambda value: None)
def test_moved_integers_stay_integers(node, to, by_axis):
    scale = F([1, 2, 4]).reshape(1, 3, 1)
    constants = {"zero": 0.0, "bits": 4.0, "w": integers(3, 2, 3, 4) * scale, "scale": scale}
    constants |= {"from": L([1]), "axis": L([1])} | ({} if to is None else {"to": to})
    read = read_model(model([quant("w", "q"), node], (1,), constants))
    builder = Builder(read.constants, read.opset)
    for one in read.nodes:
        execute(builder, one)
    moved = builder.values["k"]
    assert (
        isinstance(moved, Constant) and moved.values.dtype.kind == "i" and moved.bounds == (-8, 7)
    )
    assert moved.scale is not None and moved.scale.ndim == moved.values.ndim
    assert (sum(extent > 1 for extent in moved.scale.shape) < 2) == by_axis
    plain = [node, helper.make_node("Mul", ["x", "k"], ["y"])]
    proto = model(plain, moved.shape, constants | {"q": constants["w"]})
    np.testing.assert_array_equal(moved.real, expected(proto, np.ones(moved.shape, F)))


def huge(op: str, *inputs: str, **attributes: object):
    return helper.make_node(op, list(inputs), ["k"], "n", **attributes)


HOSTILE = [
    (huge("ConstantOfShape", "huge"), "may ask for"),
    (huge("Expand", "one", "huge"), "may ask for"),
    (huge("Tile", "a", "huge"), "may ask for"),
    (huge("Range", "zero", "far", "one"), "cannot be computed"),
    (huge("Range", "zero", "nan", "one"), "cannot be computed|do not tell"),
    (huge("Range", "one", "far", "zero"), "cannot be computed|do not tell"),
    (huge("Pad", "a", "pads"), "may ask for"),
    (huge("OneHot", "index", "depth", "ends"), "may ask for"),
    (huge("Tile", "one1", "huge_none"), "may ask for"),
    (huge("Add", "tall", "flat"), "may ask for"),
    (huge("MatMul", "tall", "flat"), "may ask for"),
    (huge("ConstantOfShape", "negative"), "cannot be computed"),
    (huge("Reshape", "a", "negative"), "cannot be computed"),
    (huge("Gather", "a", "far_index"), "cannot be computed"),
    (huge("Cast", "a", to=TensorProto.STRING), "do not tell"),
    (huge("Cast", "a", to=77), "cannot be computed"),
    (huge("Unsqueeze", "a", "many"), "rank up to 6"),
]


@pytest.mark.parametrize("node,message", HOSTILE, ids=lambda value: None)
def test_hostile_nodes_are_refused_before_they_run(node, message):
    constants = {
        "a": A,
        "huge": L([2**20, 2**20]),
        "negative": L([-2, -3]),
        "zero": F(0),
        "one": F(1),
        "far": F(1e30),
        "nan": F("nan"),
        "pads": L([0, 0, 2**40, 1]),
        "index": L([1]),
        "depth": L(2**40),
        "ends": F([0, 1]),
        "one1": np.ones((1, 1), F),
        "huge_none": L([2**30, 0]),
        "tall": np.ones((3000, 1), F),
        "flat": np.ones((1, 3000), F),
        "far_index": L([2**40]),
        "many": L([0, 1, 2, 3, 4]),
    }
    proto = model([node, helper.make_node("Relu", ["x"], ["y"])], (1, 3), constants, opset=19)
    imported(model([helper.make_node("Relu", ["x"], ["y"])], (1, 3)))  # what is loaded once
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ImportFailed, match=f"^{node.op_type} 'n': .*({message})"):
            imported(proto)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 5


def test_types_that_nothing_reads_or_dropout_does():
    constants = {"unused": A.astype(np.float64), "flag": np.array(False), "ratio": F(0.5)}
    constants |= {"half": A.astype(np.float16), "wide": A.astype(np.uint64)}
    nodes = [
        helper.make_node("Dropout", ["x", "ratio", "flag"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    check(model(nodes, (2, 3), constants), A)
    with pytest.raises(ImportFailed, match="Add 'n': input 'unused' is not float32"):
        imported(model([helper.make_node("Add", ["x", "unused"], ["y"], "n")], (2, 3), constants))


def test_a_zero_point_and_a_bit_width_of_int64():
    proto = model([quant("x", "y")], (2, 3), {"scale": 1.0, "zero": L(0), "bits": L(4)})
    real = model([quant("x", "y")], (2, 3), {"scale": 1.0, "zero": 0.0, "bits": 4.0})
    assert str(imported(proto)) == str(imported(real))
    for domain in ("onnx.brevitas", "finn.custom_op.general"):
        proto.graph.node[0].domain = domain
        assert str(imported(proto)) == str(imported(real))
