"""`schedule="records"`: a log decides how fast a program is, and nothing else."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from log_mutants import PROGRAM, op_of, operands
from record_draws import took

import lowbit
from autotune.identity import machine_identity, tool_versions
from autotune.keys import key_of
from autotune.log import Log
from autotune.records import PROJECT_FILE, user_file
from autotune.space import Space
from lowbit.command import main
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target

DEFAULT = lowbit.compile(PROGRAM).schedules[0][1]
OTHER = replace(DEFAULT, prefetch=4)
THIRD = replace(DEFAULT, prefetch=16)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without records, in a folder without any."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def note(path: Path, schedule: Schedule | str, time: float = 1.0, **values: object) -> None:
    """Record that a schedule took so long."""
    plain = {
        "schedule": str(schedule),
        "key": key_of(op_of()),
        "target": str(host_target()),
        "machine": machine_identity(),
        "versions": tool_versions(),
    }
    Log(path).append(took(time, **{**plain, **values}))


def recorded(**options: object) -> Schedule:
    """What the program runs as by records."""
    kernel = lowbit.compile(PROGRAM, schedule="records", **options)  # pyright: ignore
    return kernel.schedules[0][1]


def test_the_schedules_are_legal_and_canonical():
    space = Space(op_of(), host_target())
    for one in (DEFAULT, OTHER, THIRD):
        assert space.refusal(one) is None and space.canonical(one) == one


def test_without_records_the_default_stays():
    assert recorded() == DEFAULT


def test_the_best_record_is_what_runs_and_the_results_are_the_same():
    note(user_file(), OTHER, 1.0)
    note(user_file(), THIRD, 2.0)
    assert recorded() == OTHER
    x, w = operands()
    kernel = lowbit.compile(PROGRAM, schedule="records")
    assert np.array_equal(kernel(x, w), lowbit.reference(PROGRAM, x, w))


def test_the_project_is_asked_where_the_user_knows_nothing():
    note(PROJECT_FILE, THIRD)
    assert recorded() == THIRD
    note(user_file(), OTHER, threads=2)
    assert recorded() == THIRD
    note(user_file(), OTHER)
    assert recorded() == OTHER


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A file that comes with lowbit."""
    monkeypatch.setattr("autotune.records.SHIPPED", folder)
    return folder / "some-processor.jsonl"


def test_what_ships_is_asked_last(shipped: Path):
    note(shipped, OTHER)
    assert recorded() == OTHER
    note(PROJECT_FILE, THIRD)
    assert recorded() == THIRD
    note(user_file(), OTHER, 2.0)
    assert recorded() == OTHER


def test_what_ships_for_another_processor_is_not_used(shipped: Path):
    core, _, rest = machine_identity().partition(";")
    vendor, model, *code = core.split()
    others = (
        f"another {model} {' '.join(code)};{rest}",
        f"{vendor} 1/1 {' '.join(code)};{rest}",
        f"{vendor} {model} x86-64;{rest}",
        "",
    )
    for machine in others:
        note(shipped, OTHER, machine=machine)
    note(shipped, OTHER, target="x86-64-v2")
    assert recorded() == DEFAULT
    note(shipped, THIRD, 9.0, machine=f"{core}; sold by another name; 1K/2K/3K")
    assert recorded() == THIRD


def test_bad_lines_of_what_ships_never_matter(shipped: Path):
    shipped.write_bytes(b"\xff\0\n{}\n" + b"[" * 5000 + b"\n")
    note(shipped, "microkernel = none_8x8")
    note(shipped, OTHER)
    with shipped.open("ab") as file:
        file.write(b"torn")
    with pytest.warns(UserWarning, match="not used"):
        assert recorded() == OTHER


def test_bad_files_and_records_are_warnings(folder: Path):
    note(user_file(), "microkernel = none_8x8")
    note(user_file(), OTHER)
    with user_file().open("ab") as file:
        file.write(b"torn\n")
    PROJECT_FILE.mkdir()
    with pytest.warns(UserWarning) as told:
        assert recorded() == OTHER
    lines = sorted(str(one.message) for one in told)
    assert len(lines) == 3
    assert "conv2d 3x3 uint2 x odd1: 1x5x6x40 to 24: the schedule leaves algorithm open" in lines[1]
    assert lines[0].startswith(f"{user_file()}:3: this is no record")
    assert lines[2] == "lowbit-records.jsonl: this is no regular file: its records are not used"


def test_a_kernel_shows_what_it_runs_though_records_change():
    note(user_file(), OTHER, 2.0)
    kernel = lowbit.compile(PROGRAM, schedule="records")
    note(user_file(), THIRD, 1.0)
    assert "prefetch = 4" in kernel.ir("plan") and "schedule" not in kernel.ir("graph")
    assert recorded() == THIRD
    kernel.save("kernel")
    assert lowbit.load("kernel").schedules == kernel.schedules
    assert lowbit.load("kernel").assembly() == kernel.assembly()


def test_the_cache_knows_which_records_there_were():
    assert recorded(cache=True) == DEFAULT
    note(user_file(), OTHER)
    assert recorded(cache=True) == OTHER
    assert recorded(cache=True) == OTHER
    assert lowbit.compile(PROGRAM, cache=True).schedules[0][1] == DEFAULT


def test_what_a_program_pins_stays():
    note(user_file(), OTHER)
    pinned = "{schedule = #lowbit.schedule<prefetch = 16>, padding"
    program = lowbit.parse(str(PROGRAM).replace("{padding", pinned))
    assert lowbit.compile(program, schedule="records").schedules[0][1] == THIRD


@pytest.mark.filterwarnings("always")
def test_the_command_warns_in_a_line(capsys: pytest.CaptureFixture[str]):
    Path("net.mlir").write_text(str(PROGRAM))
    note(user_file(), OTHER)
    with user_file().open("ab") as file:
        file.write(b"torn\n")
    assert main(["compile", "net.mlir", "--schedule", "records"]) == 0
    told = capsys.readouterr()
    assert "prefetch = 4" in told.out
    assert told.err.splitlines()[0].startswith(
        f"lowbit: warning: {user_file()}:2: this is no record"
    )


def test_mutated_logs_change_no_result():
    script = Path(__file__).parents[1] / "support" / "log_mutants.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), "8"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
    assert "unnamed=0" in told and "wrong=0" in told
