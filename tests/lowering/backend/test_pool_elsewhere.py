"""Threads on other processors: the pool's code, and exported tasks, in programs that QEMU runs."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from boards import BOARDS, EMULATORS

import lowbit
from lowering.backend.emit import emit_object
from lowering.backend.machine import BackendError, generate_assembly
from lowering.backend.pool_code import CONTROL, IMPORTS, LINE, MOST_THREADS, SLEEPER, pool_ir
from lowering.backend.translate import Translated
from microkernels.target import Target

SUPPORT = Path(__file__).parents[2] / "support"
UNITS = 37


def network() -> lowbit.Program:
    """Two layers, which are several tasks."""
    rng = np.random.default_rng(0)
    program = lowbit.Program()
    x = program.input((1, 16, 16, 32), "uint2", name="x")
    w = program.constant(2 * rng.integers(0, 2, (3, 3, 32, 32)) - 1, "odd1")
    table = program.constant(np.sort(rng.integers(-40, 40, (32, 3)), 1), "i32")
    y = program.threshold(program.conv2d(x, w, padding=1), table, "uint2")
    v = program.constant(2 * rng.integers(0, 2, (1, 1, 32, 8)) - 1, "odd1")
    z = program.conv2d(y, v)
    z.name_hint = "y"
    program.output(z)
    return program


def ran(folder: Path, target: str, source: str, *objects: str) -> bytes:
    """What a program writes that is linked from a file of `tests/support` and objects."""
    compiler, emulator = EMULATORS[target]
    binary = folder / "program"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", f"-I{folder}"]
    files = [SUPPORT / source, *(folder / one for one in objects)]
    subprocess.run([compiler, *flags, *files, "-o", binary], check=True)
    done = subprocess.run([emulator, binary], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, f"{source} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def expected() -> bytes:
    """What this machine computes on one thread, and the reference."""
    program = network()
    x = np.resize(np.arange(4, dtype=np.uint8), (1, 16, 16, 32))
    y = lowbit.compile(program)(x)
    assert np.array_equal(y, lowbit.reference(program, x))
    return y.tobytes()


@pytest.mark.parametrize("target", BOARDS)
def test_exported_tasks_on_threads_of_a_program(target: str, tmp_path: Path):
    made = lowbit.export(network(), target, tmp_path, name="net", threads=2)
    assert [one for one in made.symbols if "_task" in one]
    assert ran(tmp_path, target, "tasks_main.c", "net.o") == expected()


@pytest.mark.parametrize("target", BOARDS[:1])
def test_the_pool_on_aarch64(target: str, tmp_path: Path):
    """A worker takes part, falls asleep and is woken; each unit is done once, and the bits are the same."""
    lowbit.export(network(), target, tmp_path, name="net", threads=2)
    machine = Target.parse(target)
    image = emit_object(Translated(pool_ir(machine), {}), machine, imports=IMPORTS)
    (tmp_path / "pool.o").write_bytes(image)
    sleeper = (1 + MOST_THREADS + 1) * LINE
    told = {
        "POOL_LINE": LINE,
        "POOL_BYTES": (4 + 2 * MOST_THREADS) * LINE,
        "SEMAPHORE_OF_1": sleeper + 8 * SLEEPER.index("semaphore"),
        "CORES": (1 + 2 * MOST_THREADS) * LINE,
        "UNITS": UNITS,
        **{name.upper(): CONTROL.index(name) for name in ("spin", "wake", "workers", "stop")},
    }
    lines = (f"#define {name} {value}\n" for name, value in told.items())
    (tmp_path / "pool.h").write_text("".join(lines))
    assert ran(tmp_path, target, "pool_main.c", "net.o", "pool.o") == expected()


def test_the_pool_calls_nothing_but_what_it_says():
    for target in ("rpi3", "x86-64"):
        machine = Target.parse(target)
        text = generate_assembly(pool_ir(machine), machine)
        assert ("yield" if target == "rpi3" else "pause") in text
        emit_object(Translated(pool_ir(machine), {}), machine, imports=IMPORTS)
    assert "CNTVCT_EL0" in generate_assembly(pool_ir(Target.parse("rpi3")), Target.parse("rpi3"))


def test_other_architectures_have_no_pool():
    with pytest.raises(BackendError, match="on x86_64 and aarch64, not on riscv64"):
        pool_ir(Target.parse("rv64gcv"))


def test_one_thread_exports_no_tasks(tmp_path: Path):
    lowbit.export(network(), "rpi3", tmp_path, name="net")
    assert "TASKS" not in (tmp_path / "net.h").read_text()
    with pytest.raises(ValueError, match="leave out layers or threads"):
        lowbit.export(network(), "rpi3", tmp_path, name="net", threads=2, layers=True)
    with pytest.raises(ValueError, match="threads is a whole number of at least 1"):
        lowbit.export(network(), "rpi3", tmp_path, name="net", threads=0)
