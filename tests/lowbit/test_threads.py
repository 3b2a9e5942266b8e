"""Threads from the front door: the same bits for any number, from several callers, whatever is pinned."""

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lowbit
from lowbit.command import main
from lowbit.signature import inputs_of
from lowbit_dialect.example_arrays import random_values
from lowbit_dialect.schedule import CHOICES
from lowering.backend import pool as pools


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teams of up to three threads, on a machine of any size: slow where there are fewer cores, but right."""
    monkeypatch.setattr(pools, "usable_cores", lambda: 3)


def arrays_of(program: lowbit.Program, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    types = [one.type for one in inputs_of(program)]
    return [random_values(tuple(t.get_shape()), t.element_type, rng) for t in types]


def network() -> lowbit.Program:
    """A network with ops of every kind of loop, and a sum of floats."""
    rng, p = np.random.default_rng(0), lowbit.Program()
    x = p.input((2, 18, 16, 5), "uint2", name="x")
    w = p.input((3, 3, 5, 40), "odd1", name="w", constant=True)
    y = p.conv2d(x, w, padding=1)
    steps = np.sort(rng.integers(-9, 9, (40, 3)), axis=1).astype(np.int32)
    codes = p.threshold(y, p.constant(steps, "i32"), "uint2")
    pooled = p.max_pool(codes, 2, strides=2)
    flat = p.reshape(p.transpose(pooled, (0, 3, 1, 2)), (2, 2880))
    real = p.requantize(flat, p.constant(np.float32([0.37]), "f32"), "f32")
    weights = p.constant(rng.standard_normal((2880, 10)).astype(np.float32), "f32")
    p.output(p.dense(real, weights), codes)
    return p


@pytest.mark.parametrize("threads", [2, 3])
def test_the_same_bits(threads: int) -> None:
    program = network()
    alone, several = lowbit.compile(program), lowbit.compile(program, threads=threads)
    assert (alone.threads, several.threads) == (1, threads)
    for seed in range(20):
        arrays = arrays_of(program, seed)
        for one, other in zip(alone(*arrays), several(*arrays)):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("parallel", CHOICES["parallel"])
def test_a_pinned_axis(parallel: str) -> None:
    program = lowbit.conv2d((1, 6, 5, 40), (3, 3, 40, 70), "uint2", "ternary", padding=1)
    schedule = lowbit.Schedule(algorithm="direct", vectors=1, parallel=parallel)
    kernel = lowbit.compile(program, schedule=schedule, threads=2)
    assert kernel.schedules[0][1].parallel == parallel
    arrays = arrays_of(program)
    assert np.array_equal(kernel(*arrays), lowbit.reference(program, *arrays))
    assert [extent for _, extent in kernel.code.tasks][-1] == {"none": 1, "rows": 6}.get(
        parallel, kernel.code.tasks[-1][1]
    )


def test_several_callers_at_once() -> None:
    program = network()
    kernel = lowbit.compile(program, threads=2)
    inputs = [arrays_of(program, seed) for seed in range(8)]
    expected = [lowbit.compile(program)(*arrays) for arrays in inputs]
    with ThreadPoolExecutor(4) as callers:
        results = list(callers.map(lambda arrays: kernel(*arrays), inputs * 20))
    for number, result in enumerate(results):
        assert all(map(np.array_equal, result, expected[number % len(inputs)]))


def test_a_bound_call_outlives_its_kernel() -> None:
    program = lowbit.dense((64, 256), (256, 256), "uint1", "uint1")
    arrays = arrays_of(program)
    bound = lowbit.compile(program, threads=2).bind(*arrays)
    gc.collect()
    for _ in range(100):
        bound()
    assert np.array_equal(bound.results[0], lowbit.reference(program, *arrays))


def test_one_usable_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "usable_cores", lambda: 1)
    program = lowbit.dense((64, 256), (256, 256), "uint1", "uint1")
    kernel, arrays = lowbit.compile(program, threads=4), arrays_of(program)
    assert kernel.threads == 1 and kernel.threads_reason == "this process may use 1 core"
    assert np.array_equal(kernel(*arrays), lowbit.reference(program, *arrays))


def test_why_fewer_threads_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "usable_cores", lambda: 80)
    tasks = [("a", 3), ("b", 1000)]
    assert pools.team_size(tasks, 64) == (64, "")
    assert pools.team_size(tasks, 100) == (64, "64 take part at most")
    assert pools.team_size(tasks[:1], 9) == (3, "no task has more than 3 parts")
    assert pools.team_size([("a", 1)], 9) == (1, "nothing in the program is worth sharing out")
    monkeypatch.setattr(pools, "usable_cores", lambda: 2)
    assert pools.team_size(tasks, 9) == (2, "this process may use 2 cores")


def test_what_is_too_small_to_share() -> None:
    program = lowbit.dense((1, 64), (64, 512), "uint1", "uint1")
    assert lowbit.compile(program, threads=2).threads == 1
    pinned = lowbit.compile(program, threads=2, schedule=lowbit.Schedule(parallel="channels"))
    assert pinned.threads == 2


def test_a_program_that_computes_nothing() -> None:
    program = lowbit.Program()
    program.output(program.input((2, 3), "uint2", name="x"))
    values = np.arange(6).reshape(2, 3) % 4
    assert np.array_equal(lowbit.compile(program, threads=2)(values), values)


def test_functions_whose_names_look_like_those_of_parts() -> None:
    program = lowbit.parse(
        "".join(
            f"""func.func @{name}(%x: tensor<64x8xf32>, %s: tensor<8xf32>) -> tensor<64x8xf32> {{
              %y = lowbit.mul %x, %s : tensor<64x8xf32>, tensor<8xf32> -> tensor<64x8xf32>
              func.return %y : tensor<64x8xf32>
            }}
            """
            for name in ("main", "main_task", "main_pack")
        )
    )
    kernel, arrays = lowbit.compile(program, threads=2), arrays_of(program)
    assert [symbol for symbol, _ in kernel.code.tasks] == ["main_task0", "main_task1"]
    assert kernel.signature.pack is None
    assert np.array_equal(kernel(*arrays), lowbit.reference(program, *arrays))


def test_one_thread_has_no_tasks() -> None:
    program = lowbit.dense((64, 256), (256, 256), "uint1", "uint1")
    assert "_task" not in lowbit.compile(program).ir("loops")
    assert "@main_task0" in lowbit.compile(program, threads=2).ir("loops")


def test_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program = lowbit.dense((64, 256), (256, 256), "uint1", "uint1")
    Path("net.mlir").write_text(str(program.module))
    x, w = arrays_of(program)
    np.save("x.npy", x)
    np.save("w.npy", w)
    files = ["--input", "x.npy", "--input", "w.npy", "--output", "y.npz"]
    assert main(["run", "net.mlir", *files, "--threads", "2"]) == 0
    (y,) = np.load("y.npz").values()
    assert np.array_equal(y, lowbit.reference(program, x, w))
    capsys.readouterr()
    assert main(["compile", "net.mlir", "--threads", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threads"] == 2
    assert main(["compile", "net.mlir", "--threads", "2", "--emit", "loops"]) == 0
    assert "@main_task0" in capsys.readouterr().out
    assert main(["bench", "--conv2d", "16 16 64 64 3 1 1", "--threads", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"][0]["threads"] == 2 and told["machine"]["hand_over_us"] > 0
    assert main(["run", "net.mlir", *files, "--threads", "-1"]) == 1
    assert "threads is a whole number of at least 1, not -1" in capsys.readouterr().err
