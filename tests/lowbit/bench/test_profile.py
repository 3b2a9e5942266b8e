"""A profile is of the program's own layers. How fast they are, no test asks."""

from __future__ import annotations

import dataclasses
import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pages import MACHINE, read

import lowbit
from lowbit.bench import timing
from lowbit.bench.benchmark import PeerTime
from lowbit.bench.graph import Box, graph
from lowbit.bench.profile import Marked, Profile, marked, profile_json
from lowbit.bench.profile_report import profile_page
from lowbit.bench.timing import Timer, Times
from lowbit.command import main
from lowbit.commands import bench_command
from lowering.backend.host import host_target


@pytest.fixture(scope="module")
def network() -> lowbit.Program:
    """Two layers, a residual between codes, weights given and part of the program."""
    program, rng = lowbit.Program(), np.random.default_rng(0)
    x = program.input((1, 6, 6, 32), "uint2", name="x")
    w = program.input((3, 3, 32, 32), "odd1", name="w", constant=True)
    y = program.threshold(
        program.conv2d(x, w, padding=1),
        program.constant(np.sort(rng.integers(-9, 9, (32, 3)), 1), "i32"),
        "uint2",
    )
    y.name_hint = "first"
    v = program.constant(2 * rng.integers(0, 2, (1, 1, 32, 8)) - 1, "odd1")
    z = program.conv2d(y, v)
    z.name_hint = "second"
    program.output(z)
    return program


@pytest.fixture(scope="module")
def ready(network: lowbit.Program) -> Marked:
    return marked(network)


def test_parts_are_the_layers_as_they_run(ready: Marked):
    named = {part.layer: part for part in ready.parts}
    assert list(named)[-1] == "second"  # what is prepared for it may stand between
    first, second = named["first"], named["second"]
    assert first.op == second.op == "conv2d"
    assert first.shape == "1x6x6x32 uint2 by 3x3x32x32 odd1 to 1x6x6x32 uint2"
    assert first.macs == (6 * 3 - 2) ** 2 * 32 * 32
    assert second.work.products["i8"] == second.macs == 36 * 32 * 8
    assert first.kernel and f"microkernel = {first.kernel}" in first.schedule
    assert len(first.layouts) == 3


def test_a_schedule_of_a_row_runs_again(network: lowbit.Program, ready: Marked):
    for part in ready.parts:
        if part.schedule:
            schedule = lowbit.Schedule.parse(part.schedule)
            assert str(schedule) == part.schedule and lowbit.compile(network, schedule=schedule)


def test_layers_add_up_to_the_whole(ready: Marked, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "ROUNDS", 3)
    with Timer(host_target(), 0) as timer:
        profile = ready.profile(timer([ready.call], ready.rates))
    assert len(profile.rows) == len(ready.parts) and len(profile.runs_us) == timing.ALLOCATIONS
    assert sum(row.share for row in profile.rows) == pytest.approx(1, abs=0.01)
    # Each layer is a median of its own.
    assert sum(row.time_us for row in profile.rows) == pytest.approx(profile.time_us, rel=0.5)
    assert all(row.limited_by in row.part.work.rates for row in profile.rows)


def test_another_process_measures_the_same(ready: Marked):
    with Timer(host_target(), 1) as timer:
        times = timer([ready.call], ready.rates)
    assert len(times.calls[0]) == timing.ALLOCATIONS
    assert len(times.marks) == len(ready.parts) and set(times.rates) == set(ready.rates)


def invented(ready: Marked, *seconds: float) -> Profile:
    layers = len(ready.parts)
    rates = {name: [1e9] for name in ready.rates}
    return ready.profile(
        Times([list(seconds)], [[one / layers for one in seconds]] * layers, rates)
    )


def test_a_spread_is_from_the_least_to_the_most(ready: Marked):
    profile = invented(ready, 10e-6, 15e-6, 11e-6)
    assert (profile.time_us, profile.spread_us) == (11, 5)
    assert profile.runs_us == (10, 15, 11)


def test_the_page_is_well_formed_and_shows_every_row(ready: Marked):
    profile = invented(ready, 10e-6)
    longer = dataclasses.replace(profile.rows[0].part, layer="/layers/0/conv<1>")
    rows = (dataclasses.replace(profile.rows[0], part=longer), *profile.rows[1:])
    beside = (PeerTime("onnxruntime", "i8", 12.5, 0.1),)
    changed = dataclasses.replace(profile, rows=rows, peers=beside)
    texts = read(profile_page(MACHINE, "net.onnx", changed)).texts
    assert "Against onnxruntime" in texts and "12.5 us, 1.25x" in texts and "Graph" in texts
    assert "/layers/0/conv<1>" in texts and "second" in texts
    assert all(row.part.schedule in texts for row in rows if row.part.schedule)


def test_the_graph_shows_what_reads_what():
    program = lowbit.Program()
    x = program.input((1, 4, 4, 8), "int8", name="x")
    scale = program.constant(np.array([0.5], np.float32), "f32")
    names = ("trunk", "branch")
    values = [program.quantize(program.requantize(x, scale), scale, "int8") for _ in names]
    pooled = [program.max_pool(value, 2, strides=2) for value in values]
    for value, name in zip(pooled, names):
        value.name_hint = name
    total = program.add(*pooled)
    total.name_hint = "total"
    program.output(total)
    parts = marked(program).parts
    at = {part.layer: index for index, part in enumerate(parts)}
    assert set(parts[at["total"]].reads) == {at["trunk"], at["branch"]}
    boxes = [Box((part.layer, part.op), 0.5, part.reads, part.shape) for part in parts]
    picture = read(graph(boxes))
    assert picture.seen.count("path") == sum(len(part.reads) for part in parts) >= 3
    assert {"trunk", "branch", "total"} <= set(picture.texts)


def test_json_has_what_repeats_a_row(ready: Marked):
    told = json.loads(json.dumps(profile_json(invented(ready, 10e-6))))
    row = told["rows"][-1]
    assert {"layer", "op", "shape", "kernel", "schedule", "layouts", "work", "time_us"} <= set(row)
    assert {"share", "limit_us", "limited_by", "spread_us"} <= set(row)


class OneRate:
    """Stands for the rates of the machine, which take seconds to measure."""

    names = ("binary", "i8", "i16", "f32", "L1 read", "memory read")

    def median(self, name: str) -> float:
        return 1e9


@pytest.fixture
def file(network: lowbit.Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(bench_command, "prepared", lambda target: OneRate())
    Path("net.mlir").write_text(str(network))
    return "net.mlir"


def test_bench_prints_a_program_by_layers(file: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", file, "--processes", "0", "--report", "page.html"]) == 0
    lines = capsys.readouterr().out.splitlines()
    starts = [line.split()[0] for line in lines[2:]]
    assert starts[0] == "layer" and starts[-3:] == ["second", "sum", "whole"] and "first" in starts
    assert "lowbit bench: net.mlir" in Path("page.html").read_text()
    assert main(["bench", file, "--processes", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["complete"] and told["program"] == file and told["rows"][-1]["layer"] == "second"


def test_run_profiles_on_its_arrays(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(timing, "PROCESSES", 0)
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.integers(0, 4, (1, 6, 6, 32)))
    np.save("w.npy", 2 * rng.integers(0, 2, (3, 3, 32, 32)) - 1)
    command = ["run", file, "-i", "x.npy", "-i", "w.npy", "--profile"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("second: [1, 6, 6, 8] int32") and "\nwhole " in printed
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"]["rows"]
    for other in (["--reference"], ["--threads", "2"]):
        assert main([*command, *other]) == 1
        assert f"leave out {other[0]}" in capsys.readouterr().err


def test_an_interrupt_keeps_what_is_finished(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    whole = Timer.each

    def each(self: Timer, *given: object):
        yield from whole(self, *given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Timer, "each", each)
    assert main(["bench", file, "--processes", "0", "--json", "--report", "page.html"]) == 130
    told = json.loads(capsys.readouterr().out)
    assert not told["complete"] and told["rows"]
    assert "second" in Path("page.html").read_text()


def test_perf_is_told_the_names_of_layers(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    path = Path(f"/tmp/perf-{os.getpid()}.map")
    path.unlink(missing_ok=True)
    try:
        assert main(["bench", file, "--processes", "0", "--perf-map"]) == 0
        lines = [line.split(maxsplit=2) for line in path.read_text().splitlines()]
        named = {name: (int(start, 16), int(size, 16)) for start, size, name in lines}
        assert {"main", "main.first", "main.second"} <= set(named)
        spans = sorted(named.values())
        assert all(start + size <= after for (start, size), (after, _) in pairwise(spans))
    finally:
        path.unlink(missing_ok=True)
