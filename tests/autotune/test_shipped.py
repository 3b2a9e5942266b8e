"""Records that ship: a wheel has them, and each is of a layer that there is, by a schedule that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

from autotune.keys import key_of
from autotune.log import Log
from autotune.outcome import Measured
from autotune.record import Record
from autotune.records import SHIPPED
from autotune.space import Space
from lowbit.bench.suites import SUITES, network_of
from lowbit.tuning.subjects import fused, subjects_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target

ROOT = Path(__file__).parents[2]
PAIRS = (("uint1", "uint1"), ("uint2", "odd1"), ("uint2", "uint2"))
ROOMS = ("lowbit", "lowbit_dialect", "microkernels", "lowering", "autotune")
FILES = sorted(SHIPPED.glob("*.jsonl"))


@pytest.mark.skipif(int(version("setuptools").partition(".")[0]) < 77, reason="too old to build")
def test_a_wheel_has_them(tmp_path: Path) -> None:
    source, wheels, installed = (tmp_path / name for name in ("source", "wheels", "installed"))
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shipped = source / "autotune" / "shipped"
    shipped.mkdir(exist_ok=True)
    (shipped / "some-processor.jsonl").write_text("")
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(wheels)!r})"
    wheels.mkdir()
    command = [sys.executable, "-c", build]
    subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    (wheel,) = wheels.iterdir()
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(installed)
    assert not any(name.startswith(("tests/", "examples/")) for name in names)
    ask = "from autotune.records import record_files; print(*record_files()[2:], sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-P", "-c", ask],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    names = sorted({"some-processor.jsonl", *(path.name for path in FILES)})
    assert told == [str(installed / "autotune" / "shipped" / name) for name in names]


def layers() -> dict[str, LinearOp]:
    """Those that records ship for, by key."""
    programs = (network_of(SUITES["resnet18"], *pair) for pair in PAIRS)
    ops = (subject.ops[0] for program in programs for subject in subjects_of(fused(program)))
    return {key_of(op): op for op in ops}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_of_a_layer_by_a_schedule_that_runs(path: Path) -> None:
    known, contents = layers(), Log(path).read()
    assert not contents.bad and len({one.machine for one in contents.records}) == 1
    assert sorted(one.key for one in contents.records) == sorted(known)
    for record in contents.records:
        assert isinstance(record.outcome, Measured) and usable(record, known[record.key])


def usable(record: Record, op: LinearOp) -> bool:
    """Whether a record is of a legal and canonical schedule."""
    space, schedule = Space(op, resolve_target(record.target)), Schedule.parse(record.schedule)
    return space.refusal(schedule) is None and space.canonical(schedule) == schedule
