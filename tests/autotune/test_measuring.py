"""Measure candidates in workers: those that are right, and those that do their worst."""

import gc
import os
import time
from dataclasses import replace
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
from xdsl.context import Context

import lowbit
from autotune.candidate import Plan, compile_candidate, linear_of, linears_of
from autotune.measuring import Measurer, MeasuringError, Subject, failure_of
from autotune.measuring_worker import Station
from autotune.outcome import Failed, Measured
from autotune.plan import LowbitPlanPass
from autotune.stopwatch import Effort, Placed
from autotune.stopwatch import measure as measure_time
from autotune.workbench import Workbench, Wrong
from lowbit_dialect.schedule import Schedule
from lowering.backend import pool as pools
from lowering.backend.host import host_target
from lowering.backend.isolate import IsolationError

SUPPORT = str(Path(__file__).parents[1] / "support")


@pytest.fixture(autouse=True)
def support(monkeypatch: pytest.MonkeyPatch):
    """The job of hostile candidates is found by its name, in workers too."""
    monkeypatch.syspath_prepend(SUPPORT)


def layer(activation: str = "uint2", weight: str = "odd1", size: int = 5) -> str:
    return str(lowbit.conv2d((1, size, size, 32), (3, 3, 32, 32), activation, weight, padding=1))


def planned(bench: Workbench) -> Schedule:
    module = bench.graph.clone()
    LowbitPlanPass(target=str(bench.target)).apply(Context(), module)
    op = linear_of(module)
    assert op.schedule is not None
    return op.schedule.data


def alive(measurer: Measurer) -> list[int]:
    processes = [hand.worker.pid for hand in measurer._hands]  # pyright: ignore[reportPrivateUsage]
    return [pid for pid in processes if pid is not None]


def test_every_end_is_a_typed_outcome_and_the_caller_lives():
    from hostile_candidates import HOSTILE, JOB, LIMITS, subject

    names = list(HOSTILE)
    schedules = [Schedule(pixels=1 + number) for number in range(len(names))]
    with Measurer(subject(), job=JOB, limits=LIMITS) as measurer:
        outcomes = dict(measurer.measure(schedules))
        # The processes that died are replaced, and no candidate has been tried twice.
        ((_, again),) = measurer.measure(schedules[:1])
    assert list(outcomes) == schedules
    for schedule, outcome in outcomes.items():
        name = names[schedule.pixels - 1]
        end = outcome.kind if isinstance(outcome, Failed) else "measured"
        assert end in HOSTILE[name][1], (name, outcome)
    wrong = outcomes[schedules[names.index("wrong result")]]
    assert isinstance(wrong, Failed) and "the first, at [0, 0, 0, 0]" in wrong.message
    assert isinstance(again, Measured)


def test_candidates_are_measured_by_several_workers_which_grow_old():
    target = host_target()
    program = layer()
    bench = Workbench(program, target)
    schedule = planned(bench)
    with Measurer(Subject(program), 2, recycle=3) as measurer:
        outcomes = list(measurer.measure([schedule] * 7))
        other = Subject(layer("uint1", "uint1"))
        outcomes += list(measurer.measure([planned(Workbench(other.program, target))], other))
        pids = alive(measurer)
    assert len(outcomes) == 8
    for _, outcome in outcomes:
        assert isinstance(outcome, Measured), outcome
        assert outcome.seconds > 0 and outcome.relative > 0 and outcome.spread >= 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_candidate_runs_on_two_threads():
    schedule = replace(planned(Workbench(layer(), host_target())), parallel="rows")
    with Measurer(Subject(layer(), threads=2)) as measurer:
        ((_, outcome),) = measurer.measure([schedule])
    assert isinstance(outcome, Measured), outcome  # compared with the reference before


def test_a_call_on_threads_keeps_its_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "usable_cores", lambda: 2)  # fewer are slower, but right
    bench = Workbench(layer(size=14), host_target())
    schedule = replace(planned(bench), parallel="rows")
    candidate = compile_candidate(bench.graph, schedule, bench.target, 2)
    assert candidate.team is not None
    bench.check(candidate)
    placed = Placed(candidate, bench.memory(candidate))
    team = ref(candidate.team)
    del candidate
    gc.collect()
    assert team() is not None
    placed.run()
    del placed
    gc.collect()
    assert team() is None


def test_what_runs_on_two_threads_is_timed_beside_what_two_threads_would_run():
    one, two = (Station(Subject(layer(size=14), threads=n), "", Effort()) for n in (1, 2))
    (alone,), (shared,) = one.reference.schedules, two.reference.schedules
    assert shared == replace(alone, parallel=shared.parallel) != alone


def test_what_a_pass_refuses_is_an_outcome():
    bench = Workbench(layer(), host_target())
    with Measurer(Subject(layer())) as measurer:
        bad = Schedule.parse(str(planned(bench)).replace("microkernel = ", "microkernel = no_"))
        ((_, outcome),) = measurer.measure([bad])
    assert isinstance(outcome, Failed) and outcome.kind == "refused"
    assert "no_" in outcome.message


@pytest.mark.parametrize(
    "program", ["builtin.module {}", "nonsense", layer().replace("x5x", "x6x", 1)]
)
def test_a_layer_that_cannot_be_measured_is_told(program: str):
    with (
        Measurer(Subject(program)) as measurer,
        pytest.raises(MeasuringError, match="the layer cannot be measured: "),
    ):
        list(measurer.measure([Schedule()]))


def test_whoever_stops_looking_leaves_no_call_under_way():
    bench = Workbench(layer(), host_target())
    schedule = planned(bench)
    with Measurer(Subject(layer()), 2) as measurer:
        for _ in measurer.measure(schedule for _ in range(100)):
            break
        ((found, outcome),) = measurer.measure([schedule])
    assert found == schedule and isinstance(outcome, Measured)


def test_what_is_under_way_when_the_time_is_over_is_given_up():
    from hostile_candidates import HOSTILE, JOB, subject

    endless = Schedule(pixels=1 + list(HOSTILE).index("endless loop"))
    with Measurer(subject(), job=JOB) as measurer:
        assert len(list(measurer.measure([Schedule(pixels=1)]))) == 1
        started = time.monotonic()
        assert not list(measurer.measure([endless], until=started + 0.3))
        assert time.monotonic() - started < 5
        assert not alive(measurer)


def network() -> lowbit.Program:
    program, rng = lowbit.Program(), np.random.default_rng(0)
    x = program.input((1, 5, 5, 32), "uint2", name="x")
    table = program.constant(np.sort(rng.integers(-9, 9, (32, 3)), 1), "i32")
    w = program.input((3, 3, 32, 32), "odd1", name="w", constant=True)
    y = program.threshold(program.conv2d(x, w, padding=1), table, "uint2")
    v = program.constant(2 * rng.integers(0, 2, (1, 1, 32, 8)) - 1, "odd1")
    program.output(program.conv2d(y, v))
    return program


def test_a_whole_program_is_measured_by_plans():
    text = str(network())
    module = Workbench(text, host_target()).graph
    LowbitPlanPass().apply(Context(), module)
    plan = Plan(tuple(op.schedule.data for op in linears_of(module) if op.schedule))
    assert len(plan.schedules) == 2 and Plan.parse(str(plan)) == plan
    short = Plan(plan.schedules[:1])
    with Measurer(Subject(text)) as measurer:
        outcomes = dict(measurer.measure([plan, short]))
    assert isinstance(outcomes[plan], Measured)
    assert outcomes[short] == Failed("refused", "1 schedules are none for 2 ops that take one")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (IsolationError("a:f was stopped after 3 s", late=True), "timeout"),
        (IsolationError("a:f died by SIGXCPU", killer="SIGXCPU"), "timeout"),
        (IsolationError("a:f died by SIGKILL", killer="SIGKILL"), "memory"),
        (IsolationError("MemoryError: ", "MemoryError"), "memory"),
        (
            IsolationError("a:f died by SIGABRT: LLVM ERROR: out of memory", killer="SIGABRT"),
            "memory",
        ),
        (
            IsolationError("a:f died by SIGSEGV", killer="SIGSEGV", words="ran on ones data"),
            "bounds",
        ),
        (IsolationError("a:f died by SIGSEGV", killer="SIGSEGV", words="compiled x"), "crash"),
        (IsolationError("a:f ended with exit code 1"), "crash"),
    ],
)
def test_how_a_worker_ends_says_what_the_candidate_did(error: IsolationError, kind: str):
    assert failure_of(error).kind == kind


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("activation", "weight"), [("uint2", "odd1"), ("int4", "ternary"), ("f32", "f32")]
)
def test_a_candidate_is_compared_on_every_kind_of_data(activation: str, weight: str, threads: int):
    target = host_target()
    bench = Workbench(layer(activation, weight), target)
    candidate = compile_candidate(bench.graph, planned(bench), target, threads)
    assert not bench.knows(candidate.packing)
    bench.check(candidate)
    assert bench.knows(candidate.packing)
    # Packing is not compiled again.
    again = compile_candidate(bench.graph, planned(bench), target, threads, known=bench.knows)
    assert again.pack is None
    bench.check(again)
    memory = bench.memory(again)
    beside = [Placed(again, memory)]
    measured = measure_time(
        lambda: Placed(again, memory), beside, Effort(2, 2, 1e-5, 0.0), best=1e-3
    )
    assert measured.seconds > 0 and measured.spread == 0  # given up after the first allocation


@pytest.mark.parametrize(
    ("activation", "weight", "low", "high"),
    [
        ("i8", "i8", -1_000_000, 1_000_000),
        ("i8", "i8", 0, 5_000_000),
        ("!lowbit.odd<8>", "!lowbit.odd<8>", -2_000_000, 900_000),
        ("!lowbit.odd<8>", "!lowbit.int<8>", 0, 0),
    ],
)
def test_data_keep_what_a_program_promises(activation: str, weight: str, low: int, high: int):
    x, w, y = f"2x140000x{activation}", f"140000x3x{weight}", "2x3xi32"
    bench = Workbench(
        f"""func.func @main(%x: tensor<{x}>, %w: tensor<{w}> {{lowbit.constant}}) -> tensor<{y}> {{
          %y = lowbit.dense %x, %w {{range = array<i64: {low}, {high}>}}
            : tensor<{x}>, tensor<{w}> -> tensor<{y}>
          return %y : tensor<{y}>
        }}""",
        host_target(),
    )
    examples = bench.examples
    for example in examples:
        values, weights = (one.astype(np.int64) for one in example.inputs.values())
        products = values[:, :, None] * weights
        assert low <= np.minimum(products, 0).sum(1).min()
        assert np.maximum(products, 0).sum(1).max() <= high
    assert len({example.results[0].tobytes() for example in examples}) > 1 or high == 0


def test_a_wrong_result_names_the_first_element(monkeypatch: pytest.MonkeyPatch):
    target = host_target()
    bench = Workbench(layer(), target)
    candidate = compile_candidate(bench.graph, planned(bench), target)
    example = bench.examples[0]
    example.results[0].flat[40] += 1
    with pytest.raises(
        Wrong, match=r"result 0 on random data, right-flush: 1 of 800 .* \[0, 0, 1, 8\]"
    ):
        bench.check(candidate)
