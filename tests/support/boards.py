"""A board that is none: what stands in for ssh runs the text in a shell here, and programs under QEMU."""

import os
from pathlib import Path
from shutil import which

import pytest

EMULATORS = {
    "rpi3": ("aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "rpi3-armv7": ("arm-linux-gnueabihf-gcc", "qemu-arm"),
}
BOARDS = [
    pytest.param(
        target,
        marks=pytest.mark.skipif(
            not all(map(which, needed)), reason=f"no {' or no '.join(needed)}"
        ),
    )
    for target, needed in EMULATORS.items()
]
"""Targets with what links and runs their programs."""
_SSH = """#!/bin/sh
echo "$@" | head -n 1 >>{folder}/asked
if [ -e {folder}/off ]; then
  echo "ssh: connect to host board port 22: No route to host" >&2
  exit 255
fi
for text; do :; done
exec sh -c "$(printf '%s' "$text" | sed 's#\\./program#{emulator} ./program#')"
"""


def stand_in(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `ssh` before all others; returns it. A file `off` beside it takes the board away."""
    path = folder / "ssh"
    path.write_text(_SSH.format(folder=folder, emulator=EMULATORS[target][1]))
    path.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(folder))
    return path
