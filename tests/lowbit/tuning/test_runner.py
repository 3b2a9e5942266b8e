"""`lowbit tune --runner`: layers are timed on a board, and records are that board's."""

import json
from pathlib import Path

import pytest
from boards import BOARDS, stand_in

from autotune import linking
from autotune.identity import machine_identity
from autotune.log import Log
from autotune.records import query
from lowbit.command import main

NETWORK = """
func.func @main(%x: tensor<3x96x!lowbit.uint<2>>, %v: tensor<96x20x!lowbit.odd<1>> {lowbit.constant})
    -> tensor<3x20xi32> {
  %y = lowbit.dense %x, %v
    : tensor<3x96x!lowbit.uint<2>>, tensor<96x20x!lowbit.odd<1>> -> tensor<3x20xi32>
  func.return %y : tensor<3x20xi32>
}
"""
TUNE = ("tune", "net.mlir", "--target", "rpi3", "--trials", "2", "--log", "log.jsonl")


@pytest.fixture(autouse=True)
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(NETWORK)


@pytest.mark.parametrize("target", BOARDS[:1])
def test_a_layer_is_tuned_on_a_board(
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    stand_in(tmp_path, target, monkeypatch)
    found = ("--runner", "ssh:board", "--json", "--report", "page.html", "-o", "tuned.mlir")
    assert main([*TUNE, *found]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["machine"]["runner"] == "ssh:board" and " rpi3; " in told["machine"]["cpu"]
    records = Log(tmp_path / "log.jsonl").read().records
    assert len(records) == 2 and {one.machine for one in records} == {told["machine"]["cpu"]}
    assert not query(records, machine=machine_identity())
    assert "microkernel = " in Path("tuned.mlir").read_text()
    assert told["machine"]["cpu"].partition(";")[0] in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        ("board", "a runner is ssh:HOST, or command:COMMAND"),
        ("command:no-such-transport", "no-such-transport does not run: No such file or directory"),
        ("command:false", "the board is out of reach: false ended with 1"),
    ],
)
def test_a_runner_that_is_none(
    runner: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(linking, "which", lambda name: name)
    assert main([*TUNE, "--runner", runner]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lowbit: error: {message}") and error.count("\n") == 1


def test_what_links_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(linking, "which", lambda name: None)
    monkeypatch.setattr(linking, "find_spec", lambda name: None)
    assert main([*TUNE, "--runner", "ssh:board"]) == 1
    assert capsys.readouterr().err == (
        "lowbit: error: a program for rpi3 is linked by aarch64-linux-gnu-gcc, by clang with ld.lld, or by "
        "the package ziglang, and none is installed: pip install 'lowbit[zig]'\n"
    )


def test_without_a_runner_one_is_named(capsys: pytest.CaptureFixture[str]):
    assert main(TUNE) == 1
    assert capsys.readouterr().err == (
        "lowbit: error: rpi3 cannot be tuned on this machine: target rpi3 is for aarch64, and this machine "
        "is x86_64; --runner ssh:HOST measures on a board\n"
    )
