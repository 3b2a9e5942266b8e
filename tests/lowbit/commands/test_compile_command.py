"""`lowbit compile`."""

import json
from pathlib import Path

import pytest
from command_line import POOL, output

from lowbit.command import main

pytestmark = pytest.mark.usefixtures("folder")


def test_compile(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "compile", "net.mlir", "--target", "x86-64-v2")
    assert "input     w: 3x3x8x9 of odd1, packed ahead" in text
    assert "output    m: 1x2x2x8 of uint2" in text
    told = json.loads(output(capsys, "compile", "net.mlir", "--json"))
    assert [one["name"] for one in told["inputs"]] == ["x", "w", "s"]
    assert told["schedules"][0]["schedule"].startswith("algorithm = direct")


def test_compile_emits_any_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lowbit.tile" in output(capsys, "compile", "net.mlir", "--emit", "loops")
    output(capsys, "compile", "net.mlir", "--emit", "assembly", "-o", "net.s")
    assert "net_pack:" in Path("net.s").read_text()


def test_one_function_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.mlir").write_text(POOL + POOL.replace("@pool", "@again"))
    assert main(["compile", "two.mlir", "--emit", "graph"]) == 0
    captured = capsys.readouterr()
    told = "two.mlir has the functions @pool, @again: @pool runs, --function picks another"
    assert captured.err == f"lowbit: {told}\n"
    assert "@again" in captured.out
    text = output(capsys, "compile", "two.mlir", "--function", "again", "--emit", "graph")
    assert "@again" in text and "@pool" not in text


def test_fewer_threads_than_asked_for_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pool.mlir").write_text(POOL)
    assert main(["compile", "pool.mlir", "--threads", "100"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("lowbit: 1 of 100 threads take part: ")
    assert "threads   1" in captured.out
