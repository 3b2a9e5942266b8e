"""Damaged array files, schedules and saved kernels, in a process of their own, whose crash is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lowbit

SCRIPT = Path(__file__).parents[1] / "support" / "mutants.py"


@pytest.mark.parametrize(("kind", "count"), [("npz", 300), ("schedules", 60), ("kernels", 300)])
def test_mutants(kind: str, count: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(lowbit.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(count)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert f"{kind}: {count} tried" in done.stdout
