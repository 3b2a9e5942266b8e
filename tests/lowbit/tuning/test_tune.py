"""`lowbit.tune` and `lowbit tune` round a tuner that draws nothing: what they take, keep and print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pages import read
from tuning_runs import measured

import lowbit
from autotune.events import Best, Event, Finished, Started, Tried
from autotune.log import Log
from autotune.outcome import Failed, Measured
from autotune.rates import Rates
from autotune.records import query, ranked, user_file
from lowbit.command import main
from lowbit.tuning.asked import Asked
from lowbit.tuning.subjects import Subject, fused, limits, subjects_of
from lowbit.tuning.tune import Listener
from lowbit_dialect.schedule import Schedule

FOUND = Schedule(pixels=2)


class Tuner:
    """Finds `FOUND` for every layer but the last, of which everything fails."""

    def __init__(self) -> None:
        self.asked: Asked | None = None
        self.interrupted = False

    def __call__(
        self,
        program: lowbit.Program,
        subjects: Sequence[Subject],
        asked: Asked,
        listen: Listener,
    ) -> None:
        self.asked = asked
        layers = tuple(subject.layer(1e-6) for subject in subjects)
        listen(Started(layers, asked.strategy, asked.trials * len(layers), asked.time_budget, 1))
        *good, bad = layers
        best: list[Best] = []
        for layer in good:
            for schedule, seconds in ((Schedule(pixels=1), 4e-6), (FOUND, 2e-6)):
                listen(
                    Tried(layer.name, schedule, measured(seconds), 1, 0.5, seconds, None, "random")
                )
            best.append(Best(layer.name, FOUND, 2e-6, 4e-6))
        listen(Tried(bad.name, FOUND, Failed("crash", "signal 11"), 1, 1.0, None, None, "random"))
        if self.interrupted:
            raise KeyboardInterrupt
        listen(Finished(tuple(best), "trials"))


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch) -> Tuner:
    tuner = Tuner()
    monkeypatch.setattr("lowbit.tuning.tune.search", tuner)
    monkeypatch.setattr(Rates, "median", Rates.sample)
    return tuner


@pytest.fixture(scope="module")
def network() -> lowbit.Program:
    """Two equal layers, thresholds between them, and another."""
    program, rng = lowbit.Program(), np.random.default_rng(0)
    x = program.input((1, 5, 5, 32), "uint2", name="x")
    table = program.constant(np.sort(rng.integers(-9, 9, (32, 3)), 1), "i32")
    for name in ("first", "second"):
        w = program.constant(2 * rng.integers(0, 2, (3, 3, 32, 32)) - 1, "odd1")
        x = program.threshold(program.conv2d(x, w, padding=1), table, "uint2")
        x.name_hint = name
    y = program.conv2d(x, program.constant(2 * rng.integers(0, 2, (1, 1, 32, 8)) - 1, "odd1"))
    y.name_hint = "last"
    program.output(y)
    return program


def test_the_program_that_is_returned_has_the_schedules(
    network: lowbit.Program, tuner: Tuner
) -> None:
    heard: list[Event] = []
    before = str(network)
    tuned = lowbit.tune(network, trials=7, progress=heard.append)
    assert str(network) == before
    assert [(type(one).__name__) for one in heard] == ["Started", *["Tried"] * 5, "Finished"]
    assert tuner.asked is not None and tuner.asked.trials == 7
    assert [one.layer for one in tuned.layers] == ["first", "second"] and tuned.untuned == ("last",)
    assert str(tuned.program).count("#lowbit.schedule<pixels = 2>") == 2
    x = np.random.default_rng(1).integers(0, 4, (1, 5, 5, 32))
    kernel = lowbit.compile(lowbit.parse(f"{tuned.program}\n"))
    assert [schedule.pixels for _, schedule in kernel.schedules[:2]] == [2, 2]
    assert np.array_equal(kernel(x), lowbit.reference(network, x))


def test_layers_with_the_same_key_are_one_subject() -> None:
    program = lowbit.Program()
    for name in ("a", "b"):
        x = program.input((2, 64), "uint1", name=f"x{name}")
        y = program.dense(x, program.input((64, 8), "odd1", name=f"w{name}", constant=True))
        y.name_hint = name
        program.output(y)
    (subject,) = subjects_of(fused(program))
    assert subject.name == "a" and len(subject.ops) == 2
    assert subject.layer(0.5).op == "dense uint1 x odd1: 2x64 to 8"
    assert subject.work.bytes_read == (2 * 64 + 64 * 8) // 8
    (limit,) = limits({"a": subject.work}, lowbit.Target.parse("x86-64")).values()
    assert limit > 0
    subject.pin(FOUND)
    assert all(op.schedule and op.schedule.data == FOUND for op in subject.ops)


def test_a_layer_that_pins_its_schedule_keeps_it(network: lowbit.Program, tuner: Tuner) -> None:
    again = lowbit.tune(lowbit.tune(network).program)  # of which the last layer has none
    assert again.layers == () and again.untuned == ("last",)
    assert str(again.program).count("#lowbit.schedule<pixels = 2>") == 2
    (last,) = subjects_of(again.program)
    last.pin(FOUND)
    with pytest.raises(
        ValueError, match=r"^there is nothing to tune: every layer pins its schedule"
    ):
        lowbit.tune(again.program)


def test_an_interrupt_keeps_what_was_found(network: lowbit.Program, tuner: Tuner) -> None:
    tuner.interrupted = True
    tuned = lowbit.tune(network)
    assert tuned.why == "interrupted" and [one.time_us for one in tuned.layers] == [2.0, 2.0]
    assert str(tuned.program).count("#lowbit.schedule<pixels = 2>") == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trials": 0}, "trials is a whole number of at least 1, not 0"),
        ({"workers": 0}, "workers is a whole number of at least 1, not 0"),
        ({"seed": -1}, "seed is a whole number of at least 0, not -1"),
        ({"time_budget": 0}, "time_budget is a number of seconds above 0, not 0"),
        ({"time_budget": float("nan")}, "time_budget is a number of seconds above 0, not nan"),
        (
            {"strategy": "luck"},
            "unknown strategy 'luck': the strategies are guided, evolutionary, ran",
        ),
        ({"threads": 0}, "threads is a whole number of at least 1, not 0"),
        ({"threads": 1000}, "1000 threads cannot be timed: this process may use "),
        (
            {"correction": True, "strategy": "random"},
            "correction is of the model's first choices: use strategy='guided'",
        ),
        ({"log": 3}, "log is 3: expected str or Path"),
        ({"runner": "ssh:a", "threads": 2}, "a runner times one thread: leave out threads"),
        (
            {"runner": "ssh:a", "cluster": "tcp://b"},
            "a runner is one board and measures alone: leave out cluster",
        ),
        (
            {"runner": "ssh:a", "workers": 2},
            "a runner is one board and measures alone: leave out workers",
        ),
        ({"target": "znver9"}, "unknown target 'znver9'; did you mean"),
    ],
)
def test_what_cannot_be_asked_for(
    given: dict[str, object], message: str, network: lowbit.Program
) -> None:
    with pytest.raises(ValueError) as refusal:
        lowbit.tune(network, **given)  # type: ignore[arg-type]
    assert str(refusal.value).startswith(message)


def test_without_layers_there_is_nothing_to_tune() -> None:
    program = lowbit.Program()
    program.output(program.max_pool(program.input((1, 4, 4, 8), "uint2"), 2))
    with pytest.raises(
        ValueError, match=r"^there is nothing to tune: the program has no conv2d and"
    ):
        lowbit.tune(program)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: lowbit.Program) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(str(network))
    return tmp_path


@pytest.mark.usefixtures("folder")
class TestCommand:
    def test_a_program(self, tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
        options = (
            "--trials 5 --strategy random --time-budget 3 --workers 2 --seed 4 --resume --threads 1"
        )
        files = "--log tuned.jsonl -o tuned.mlir --report page.html"
        assert main(["tune", "net.mlir", *options.split(), *files.split()]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        table = captured.out.splitlines()
        assert table[0].startswith("layer") and table[1].split()[:2] == ["first", "2.00"]
        assert table[-1].startswith("2 layers tuned in 1 s, 5 candidates, 1 of them failed: 4 us")
        asked = tuner.asked
        assert asked is not None
        assert (asked.trials, asked.strategy, asked.time_budget) == (5, "random", 3.0)
        assert (asked.workers, asked.seed, asked.resume, asked.threads) == (2, 4, True, 1)
        assert asked.log == Path("tuned.jsonl")
        assert Path("tuned.mlir").read_text().count("pixels = 2") == 2
        assert "lowbit tune: net.mlir" in read(Path("page.html").read_text()).texts

    def test_a_suite(self, tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
        layers = (
            "--suite",
            "resnet18",
            "--layer",
            "C11",
            "--layer",
            "C12",
            "--report",
            "page.html",
        )
        assert main(["tune", *layers, "--activation", "uint2", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["layer"] for one in told["layers"]] == ["C11"] and told["untuned"] == ["C12"]
        assert told["layers"][0]["op"] == "conv2d 1x1/2x2 uint2 x uint1: 1x14x14x256 to 512"
        assert told["machine"]["cpu"] and told["strategy"] == "guided"
        assert "lowbit tune: resnet18, uint2 x uint1" in read(Path("page.html").read_text()).texts

    def test_an_interrupt(self, tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
        tuner.interrupted = True
        assert main(["tune", "net.mlir", "-o", "tuned.mlir"]) == 130
        assert (
            ", interrupted before the best were timed again, 5 candidates"
            in capsys.readouterr().out
        )
        assert Path("tuned.mlir").read_text().count("pixels = 2") == 2

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("tune net.mlir --trials 0", "trials is a whole number of at least 1, not 0"),
            ("tune net.mlir --weight i8", "--weight is for a --suite: a program has its own"),
            (
                "tune --suite dense --batch 2",
                "--batch is for a program: leave it out for a --suite",
            ),
            ("tune --suite dense --layer D1", "dense has no layer 'D1': it has D1024b1, "),
            ("tune net.mlir --report /none/x", "/none/x: No such file or directory"),
            ("tune net.mlir -o /none/x", "/none/x: No such file or directory"),
        ],
    )
    def test_errors(
        self, line: str, message: str, tuner: Tuner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(line.split()) == 1
        assert capsys.readouterr().err.startswith(f"lowbit: error: {message}")

    def test_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        for line in ("tune", "tune net.mlir --suite dense", "tune net.mlir --strategy luck"):
            assert main(line.split()) == 2


def test_a_layer_is_tuned_indeed(tmp_path: Path) -> None:
    program = lowbit.dense((4, 96), (96, 20), "uint2", "odd1")
    log = tmp_path / "log.jsonl"
    tuned = lowbit.tune(program, trials=10, workers=1, log=log)
    assert tuned.why == "trials" and tuned.trials == 10 and not tuned.failed
    names = [one.strategy for one in Log(log).read().records]
    assert list(dict.fromkeys(names)) == ["default", "model", "guided"]
    assert names.count("model") >= 7
    assert all(one.predicted and one.predicted > 0 for one in tuned.course.tried)
    (layer,) = tuned.layers
    assert layer.time_us > 0 and layer.schedule.microkernel
    x = np.random.default_rng(0).integers(0, 4, (4, 96))
    w = 2 * np.random.default_rng(1).integers(0, 2, (96, 20)) - 1
    kernel = lowbit.compile(tuned.program)
    assert [schedule for _, schedule in kernel.schedules] == [layer.schedule]
    assert np.array_equal(kernel(x, w), lowbit.reference(program, x, w))
    again = lowbit.tune(program, trials=2, workers=1, log=log, resume=True, correction=True)
    assert again.trials == 2 and len(Log(log).read().records) == 12


def test_records_of_one_thread_and_of_two_never_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(
        "lowbit.tuning.asked.usable_cores", lambda: 2
    )  # fewer are slower, but right
    program = lowbit.conv2d((1, 14, 14, 32), (3, 3, 32, 32), "uint2", "odd1", padding=1)
    found = {n: lowbit.tune(program, trials=3, threads=n, workers=1) for n in (1, 2)}
    records = Log(user_file()).read().records
    assert [one.threads for one in records] == [1] * 3 + [2] * 3, records[-1].outcome
    assert all(("parallel = none" in one.schedule) == (one.threads == 1) for one in records)
    for threads, tuned in found.items():
        fastest = ranked(query(records, threads=threads))[0].schedule
        kernel = lowbit.compile(program, schedule="records", threads=threads)
        assert str(kernel.schedules[0][1]) == fastest
        (layer,) = tuned.layers
        assert layer.limit_us > 0 and (layer.schedule.parallel == "none") == (threads == 1)


def test_layers_are_timed_inside_their_program(network: lowbit.Program, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    tuned = lowbit.tune(network, trials=2, strategy="random", workers=1, log=log)
    assert tuned.program_us and tuned.program_default_us and tuned.program_us > 0
    assert "; the program takes " in tuned.summary() and not tuned.untuned
    assert {one.strategy for one in Log(log).read().records} == {"default", "random"}
    x = np.random.default_rng(1).integers(0, 4, (1, 5, 5, 32))
    assert np.array_equal(lowbit.compile(tuned.program)(x), lowbit.reference(network, x))


def test_what_was_fast_for_a_like_layer_is_tried_first(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    first, second = (lowbit.dense((4, size), (size, 20), "uint2", "odd1") for size in (96, 200))
    lowbit.tune(first, trials=3, strategy="random", workers=1, log=log)
    lowbit.tune(second, trials=2, strategy="evolutionary", workers=1, log=log)
    tried: dict[str, dict[str, float]] = {}
    for one in Log(log).read().records:
        assert isinstance(one.outcome, Measured)
        tried.setdefault(one.op, {})[one.schedule] = one.outcome.relative
    of_first, of_second = tried.values()
    assert min(of_first, key=lambda one: of_first[one]) in of_second


def test_code_for_other_machines_is_not_tuned_here(
    network: lowbit.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lowbit.tuning.tune.missing_on_host", lambda target: "it lacks beads")
    with pytest.raises(
        ValueError,
        match=r"^x86-64 cannot be tuned on this machine: it lacks beads; --runner ssh:HOST ",
    ):
        lowbit.tune(network, "x86-64")
