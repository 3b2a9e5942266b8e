"""`lowbit run`."""

import json
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from command_line import PROGRAM, output

import lowbit

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "digits_w2a2.onnx"
pytestmark = pytest.mark.usefixtures("folder")


def test_run(capsys: pytest.CaptureFixture[str]) -> None:
    program = lowbit.parse(Path("net.mlir"))
    expected = lowbit.reference(program, *(np.load(f"{name}.npy") for name in "xws"))
    named = ("-i", "s=s.npy", "-i", "w=w.npy", "-i", "x=x.npy")
    for given in (named, ("-i", "x.npy", "-i", "w.npy", "-i", "s.npy"), ("-i", "all.npz")):
        output(capsys, "run", "net.mlir", *given, "-o", "out.npz")
        with np.load("out.npz") as results:
            assert list(results) == ["z", "m"]
            assert np.allclose(results["z"], expected[0], rtol=1e-5)
            assert np.array_equal(results["m"], expected[1])
    text = output(capsys, "run", "net.mlir", "-i", "all.npz", "--reference")
    assert text.splitlines()[1].startswith("m: [1, 2, 2, 8] uint8, first [")
    told = json.loads(output(capsys, "run", "net.mlir", "-i", "all.npz", "--json"))
    assert [one["name"] for one in told["results"]] == ["z", "m"]


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(data)))

    feed(PROGRAM.encode())
    expected = output(capsys, "run", "-", "-i", "all.npz")
    feed(Path("all.npz").read_bytes())
    assert output(capsys, "run", "net.mlir", "-i", "-") == expected
    feed(Path("x.npy").read_bytes())
    files = ("-i", "x=-", "-i", "w.npy", "-i", "s.npy")
    assert output(capsys, "run", "net.mlir", *files) == expected
    feed(DIGITS.read_bytes())
    assert "input     input: 1x1x8x8 of f32" in output(capsys, "compile", "-")


def test_a_saved_kernel_runs(capsys: pytest.CaptureFixture[str]) -> None:
    expected = output(capsys, "run", "net.mlir", "-i", "all.npz")
    assert "arena" in output(capsys, "compile", "net.mlir", "-o", "net.lbk")
    assert output(capsys, "run", "net.lbk", "-i", "all.npz") == expected
