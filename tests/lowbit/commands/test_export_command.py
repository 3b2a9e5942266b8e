"""`lowbit export` and `lowbit targets`."""

import json
from pathlib import Path

import pytest
from command_line import output

pytestmark = pytest.mark.usefixtures("folder")


def test_export(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(output(capsys, "export", "net.mlir", "-d", "build", "--json"))
    assert told["symbols"] == ["net_pack", "net"]
    image = Path(told["object"]).read_bytes()
    assert image.startswith(b"\x7fELF") and image in Path(told["archive"]).read_bytes()
    text = output(capsys, "export", "net.mlir", "--name", "other", "--target", "x86-64")
    *files, code, constants, arena = text.splitlines()
    assert files == ["other.o", "libother.a", "other.h"]
    assert int(code.split()[1]) > 0 and constants.startswith("constants") and "a call" in arena


def test_targets(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "targets")
    assert "x86-64-v4-vpopcntdq" in text
    told = json.loads(output(capsys, "targets", "--json"))
    assert {"name", "description", "runs_here", "why_not"} == set(told[0])
