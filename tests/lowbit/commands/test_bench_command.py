"""`lowbit bench`."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import output

from lowbit.bench import peers
from lowbit.command import main
from lowering.backend.machine import BackendError

pytestmark = pytest.mark.usefixtures("folder", "quick")


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    layer = ("--conv2d", "6 6 8 8 3 1 1", "--activation", "uint2", "--weight", "ternary")
    told = json.loads(output(capsys, "bench", *layer, "--processes", "0", "--json"))
    (result,) = told["results"]
    assert list(result) == [
        "layer",
        "op",
        "shape",
        "activation",
        "weight",
        "schedule",
        "threads",
        "macs",
        "time_us",
        "time_with_packing_us",
        "spread_us",
        "runs_us",
        "limit_us",
        "output",
        "window",
        "limited_by",
        "family",
        "work",
        "peers",
    ]
    assert result["macs"] == (6 * 3 - 2) ** 2 * 8 * 8
    assert {"cpu", "target", "lowbit", "binary_gmacs_per_s"} <= set(told["machine"])
    assert {"L1 read", "memory write"} <= set(told["machine"]["gb_per_s"])
    layer = ("--conv2d", "4 4 8 8 1 0 1", "--activation", "i8", "--weight", "i8")
    table = output(capsys, "bench", *layer, "--processes", "0")
    assert table.splitlines()[3].startswith("conv2d")
    assert "GMAC/s: " in table.splitlines()[1]


def test_bench_writes_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    layer = (
        "--dense",
        "2 64 32",
        "--output",
        "uint2",
        "--report",
        "page.html",
        "--processes",
        "0",
    )
    output(capsys, "bench", *layer)
    assert "uint1 x uint1 to uint2" in Path("page.html").read_text()


def test_bench_beside_peers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(task: peers.Task) -> tuple[peers.Call, peers.Fetch]:
        return task.x.copy, lambda x: x

    def missing(task: peers.Task) -> tuple[peers.Call, peers.Fetch]:
        raise ImportError("No module named 'abacus'", name="abacus")

    systems = [
        peers.System("copier", "numpy", "f32", copied),
        peers.System("beads", "abacus", "f32", missing),
        peers.System("beads", "abacus", "i8", missing),
        peers.System("broken", "numpy", "i8", lambda task: 1 // 0),  # type: ignore[arg-type]
    ]
    monkeypatch.setattr(peers, "SYSTEMS", tuple(systems))
    assert main(["bench", "--dense", "2 64 32", "--peers", "--processes", "0"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "abacus is skipped: abacus is not installed",
        "broken i8 is skipped on dense: integer division or modulo by zero",
    ]
    assert "fastest f32" in captured.out and "copier" in captured.out


def test_a_failed_check_of_bits_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lowbit.bench.benchmark.reference", lambda program, *arrays: np.int32([[0]])
    )
    assert main(["bench", "--conv2d", "4 4 8 8 1 0 1", "--processes", "0"]) == 1
    assert "layer conv2d (uint1 x uint1): its shape is" in capsys.readouterr().err


def test_an_empty_layer_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--conv2d", ""]) == 1
    assert "'' is no convolution: expected seven" in capsys.readouterr().err


def test_a_machine_that_no_probe_runs_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: object) -> None:
        raise BackendError("there is no probe for this machine")

    monkeypatch.setattr("lowbit.commands.bench_command.Rates", refuse)
    assert main(["bench", "--dense", "2 64 32"]) == 1
    assert capsys.readouterr().err == "lowbit: error: there is no probe for this machine\n"
