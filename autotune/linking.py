"""What links a program for another machine: a cross compiler, Clang with lld, or the package ziglang."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from microkernels.target import Target

_LONGEST = 300
"""Characters of what a linker says that are told."""


@dataclass(frozen=True)
class _System:
    """What others call Linux on an architecture."""

    gnu: str
    zig: str


_SYSTEMS = {
    "x86_64": _System("x86_64-linux-gnu", "x86_64-linux-musl"),
    "aarch64": _System("aarch64-linux-gnu", "aarch64-linux-musl"),
    "armv7": _System("arm-linux-gnueabihf", "arm-linux-musleabihf"),
    "riscv64": _System("riscv64-linux-gnu", "riscv64-linux-musl"),
}


class LinkingError(ValueError):
    """Nothing links for a target, or it refuses; the message says so in a sentence."""


def find_linker(target: Target) -> tuple[str, ...]:
    """The first command that is there: the cross GCC, Clang with lld, Zig's C compiler.

    Raises `LinkingError` naming them where there is none, and for a target without Linux.
    """
    system = _SYSTEMS.get(target.arch)
    if system is None or target.triple.split("-")[2] != "linux":
        raise LinkingError(f"a board runs programs on Linux, and {target.name} is a target without")
    if gcc := which(f"{system.gnu}-gcc"):
        return (gcc,)
    if (clang := which("clang")) and which("ld.lld"):
        return clang, f"--target={system.gnu}", "-fuse-ld=lld"
    if find_spec("ziglang") is not None:
        return sys.executable, "-m", "ziglang", "cc", "-target", system.zig
    raise LinkingError(
        f"a program for {target.name} is linked by {system.gnu}-gcc, by clang with ld.lld, or by the package "
        "ziglang, and none is installed: pip install 'lowbit[zig]'"
    )


def link_static(
    linker: Iterable[str], files: Iterable[Path], program: Path, seconds: float = 240.0
) -> None:
    """Compile and link C files and objects to a static program; raises `LinkingError`.

    Zig builds a C library the first time, which takes half a minute of a core.
    """
    command = [*linker, "-O2", "-static", *map(str, files), "-o", str(program)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise LinkingError(f"{command[0]} linked for more than {seconds:g} s") from None
    if done.returncode:
        said = " ".join(done.stderr.split())[:_LONGEST]
        raise LinkingError(f"{command[0]} does not link the program: {said}")
