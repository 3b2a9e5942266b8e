"""Whole networks, against qonnx's float execution; names, arguments and results of `@main`."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_oracle import block_of, check, imported, integers, model, op_names

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

from lowbit_dialect import reference
from lowbit_dialect.importers import ImportFailed, import_onnx
from lowbit_dialect.layout import Array
from lowbit_dialect.names import identifier
from lowbit_dialect.ops.elementwise import QuantizeOp

EXAMPLES = Path(__file__).parents[3] / "examples"
NETS = {
    "digits": ("digits_w2a2.onnx", "digits_1797.npz", 16, 100),
    "fashion": ("fashion_w2a2.onnx", "fashion_mnist_test2000.npz", 255, 50),
}
EPSILON = 1e-4
"""Distance from a threshold, in steps of the quantiser, within which f32 may decide either way."""


def load(name: str) -> tuple[onnx.ModelProto, Array]:
    """A network of the examples and its first images, f32 NCHW in 0..1."""
    net, data, white, count = NETS[name]
    with np.load(EXAMPLES / name / data, allow_pickle=False) as arrays:
        images = arrays["images"][:count, None].astype(np.float32) / np.float32(white)
    return onnx.load(EXAMPLES / name / net), images


def quantisers(net: ModelWrapper) -> list[onnx.NodeProto]:
    """The Quants of activations."""
    return [
        node
        for node in net.graph.node
        if node.op_type == "Quant" and net.get_initializer(node.input[0]) is None
    ]


@pytest.mark.parametrize("name", NETS)
def test_every_activation_is_that_of_qonnx(name):
    proto, images = load(name)
    block, net = block_of(imported(proto)), ModelWrapper(proto)
    ops, nodes = [op for op in block.ops if isinstance(op, QuantizeOp)], quantisers(net)
    assert len(ops) == len(nodes) == 4
    ties: list[tuple[int, str, tuple[int, ...], float]] = []
    for index, image in enumerate(images):
        values = {block.args[0]: image[None]}
        (logits,) = reference.evaluate(block.ops, values)
        seen = execute_onnx(net, {"input": image[None]}, return_full_exec_context=True)
        want = seen[net.graph.output[0].name]
        assert logits.argmax() == want.argmax()
        np.testing.assert_allclose(logits, want, rtol=1e-5, atol=1e-5)
        for op, node in zip(ops, nodes):
            scale = net.get_initializer(node.input[1])
            got, codes = values[op.results[0]], np.round(seen[node.output[0]] / scale)
            got = got if node is nodes[0] else got.transpose(0, 3, 1, 2)
            for at in map(tuple, np.argwhere(got != codes)):
                ties.append((index, node.name, at, float(seen[node.input[0]][at] / scale)))
    assert all(abs(x - np.floor(x) - 0.5) < EPSILON for *_, x in ties), ties
    # None is met on these images; the list says where, should one ever be.
    assert ties == []


@pytest.mark.parametrize("name", NETS)
def test_networks_read_like_their_files(name):
    proto, _ = load(name)
    module = imported(proto)
    layer = ["conv2d", "requantize", "batch_norm", "clip", "quantize"]
    want = ["quantize", "reshape", *layer * 3, "reshape", "dense", "requantize"]
    assert op_names(module) == want
    assert [argument.name_hint for argument in block_of(module).args] == ["input"]
    text = str(module)
    assert "%conv2d1 = lowbit.conv2d %symbolic2, %symbolic3" in text and "ternary" in text


def test_several_inputs_and_outputs():
    nodes = [helper.make_node("Add", ["x", "x2"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    proto = model(nodes, (1, 2, 3, 3), outputs=("z", "y", "x"))
    proto.graph.input.append(proto.graph.input[0])
    proto.graph.input[1].name = "x2"
    a, b = integers(1, 1, 2, 3, 3), integers(2, 1, 2, 3, 3)
    z, y, x = reference.run(imported(proto), a, b)
    np.testing.assert_array_equal(y, a + b)
    np.testing.assert_array_equal(z, np.maximum(y, 0))
    np.testing.assert_array_equal(x, a)


def test_results_are_in_onnx_order():
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
    assert op_names(check(model([pool], (2, 3, 4, 5)), integers(3, 2, 3, 4, 5))) == [
        "transpose",
        "max_pool",
        "transpose",
    ]


def test_a_known_result_is_refused():
    fold = helper.make_node("Add", ["a", "a"], ["y"])
    with pytest.raises(ImportFailed, match="all results are known without running"):
        imported(model([fold], (1,), {"a": 1.0}))


def test_known_tensors_where_computed_ones_are_taken():
    """A known result beside a computed one, and a layer of known values, are constants of the program."""
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Add", ["k", "k"], ["z"]),
        helper.make_node("Conv", ["image", "w"], ["c"]),
    ]
    constants = {"k": [[1.0, 2.0]], "image": integers(1, 1, 2, 3, 3), "w": integers(2, 1, 2, 2, 2)}
    module = imported(model(nodes, (1, 2), constants, outputs=("y", "z", "c")))
    y, z, c = reference.run(module, np.float32([[-1, 1]]))
    np.testing.assert_array_equal(y, [[0, 1]])
    np.testing.assert_array_equal(z, [[2, 4]])
    window = [[constants["image"][0, :, i : i + 2, j : j + 2] for j in (0, 1)] for i in (0, 1)]
    np.testing.assert_array_equal(
        c[0, 0], [[(v * constants["w"][0]).sum() for v in r] for r in window]
    )


@pytest.mark.parametrize(
    "name,want",
    [
        ("_symbolic_2", "symbolic2"),
        ("11.weight", "v11_weight"),
        ("conv2d", "conv2d"),
        ("/a/b:0", "a_b0"),
        ("", "v"),
        ("7", "v7"),
        ("x.1", "x1"),
        ("é", "v"),
        ("x" * 90, "x" * 40),
    ],
)
def test_identifiers(name, want):
    assert identifier(name) == want


def test_onnx_is_imported_only_when_used():
    code = "import sys, lowbit_dialect.importers; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_error_is_a_value_error():
    with pytest.raises(ValueError, match="is no file"):
        import_onnx("nowhere.onnx")
