"""Models at the front door: paths, bytes and protos, and extents that a file leaves open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lowbit
from lowbit.command import main


def relu(*shape: int | str) -> onnx.ModelProto:
    """A Relu of this shape."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"], "relu")], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(relu("N", 3), "net.onnx")
    return tmp_path / "net.onnx"


def test_a_model_from_anywhere(path: Path):
    sources = (path, "net.onnx", path.read_bytes(), onnx.load(path))
    texts = {str(lowbit.import_model(source, batch=2)) for source in sources}
    assert texts == {str(lowbit.import_model(path, {"x": (2, 3)}))}


@pytest.mark.parametrize("shape", [(1,), (5,), (1, 1, 1, 1, 1, 3)])
def test_any_rank(shape: tuple[int, ...]):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    kernel = lowbit.compile(lowbit.import_model(relu(*shape)))
    np.testing.assert_array_equal(kernel(x), np.maximum(x, 0))


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: lowbit.import_model("net.onnx"), r"net\.onnx: input 'x' has a dynamic extent 'N' on"),
    (lambda: lowbit.import_model(b""), "the model: the file holds no graph"),
    (lambda: lowbit.import_model("\n" * 500), r"cannot read '\\n"),
    (
        lambda: lowbit.import_model(relu()),
        r"'x' is one number without axes: give it the shape \[1\]",
    ),
    (lambda: lowbit.import_model(7), "the model: it is a int: give a path, bytes or an onnx"),  # pyright: ignore[reportArgumentType]
    (lambda: lowbit.import_model("net.onnx", batch=1.5), "batch is a whole number, not 1.5"),  # pyright: ignore[reportArgumentType]
    (lambda: lowbit.import_model("net.onnx", {"x": "ab"}), "the shape of 'x' is a list of whole"),  # pyright: ignore[reportArgumentType]
    (lambda: lowbit.import_model("net.onnx", [2, 3]), "shapes is .* expected Mapping"),  # pyright: ignore[reportArgumentType]
]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(("make", "message"), REFUSED, ids=lambda value: None)
def test_what_is_refused(make: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert len(str(error.value)) < 400


@pytest.mark.usefixtures("path")
def test_extents_on_the_command_line(capsys: pytest.CaptureFixture[str]):
    np.save("x.npy", np.float32([[-1, 0, 1]] * 4))
    assert main(["run", "net.onnx", "--shape", "x=4x3", "-i", "x.npy"]) == 0
    assert "y: [4, 3] float32, first [0.0, 0.0, 1.0" in capsys.readouterr().out
    assert main(["import", "net.onnx", "--batch", "4", "-o", "net.mlir"]) == 0
    assert main(["run", "net.mlir", "-i", "x.npy"]) == 0
    assert "y: [4, 3]" in capsys.readouterr().out
    for arguments, message in (
        ("compile net.onnx", "or --shape x=Nx3"),
        ("compile net.onnx --shape 4x3", "--shape is NAME=EXTENTS such as x=8x3x32x32, not '4x3'"),
        ("compile net.onnx --shape x=4y3", "--shape is NAME=EXTENTS"),
        ("compile net.mlir --batch 4", "--shape and --batch are for models, not for a program"),
    ):
        assert main(arguments.split()) == 1
        assert message in capsys.readouterr().err
