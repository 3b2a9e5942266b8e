"""Bits for each layer: what is found keeps the budget, and is what its program says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from browser import CHROMIUM, show
from onnx import TensorProto, helper, numpy_helper
from pages import read

import lowbit
from lowbit.budget.page import page
from lowbit.budget.result import Precise
from lowbit.command import main
from lowbit_dialect.layout import Array

COUNT = 60


def network(bits: int = 8) -> onnx.ModelProto:
    """A convolution and a dense layer of random weights; both read codes."""
    rng = np.random.default_rng(1)
    tables = {
        "k": rng.standard_normal((16, 4, 3, 3)) / 6,
        "d": rng.standard_normal((10, 16 * 4)) / 8,
        **{"one": np.float32(1 / 64), "small": np.float32(1 / 400), "zero": np.float32(0)},
        "wide": np.float32(bits),
        "shape": np.array([1, 64], np.int64),
    }
    constants = [
        numpy_helper.from_array(np.asarray(table, None if name == "shape" else np.float32), name)
        for name, table in tables.items()
    ]

    def quant(x: str, scale: str, out: str, signed: int = 1) -> onnx.NodeProto:
        inputs = [x, scale, "zero", "wide"]
        marks = {"signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
        return helper.make_node("Quant", inputs, [out], domain="qonnx.custom_op.general", **marks)

    nodes = [
        *(quant("x", "one", "xq"), quant("k", "small", "kq"), quant("d", "small", "dq")),
        helper.make_node("Conv", ["xq", "kq"], ["sum"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sum"], ["relu"]),
        quant("relu", "one", "hq", 0),
        helper.make_node("Reshape", ["hq", "shape"], ["row"]),
        helper.make_node("Gemm", ["row", "dq"], ["y"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 4, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 10))
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def right(program: lowbit.Program, inputs: Array, labels: Array) -> int:
    kernel = lowbit.compile(program)
    return sum(int(np.argmax(kernel(x[None]))) == y for x, y in zip(inputs, labels))


@pytest.fixture(scope="module")
def data() -> tuple[Array, Array]:
    """Inputs, and what the network takes them for."""
    inputs = np.random.default_rng(0).standard_normal((COUNT, 4, 4, 4)).astype(np.float32)
    kernel = lowbit.compile(lowbit.import_model(network()))
    return inputs, np.array([int(np.argmax(kernel(x[None]))) for x in inputs])


@pytest.fixture(scope="module")
def found(data: tuple[Array, Array]) -> Precise:
    return lowbit.precision(network(), *data, budget=0.25, bits=(2,), target="rpi3")


def test_the_budget_is_kept(found: Precise, data: tuple[Array, Array]) -> None:
    assert found.given.right == COUNT
    assert found.chosen.seconds < found.given.seconds
    assert found.given.right - found.chosen.right <= 0.25 * COUNT
    assert right(found.program, *data) == found.chosen.right
    if found.best_uniform is not None:
        assert found.chosen.seconds <= found.best_uniform.seconds


def test_the_program_has_the_bits(found: Precise) -> None:
    text = str(found.program)
    for one in found.layers:
        activation, weights = one.chosen
        assert f"int<{activation}>" in text and f"!lowbit.int<{weights}>" in text
    assert sum(one.seconds[1] for one in found.layers) == pytest.approx(found.chosen.seconds)


def test_nothing_is_lost_without_a_budget(data: tuple[Array, Array]) -> None:
    found = lowbit.precision(network(4), *data, budget=0, bits=(4,), target="rpi3")
    assert found.chosen == found.given and found.best_uniform is None


def test_the_command_writes_a_program_and_a_page(
    found: Precise,
    data: tuple[Array, Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(network(), "net.onnx")
    np.savez("data.npz", x=data[0], labels=data[1])
    files = ("-o", "net.mlir", "--report", "page.html", "--json")
    asked = ("precision", "net.onnx", "--data", "data.npz", "--budget", "10%", "--bits", "4,2")

    def search(model: str, *given: object, bits: list[int], **_: object) -> Precise:
        assert (model, given[2], bits) == ("net.onnx", 0.1, [4, 2])
        assert all(map(np.array_equal, given[:2], data))
        return found

    monkeypatch.setattr("lowbit.commands.precision_command.precision", search)
    assert main([*asked, *files]) == 0
    told = json.loads(capsys.readouterr().out)
    assert right(lowbit.parse("net.mlir"), *data) == told["chosen"]["right"]
    assert "lowbit precision: net.onnx" in read(Path("page.html").read_text()).texts


def test_a_page_is_well_formed_and_alone(found: Precise, tmp_path: Path) -> None:
    text = page("rpi3", "net & co", found)
    reader = read(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    assert "lowbit precision: net & co" in reader.texts
    assert reader.seen.count("circle") == 1 + len(found.tried) + len(found.uniform)
    if CHROMIUM is not None:
        shown = show(text, tmp_path)
        assert shown.complaints == [] and all(chart.inside for chart in shown.charts)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--budget 2", "budget is a share"),
        ("--budget much", "such as 0.5%"),
        ("--bits 1,2", "from 2 to 8"),
        ("--bits few", "a list such as"),
        ("--white 0", "above 0"),
        ("--data bad.npz", "expected `labels`"),
        ("--data short.npz", "each input has one whole number"),
        ("--data other.npz", "one of 4x4x4 at a time"),
        ("--data high.npz", "labels are from 0 to 9"),
    ],
)
def test_what_is_wrong_is_said(
    options: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(network(), "net.onnx")
    x, y = np.zeros((3, 4, 4, 4), np.float32), np.zeros(3, np.int64)
    np.savez("data.npz", x=x, labels=y)
    np.savez("bad.npz", x=x)
    np.savez("short.npz", x=x, labels=y[:2])
    np.savez("other.npz", x=x[:, :2], labels=y)
    np.savez("high.npz", x=x, labels=y + 10)
    assert main(["precision", "net.onnx", "--data", "data.npz", *options.split()]) == 1
    assert words in capsys.readouterr().err
