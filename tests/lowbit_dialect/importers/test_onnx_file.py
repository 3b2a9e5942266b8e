"""Hostile, broken and foreign files: one sentence each, no crash, no allocation worth the name."""

from __future__ import annotations

import builtins
import os
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_mutants import attempt, mutants, network
from onnx_oracle import imported, model, quant

from lowbit_dialect.importers import ImportFailed, import_onnx

RELU = helper.make_node("Relu", ["x"], ["y"], "relu")


VALID = network().SerializeToString()


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255), st.integers(0, 2)),
        max_size=4,
    ),
    end=st.integers(0, len(VALID)),
    truncate=st.booleans(),
)
@example(edits=[], end=0, truncate=True)
def test_mutated_files(edits, end, truncate):
    data = bytearray(VALID)
    for at, byte, kind in edits:
        data[at : at + kind] = bytes([byte]) * (1 + (kind == 0))
    attempt(bytes(data[:end] if truncate else data))


def test_mutants():
    assert sum(map(attempt, mutants(300))) > 30


@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.binary(max_size=200))
def test_any_bytes(data):
    attempt(data)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    node=st.integers(0, 9),
    attribute=st.sampled_from(["pads", "strides", "kernel_shape", "group", "axis", "epsilon"]),
    values=st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
        st.floats(width=32),
        st.text(max_size=3),
    ),
)
def test_any_attribute(node, attribute, values):
    proto = network()
    made = helper.make_attribute(attribute, values, attr_type=None if values != [] else 7)
    proto.graph.node[node].attribute.append(made)
    attempt(proto.SerializeToString())


def edited(edit) -> onnx.ModelProto:
    """A model of one Relu, edited."""
    proto = model([RELU], (1, 3))
    edit(proto)
    return proto


def tensor(dims: list[int], kind: int = TensorProto.FLOAT, raw: bytes = b"") -> TensorProto:
    """A tensor with any dims and bytes."""
    return TensorProto(name="w", dims=dims, data_type=kind, raw_data=raw)


def external(proto: onnx.ModelProto) -> None:
    held = proto.graph.initializer.add(name="w", dims=[3], data_type=TensorProto.FLOAT)
    held.data_location = TensorProto.EXTERNAL
    held.external_data.add(key="location", value="../../etc/passwd")


def cycle(proto: onnx.ModelProto) -> None:
    proto.graph.node.insert(0, helper.make_node("Add", ["x", "y"], ["z"], "loop"))


def dynamic(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def large(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**40


def node_of(op: str, domain: str = "", **attributes: object):
    """An edit that makes the only node another one."""

    def edit(proto: onnx.ModelProto) -> None:
        made = helper.make_node(op, ["x"], ["y"], "n", domain=domain, **attributes)
        proto.graph.node[0].CopyFrom(made)

    return edit


def initializer(held: TensorProto):
    """An edit that adds an initializer."""
    return lambda proto: proto.graph.initializer.append(held)


HOSTILE = [
    (external, "initializer 'w' keeps its data in the file '../../etc/passwd': give the path"),
    (cycle, "Add 'loop': reads 'y', which is no input"),
    (
        dynamic,
        "a dynamic extent 'batch' on axis 0: give batch=1 or shapes={'x': .N, 3.}, or --shape x=Nx3",
    ),
    (large, "input 'x' has more than 268435456 elements"),
    (lambda p: p.graph.ClearField("node"), "no graph with nodes"),
    (lambda p: p.graph.ClearField("output"), "no graph with nodes"),
    (lambda p: p.graph.ClearField("input"), "Relu 'relu': reads 'x'"),
    (lambda p: p.graph.input[0].type.Clear(), "not a tensor of float32"),
    (lambda p: p.graph.input[0].type.tensor_type.ClearField("shape"), "has no shape"),
    (lambda p: p.graph.input.append(p.graph.input[0]), "two inputs are called 'x'"),
    (
        lambda p: p.graph.node.append(p.graph.node[0]),
        "its output has no name, or one that is taken",
    ),
    (lambda p: p.graph.node.extend([RELU] * 10_000), "has 10001 nodes; the limit is 10000"),
    (lambda p: [p.graph.input.add(name=str(i)) for i in range(5000)], "more than 4096 inputs"),
    (lambda p: [p.graph.output.add(name=str(i)) for i in range(5000)], "more than 4096 outputs"),
    (lambda p: p.graph.output.append(p.graph.output[0]), "two outputs have one name"),
    (lambda p: p.graph.input.add(name=""), "an input has no name"),
    (lambda p: p.graph.output.add(name="nothing"), "output 'nothing': reads 'nothing'"),
    (lambda p: p.opset_import[0].__setattr__("version", 5), "opset 5: convert it to 7 or later"),
    (lambda p: p.functions.add(name="f"), "has functions: inline"),
    (lambda p: p.graph.sparse_initializer.add(), "has sparse initializers"),
    (node_of("Gemini"), "Gemini 'n': is not imported from domain ''$"),
    (node_of("Relu", "com.acme"), "Relu 'n': is not imported from domain 'com.acme', but from ''$"),
    (node_of("Quant"), "Quant 'n': is not imported from domain '', but from 'qonnx"),
    (node_of("Flaten"), "did you mean Flatten?"),
    (node_of("Mine", "com.acme"), "domains are those of ONNX and 'ai.onnx', 'qonnx.custom"),
    (node_of("Relu", junk=list(range(5000))), "attribute 'junk', is longer than 4096"),
    (node_of("Relu", junk="a" * 5000), "attribute 'junk', is longer than 4096"),
    (
        node_of("If", then_branch=helper.make_graph([], "g", [], [])),
        "'then_branch', is a graph: control flow is not imported",
    ),
    (initializer(tensor([2**40, 2**40])), "initializer 'w' has more than 268435456 elements"),
    (initializer(tensor([-1])), "initializer 'w' has a negative extent"),
    (initializer(tensor([1] * 7)), "initializer 'w' has rank 7"),
    (initializer(tensor([3], raw=b"1234")), "initializer 'w' holds 4 bytes where .* asks for 12"),
    (initializer(tensor([1000000])), "initializer 'w' holds 0 bytes where .* asks for 4000000"),
    (initializer(tensor([1], TensorProto.STRING)), "initializer 'w' is of type STRING"),
    (initializer(tensor([1], 99)), "initializer 'w' is of type 99"),
    (initializer(TensorProto(dims=[2], data_type=1, float_data=[1.0])), "1 values where .* 2"),
]


@pytest.mark.parametrize("edit,message", HOSTILE, ids=lambda value: None)
def test_hostile_models(edit, message):
    data = edited(edit).SerializeToString()
    tracemalloc.start()
    try:
        with pytest.raises(ImportFailed, match=message):
            import_onnx(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


def test_a_constant_used_often_is_counted():
    nodes = [helper.make_node("Add", ["w", "w"], [f"w{i}"], f"a{i}") for i in range(300)]
    proto = model([*nodes, RELU], (1, 3), {"w": np.zeros(1 << 20, np.float32)})
    with pytest.raises(
        ImportFailed, match="Add 'a6': brings the elements computed ahead to more than"
    ):
        imported(proto)


def test_a_small_file_asks_for_little():
    """What is known is quantised, or becomes a constant of the program, as often as there are nodes."""
    made = helper.make_node("ConstantOfShape", ["s"], ["k"])
    constants = {"s": np.array([1, 1 << 21]), "scale": 1.0, "zero": 0.0, "bits": 8.0}
    quants = [quant("k", f"k{i}") for i in range(100)]
    adds = [helper.make_node("Add", ["x", "k"], [f"k{i}"], f"a{i}") for i in range(100)]
    for nodes, what in ((quants, "Quant 'k7': .*constants known"), (adds, "Add 'a8': .* emitted")):
        tracemalloc.start()
        try:
            with pytest.raises(ImportFailed, match=f"{what} to more than 167772"):
                imported(model([made, *nodes, RELU], (1, 1 << 21), constants))
            assert tracemalloc.get_traced_memory()[1] < 1 << 28
        finally:
            tracemalloc.stop()


def test_windows_are_bounded():
    for pads, message in ((2**30, "at most 32768"), (2**14, "more than 268435456 elements")):
        made = helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[pads] * 4)
        with pytest.raises(ImportFailed, match=message):
            imported(model([made], (1, 1, 4, 4), {"w": np.ones((1, 1, 1, 1), np.float32)}))


def test_a_tall_image_is_verified_at_once():
    made = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 1], pads=[1, 0, 1, 0])
    imported(model([made], (1, 1, 2**28 - 1, 1)))


def test_fields_are_counted_before_parsing():
    empty_nodes = b"\x0a\x00" * 600_000
    size = len(empty_nodes)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    with pytest.raises(ImportFailed, match="more than 500000 fields"):
        import_onnx(b"\x3a" + length + empty_nodes)


def test_deep_nesting_is_refused():
    data = b""
    for _ in range(20):
        inner = b"\x32" + bytes([len(data)]) + data  # attribute.g
        inner = b"\x2a" + bytes([len(inner)]) + inner  # node.attribute
        data = b"\x0a" + bytes([len(inner)]) + inner  # graph.node
    with pytest.raises(ImportFailed, match="nests messages deeper than 12"):
        import_onnx(b"\x3a" + bytes([len(data)]) + data)


def test_names_that_are_not_utf8():
    data = VALID.replace(b"conv", b"c\xff\xfev")
    with pytest.raises(ImportFailed, match="a name that is not UTF-8"):
        import_onnx(data)


def test_paths(tmp_path):
    good = tmp_path / "net.onnx"
    good.write_bytes(VALID)
    assert str(import_onnx(good)) == str(import_onnx(str(good))) == str(import_onnx(VALID))
    with pytest.raises(ImportFailed, match="is no file"):
        import_onnx(tmp_path / "missing.onnx")
    with pytest.raises(ImportFailed, match="is no file"):
        import_onnx(tmp_path)
    with pytest.raises(ImportFailed, match="is no file"):
        import_onnx("/dev/zero")
    with pytest.raises(ImportFailed, match=r"is no file|null byte"):
        import_onnx("a\0b")
    os.truncate(good, 300)
    with pytest.raises(ImportFailed, match="truncated"):
        import_onnx(good)


def test_without_onnx_one_sentence_names_the_extra(monkeypatch):
    load = builtins.__import__

    def refuse(name: str, *rest: object):
        if name == "onnx":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportFailed, match=r"lowbit\[onnx\]"):
        import_onnx(VALID)
