"""What was appended is read, whatever stands between; killing a writer is in `log_kills`."""

import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_draws import a_record, damaged, records, took

from autotune import log as log_module
from autotune.log import BadLine, Contents, Log
from autotune.record import Record


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "new" / "log.jsonl")


def test_a_log_that_is_not_there_holds_nothing(log: Log):
    assert log.read() == Contents()
    assert not log.path.exists()


def test_records_are_read_in_their_order(log: Log):
    first, *others = [a_record(trial=trial) for trial in range(5)]
    log.append(first)
    log.extend(others)
    assert log.read() == Contents((first, *others))
    assert log.path.read_bytes().count(b"\n") == 5


@given(lines=st.lists(st.one_of(records(), st.binary(max_size=40)), max_size=8))
@settings(max_examples=30)
def test_bad_lines_are_named_and_others_read(lines: list[Record | bytes], tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    garbage = [one.replace(b"\n", b"") for one in lines if isinstance(one, bytes)]
    path.write_bytes(
        b"\n".join(
            one.to_line() if isinstance(one, Record) else one.replace(b"\n", b"") for one in lines
        )
    )
    contents = Log(path).read()
    assert contents.records == tuple(one for one in lines if isinstance(one, Record))
    assert len(contents.bad) == sum(bool(one.strip()) for one in garbage)
    for bad in contents.bad:
        assert str(bad).startswith(f"{path}:{bad.line}: this is no record")
        assert isinstance(lines[bad.line - 1], bytes)


@given(records(), st.data())
@settings(max_examples=30)
def test_a_torn_end_is_healed(record: Record, data: st.DataObject):
    with TemporaryDirectory() as folder:
        log = Log(Path(folder) / "log.jsonl")
        log.append(record)
        torn = record.to_line()[: data.draw(st.integers(1, len(record.to_line()) - 1))]
        with log.path.open("ab") as file:
            file.write(torn)
        log.extend([record, record])
        assert log.read().records == (record,) * 3
        assert [bad.line for bad in log.read().bad] == [2]


def test_a_record_without_the_end_of_its_line_is_one(log: Log):
    log.append(a_record(trial=1))
    os.truncate(log.path, log.path.stat().st_size - 1)
    assert len(log.read().records) == 1
    log.append(a_record(trial=2))
    assert [record.trial for record in log.read().records] == [1, 2] and not log.read().bad


def test_what_another_tears_between_looking_and_writing_is_healed(
    log: Log, monkeypatch: pytest.MonkeyPatch
):
    log.append(a_record(trial=1))
    write, torn = os.write, iter([b'{"format":1,"ke'])

    def late(file: int, data: bytes) -> int:
        with log.path.open("ab") as other:
            other.write(next(torn, b""))
        return write(file, data)

    monkeypatch.setattr(log_module.os, "write", late)
    log.append(a_record(trial=2))
    assert [record.trial for record in log.read().records] == [1, 2]
    assert [bad.line for bad in log.read().bad] == [2]


def test_a_full_disk_is_an_error_and_loses_nothing(log: Log):
    """The second record fits in half; a child, as the limit is the whole process's."""
    log.append(a_record(trial=1))
    program = f"""
import resource
from record_draws import a_record
from autotune.log import Log
resource.setrlimit(resource.RLIMIT_FSIZE, ({log.path.stat().st_size + 100},) * 2)
try:
    Log({str(log.path)!r}).append(a_record(trial=2))
except OSError as error:
    print(error)
"""
    told = python("-c", program)
    assert "File too large" in told and str(log.path) in told
    log.append(a_record(trial=3))
    assert [record.trial for record in log.read().records] == [1, 3]
    assert [bad.line for bad in log.read().bad] == [2]


def test_errors_name_the_file(log: Log):
    log.path.mkdir(parents=True)
    with pytest.raises(OSError, match="no regular file") as error:
        log.read()
    assert error.value.filename == str(log.path)
    with pytest.raises(IsADirectoryError, match=r"log\.jsonl"):
        log.append(a_record())


def test_a_bad_line_is_one_sentence():
    assert str(BadLine(Path("a.jsonl"), 3, "no")) == "a.jsonl:3: no"


def test_damage_hides_no_record_but_its_own(tmp_path: Path):
    """Whatever happens to the bytes, what is read was written, and no line vanishes without being named."""
    rng, path = random.Random(0), tmp_path / "log.jsonl"
    written = [took(1 + trial / 10, trial=trial) for trial in range(20)]
    Log(path).extend(written)
    whole = path.read_bytes()
    for _ in range(200):
        path.write_bytes(data := damaged(whole, rng))
        contents = Log(path).read()
        assert set(contents.records) <= set(written)
        lines = [line for line in data.split(b"\n") if line.strip()]
        assert len(contents.records) + len(contents.bad) == len(lines)


def test_killed_writers_lose_nothing():
    script = Path(__file__).parents[1] / "support" / "log_kills.py"
    told = python(str(script), "12")
    assert "lost=0, invented=0" in told and "other_bests=0" in told


def python(*arguments: str) -> str:
    """What a process of its own prints."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
