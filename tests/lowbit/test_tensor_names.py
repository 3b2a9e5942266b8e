"""The names of a model reach its user unchanged: by keyword, on the command line, in text and in C."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lowbit
from lowbit.command import main
from lowbit_dialect.names import layer_of

INPUTS = ("x.1", "x_1", "x1", "7", "数", "self", "a=b")
RESULTS = ("8", "/y/Add_output_0", "file", "x.1")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first input, sums of it with all others, one after the other, and the last sum clipped."""

    def tensor(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])

    sums = [f"sum.{i}" for i in range(len(INPUTS) - 2)] + [RESULTS[0]]
    nodes = [
        helper.make_node("Add", [left, right], [name], f"/add.{name}/Add")
        for left, right, name in zip(["x.1", *sums], INPUTS[1:], sums)
    ]
    nodes += [
        helper.make_node("Relu", ["8"], ["/y/Add_output_0"], "relu"),
        helper.make_node("Identity", ["8"], ["file"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [*map(tensor, INPUTS)], [tensor(name) for name in RESULTS]
    )
    file = tmp_path_factory.mktemp("named") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), file)
    return file


VALUES = {name: np.full((1, 2), i - 4.5, np.float32) for i, name in enumerate(INPUTS)}
TOTAL = sum(VALUES.values())


def test_by_keyword_and_through_text(path: Path):
    program = lowbit.import_model(path)
    for one in (program, lowbit.parse(str(program))):
        kernel = lowbit.compile(one)
        assert tuple(i.name for i in kernel.signature.inputs) == INPUTS
        assert kernel.signature.main.result_names == RESULTS == one.result_names
        results = kernel(**VALUES)
        for got, want in zip(results, (TOTAL, np.maximum(TOTAL, 0), TOTAL, VALUES["x.1"])):
            np.testing.assert_array_equal(got, want)
    with pytest.raises(
        ValueError, match=r"argument '数' is missing: the kernel takes x.1, x_1, x1"
    ):
        kernel(**{name: value for name, value in VALUES.items() if name != "数"})


def test_layers_are_named_by_their_nodes(path: Path):
    program = lowbit.import_model(path)
    for name in (program, lowbit.parse(str(program))):
        layers = [layer_of(op) for op in name.func.body.block.ops][:-1]
        assert layers == [f"/add.sum.{i}/Add" for i in range(5)] + ["/add.8/Add", "relu"]


def test_on_the_command_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(path.parent)
    for index, value in enumerate(VALUES.values()):
        np.save(f"{index}.npy", value)
    given = [f"--input={name}={index}.npy" for index, name in enumerate(INPUTS)]
    assert main(["run", "net.onnx", *given, "--output", "y.npz"]) == 0, capsys.readouterr().err
    with np.load("y.npz") as saved:
        assert tuple(saved) == RESULTS
        np.testing.assert_array_equal(saved["/y/Add_output_0"], np.maximum(TOTAL, 0))
    assert main(["compile", "net.onnx", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert tuple(one["name"] for one in told["inputs"]) == INPUTS
    assert tuple(one["name"] for one in told["outputs"]) == RESULTS


def test_in_c(path: Path, tmp_path: Path):
    text = lowbit.export(lowbit.import_model(path), directory=tmp_path, name="f").header.read_text()
    for line in ("x_1 ('x.1'): in,", "x_1_2 ('x_1'): in,", "x1: in,", r"_ ('\u6570'): in,"):
        assert f" * {line}" in text
    assert "y_Add_output_0 ('/y/Add_output_0'): out," in text


def test_in_python_and_when_packed():
    program = lowbit.Program()
    x = program.input((2, 64), "uint2", name="x.1")
    w = program.input((64, 8), "odd1", name="layer.w", constant=True)
    program.output(program.dense(x, w))
    kernel = lowbit.compile(program)
    rng = np.random.default_rng(0)
    given = {"x.1": rng.integers(0, 4, (2, 64)), "layer.w": 2 * rng.integers(0, 2, (64, 8)) - 1}
    packed = kernel.pack(**{"layer.w": given["layer.w"]})
    np.testing.assert_array_equal(kernel(given["x.1"], packed), given["x.1"] @ given["layer.w"])
    np.testing.assert_array_equal(kernel(**given), given["x.1"] @ given["layer.w"])
    assert program.constant_names == ("layer.w",)
