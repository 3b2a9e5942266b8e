"""What is best, what was tried, what is near; and which file's word counts."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_draws import a_record, records, took
from strategies import LinearCase, program_for

from autotune.identity import machine_identity, tool_versions
from autotune.keys import described, key_of
from autotune.log import Log
from autotune.outcome import Failed, Measured
from autotune.record import Record
from autotune.records import (
    Library,
    best,
    best_of,
    like,
    merge,
    query,
    ranked,
    record_files,
    tried,
    user_file,
)
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from microkernels.target import TARGETS, Target

HERE = a_record().machine
TARGET = TARGETS["x86-64-v3"]


def schedules(records: list[Record]) -> list[str]:
    return [record.schedule for record in records]


def test_the_fastest_is_best_and_each_schedule_counts_once_by_its_median():
    log = [
        took(1.0, schedule="steady", trial=1),
        took(0.5, schedule="lucky once"),
        *(took(1.5, schedule="lucky once") for _ in range(2)),
        took(1.1, schedule="steady", trial=2),
        took(0.9, schedule="steady", trial=3),
        took(0.1, schedule="elsewhere", machine="another"),
        took(0.1, schedule="of another", key="1" * 32),
    ]
    found = best(log, a_record().key, HERE, count=5)
    assert schedules(found) == ["steady", "lucky once"] and found[0].trial == 3
    assert schedules(best(log, a_record().key, HERE)) == ["steady"]


def test_what_failed_is_never_best_unless_its_worker_was_lost():
    log = [
        took(0.1, schedule="wrong"),
        took(0.2, schedule="lost"),
        took(0.3, schedule="good"),
        a_record(schedule="wrong", outcome=Failed("wrong", "")),
        a_record(schedule="lost", outcome=Failed("lost", "")),
    ]
    assert schedules(ranked(log)) == ["lost", "good"]


def test_failures_are_tried_and_a_lost_worker_is_no_failure():
    wrong = Failed("wrong", "at 0: 1, not 2")
    log = [
        took(2.0, schedule="twice"),
        took(1.0, schedule="twice"),
        a_record(schedule="wrong", outcome=wrong),
        a_record(schedule="lost", outcome=Failed("lost", "")),
    ]
    assert tried(log) == {"twice": Measured(1e-3, 1e-5, 1.0), "wrong": wrong}


def test_queries_ask_for_all_that_is_given():
    log = [
        a_record(trial=1, key="a"),
        a_record(trial=2, threads=2),
        a_record(trial=3, machine="another"),
        a_record(trial=4, target="x86-64-v3,caches=48K/1M/32M"),
        a_record(trial=5, versions="lowbit 2"),
    ]

    def found(**asked: object) -> set[int]:
        return {record.trial for record in query(log, **asked)}  # pyright: ignore

    assert found() == {1, 2, 3, 4, 5}
    assert found(key="a") == {1}
    assert found(threads=2) == {2}
    assert found(machine="another", threads=1) == {3}
    assert found(target=TARGET) == {1, 2, 3, 4, 5}
    assert found(target=TARGETS["x86-64"]) == set()
    assert found(versions="lowbit 2") == {5}


def test_what_is_near_comes_first():
    sizes = ("1x7x7x512 to 512", "1x28x28x128 to 128", "1x56x56x32 to 64", "1x56x56x64 to 64")
    log = [took(2.0, op=f"conv2d 3x3 uint2 x odd1: {size}", schedule="slow") for size in sizes]
    log += [took(1.0, op=record.op, schedule=record.op) for record in log]
    log += [took(1.0, op="dense uint2 x odd1: 1x64 to 64")]
    found = like(log, "conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64", count=3)
    assert schedules(found) == [f"conv2d 3x3 uint2 x odd1: {size}" for size in sizes[:0:-1]]


def test_the_best_of_each_op_and_setting():
    log = [
        took(relative, key=key, threads=threads, schedule=str(relative))
        for key in "ab"
        for threads in (1, 2)
        for relative in (2.0, 1.0, 3.0)
    ]
    assert schedules(best_of(log)) == ["1.0"] * 4
    assert len({(record.key, record.threads) for record in best_of(log)}) == 4


@given(st.lists(records(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_log_changes_no_choice(log: list[Record], rng: random.Random):
    shuffled = [*log]
    rng.shuffle(shuffled)
    times = [r.outcome.relative for r in ranked(log) if isinstance(r.outcome, Measured)]
    assert len(times) == len(ranked(shuffled))
    assert {r.schedule for r in ranked(log)} == {r.schedule for r in ranked(shuffled)}


def test_merging_adds_what_is_not_there(tmp_path: Path):
    first, second, into = (tmp_path / name for name in ("first", "second", "into"))
    one, two, three = (a_record(trial=trial) for trial in (1, 2, 3))
    Log(first).extend([one, two])
    Log(second).extend([two, three])
    with second.open("ab") as file:
        file.write(b'{"for')
    Log(into).append(one)
    added = merge([first, second, into], into)
    assert added.records == (two, three) and [bad.line for bad in added.bad] == [3]
    assert Log(into).read().records == (one, two, three)
    assert merge([first, second], into).records == ()


# Which file is asked


@pytest.fixture
def op() -> LinearOp:
    case = LinearCase("conv2d", "uint2", "odd1", 1, 8, 8, 32, 32, (3, 3), (1, 1), (1, 1, 1, 1))
    return next(op for op in program_for(case).walk() if isinstance(op, LinearOp))


class Shelves:
    """Files of records of one op, asked in turn for a schedule by its pixels."""

    def __init__(self, folder: Path, op: LinearOp):
        self.folder, self.op = folder, op
        self.paths: list[Path] = []
        self.library = Library(())

    def add(self, *known: tuple[int, float], **values: object) -> None:
        """One more file; of each schedule the pixels and the time."""
        path = self.folder / f"{len(self.paths)}.jsonl"
        plain = {
            "key": key_of(self.op),
            "op": described(self.op),
            "machine": machine_identity(),
            "versions": tool_versions(),
        }
        Log(path).extend(
            took(time, **{**plain, "schedule": f"pixels = {pixels}", **values})
            for pixels, time in known
        )
        self.paths.append(path)

    def find(self, illegal: int = 0, threads: int = 1, target: Target = TARGET) -> int | None:
        def refusal(schedule: Schedule) -> str | None:
            return "pixels are illegal" if schedule.pixels == illegal else None

        self.library = Library(self.paths)
        found = self.library.find(self.op, target, machine_identity(), threads, refusal)
        return found and found.pixels


@pytest.fixture
def shelves(tmp_path: Path, op: LinearOp) -> Shelves:
    return Shelves(tmp_path, op)


def test_the_first_file_that_knows_has_it(shelves: Shelves):
    assert shelves.find() is None
    shelves.add()
    shelves.add((3, 2.0), (4, 1.5))
    shelves.add((5, 1.0))
    assert shelves.find() == 4
    assert shelves.library.problems == []


def test_an_illegal_schedule_is_passed_over_and_named(shelves: Shelves):
    shelves.add((3, 1.0), (4, 2.0))
    shelves.add((5, 1.0))
    assert shelves.find(illegal=3) == 4
    assert shelves.library.problems == [
        "conv2d 3x3 uint2 x odd1: 1x8x8x32 to 32: pixels are illegal: 1 record is not used"
    ]


def test_what_the_op_pins_stays(shelves: Shelves):
    shelves.add((3, 1.0), (4, 2.0))
    shelves.op.properties["schedule"] = ScheduleAttr(Schedule(pixels=4))
    assert shelves.find() == 4
    shelves.op.properties["schedule"] = ScheduleAttr(Schedule(pixels=5))
    assert shelves.find() is None and shelves.library.problems == []


@pytest.mark.parametrize(
    "schedule", ["pixels", "pixels = 0", "color = red", "pixels = 4, pixels = 4"]
)
def test_what_is_no_schedule_is_passed_over(shelves: Shelves, schedule: str):
    shelves.add((3, 1.0), schedule=schedule)
    shelves.add((5, 1.0))
    assert shelves.find() == 5 and len(shelves.library.problems) == 1


def test_other_threads_targets_and_cores_say_nothing(shelves: Shelves):
    shelves.add((3, 1.0), threads=2)
    shelves.add((4, 1.0), target="x86-64")
    shelves.add((5, 1.0), machine="GenuineIntel 6/143 x86-64-v3; Xeon; 48K/2048K/105M")
    assert shelves.find() is None
    assert (shelves.find(threads=2), shelves.find(target=TARGETS["x86-64"])) == (3, 4)


def test_this_machine_counts_before_its_like_and_these_versions_before_others(shelves: Shelves):
    core, _, caches = machine_identity().split("; ")
    like = f"{core}; sold by another name; {caches}"
    shelves.add((3, 1.0), machine=like)
    assert shelves.find() == 3
    log = Log(shelves.paths[0])
    known = log.read().records[0]
    older = {"machine": machine_identity(), "versions": "lowbit 0.1"}
    log.append(took(5.0, key=known.key, schedule="pixels = 4", **older))
    assert shelves.find() == 4
    now = {**older, "versions": tool_versions()}
    log.append(took(9.0, key=known.key, schedule="pixels = 5", **now))
    assert shelves.find() == 5


def test_a_file_that_cannot_be_read_is_a_sentence(shelves: Shelves, tmp_path: Path):
    shelves.paths.append(tmp_path)
    shelves.add((3, 1.0))
    with shelves.paths[1].open("ab") as file:
        file.write(b"?\n?\n")
    assert shelves.find() == 3
    assert shelves.library.problems == [
        f"{tmp_path}: this is no regular file: its records are not used",
        f"{shelves.paths[1]}:2: this is no record, or one that is cut short: 2 lines are not used",
    ]


def test_the_user_comes_before_the_project_before_what_ships(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_file() == tmp_path / "lowbit" / "records.jsonl"
    user, project, *shipped = record_files()
    assert (user, project) == (user_file(), Path("lowbit-records.jsonl"))
    assert all(path.parent.name == "shipped" and not Log(path).read().bad for path in shipped)
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_file() == tmp_path / ".local" / "share" / "lowbit" / "records.jsonl"
