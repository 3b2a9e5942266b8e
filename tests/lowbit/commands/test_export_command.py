"""`lowbit export` and `lowbit targets`."""

import json
from pathlib import Path

import pytest
from command_line import output

pytestmark = pytest.mark.usefixtures("folder")


def test_export(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(output(capsys, "export", "net.mlir", "-d", "build", "--json"))
    assert told["symbols"] == ["net_pack", "net"]
    assert Path(told["object"]).read_bytes().startswith(b"\x7fELF")
    text = output(capsys, "export", "net.mlir", "--name", "other", "--target", "x86-64")
    assert text.split() == ["other.o", "other.h"]


def test_targets(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "targets")
    assert "x86-64-v4-vpopcntdq" in text
    told = json.loads(output(capsys, "targets", "--json"))
    assert {"name", "description", "runs_here", "why_not"} == set(told[0])
