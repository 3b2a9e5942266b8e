"""What kills a process kills a child, and is told in a sentence."""

import os
import signal
import sys
from collections.abc import Callable

import numpy as np
import pytest

from lowering.backend.emit import emit_object
from lowering.backend.isolate import (
    IsolationError,
    Limits,
    Worker,
    call_isolated,
    emit_object_isolated,
)
from lowering.backend.machine import BackendError
from lowering.backend.translate import Translated
from microkernels.target import TARGETS, Target

V3 = TARGETS["x86-64-v3"]
JOBS = """
import os, resource, signal, sys, time

def echo(data):
    print("this must not reach the pipe")
    os.write(1, b"nor this")
    return data[::-1]

def pid(data): return str(os.getpid()).encode()
def die(data): os.kill(os.getpid(), int(data))
def leave(data):
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)
def refuse(data): raise KeyError("what")
def wait(data): time.sleep(60)
def spin(data):
    while True: pass
def eat(data): return bytes(1 << 40)
def core(data): return str(resource.getrlimit(resource.RLIMIT_CORE)).encode()
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "isolated_jobs.py").write_text(JOBS)
    sys.path.append(str(folder))
    yield "isolated_jobs"
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def worker(jobs: str):
    with Worker() as worker:
        yield worker


def test_a_function_is_called(worker: Worker, jobs: str):
    assert worker.call(f"{jobs}:echo", b"abc" * 100_000) == b"cba" * 100_000
    assert worker.call(f"{jobs}:core", b"") == b"(0, 0)"
    assert int(worker.call(f"{jobs}:pid", b"")) != os.getpid()


@pytest.mark.parametrize(
    ("job", "data", "message"),
    [
        ("die", b"11", "died by SIGSEGV"),
        ("die", b"6", "died by SIGABRT"),
        ("leave", b"", "ended with exit code 3: last words"),
    ],
)
def test_a_death_is_told_and_survived(
    worker: Worker, jobs: str, job: str, data: bytes, message: str
):
    with pytest.raises(IsolationError, match=message) as death:
        worker.call(f"{jobs}:{job}", data)
    assert death.value.raised == ""
    assert worker.call(f"{jobs}:echo", b"on") == b"no"


def test_an_exception_leaves_the_worker_alive(worker: Worker, jobs: str):
    before = worker.call(f"{jobs}:pid", b"")
    with pytest.raises(IsolationError, match="KeyError: 'what'") as error:
        worker.call(f"{jobs}:refuse", b"")
    assert error.value.raised == "KeyError"
    with pytest.raises(IsolationError, match="ModuleNotFoundError"):
        worker.call("no_such_module:f", b"")
    with pytest.raises(IsolationError, match="MemoryError"):
        worker.call(f"{jobs}:eat", b"")
    assert worker.call(f"{jobs}:pid", b"") == before


def test_limits_end_what_does_not_end(worker: Worker, jobs: str):
    with pytest.raises(IsolationError, match=r"wait was stopped after 0\.2 s"):
        worker.call(f"{jobs}:wait", b"", Limits(seconds=0.2))
    with pytest.raises(IsolationError, match="died by SIGXCPU"):
        worker.call(f"{jobs}:spin", b"", Limits(seconds=30, cpu_seconds=0))


def test_a_worker_is_replaced_when_it_grows_old(jobs: str):
    with Worker(recycle=2) as worker:
        served = [worker.call(f"{jobs}:pid", b"") for _ in range(3)]
    assert served[0] == served[1] != served[2]


def test_a_closed_worker_leaves_no_process(jobs: str):
    worker = Worker()
    pid = int(worker.call(f"{jobs}:pid", b""))
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)
    worker.close()


def test_an_interrupted_call_does_not_answer_the_next(jobs: str, monkeypatch: pytest.MonkeyPatch):
    from lowering.backend import isolate

    def interrupt(*_: object):
        raise KeyboardInterrupt

    with Worker() as worker:
        worker.call(f"{jobs}:echo", b"")
        monkeypatch.setattr(isolate, "_sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            worker.call(f"{jobs}:wait", b"old")
        monkeypatch.undo()
        assert worker.call(f"{jobs}:echo", b"new") == b"wen"


def _ir(body: str, declarations: str = "") -> Translated:
    head = f'target triple = "{V3.triple}"\n'
    return Translated(f"{head}{declarations}\ndefine void @f(ptr %p) {{\n{body}\nret void\n}}", {})


CRASHES = {
    "an operation of another machine": (
        _ir(
            "%x = load <16 x i8>, ptr %p\n"
            "%y = call <8 x i16> @llvm.aarch64.neon.uaddlp.v8i16.v16i8(<16 x i8> %x)\n"
            "store <8 x i16> %y, ptr %p",
            "declare <8 x i16> @llvm.aarch64.neon.uaddlp.v8i16.v16i8(<16 x i8>)",
        ),
        "LLVM ERROR: Cannot select",
    ),
    "an operation that the target lacks": (
        _ir(
            "%x = load <16 x i32>, ptr %p\n"
            "%y = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512("
            "<16 x i32> %x, <16 x i32> %x, <16 x i32> %x)\n"
            "store <16 x i32> %y, ptr %p",
            "declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <16 x i32>, <16 x i32>)",
        ),
        "(LLVM ERROR|died by)",
    ),
    "bad inline assembly": (
        _ir('call void asm sideeffect "no such instruction", ""()'),
        "exit code 1: error: <inline asm>:1:",
    ),
}


@pytest.mark.parametrize("name", list(CRASHES))
def test_what_would_end_the_process_is_an_error(worker: Worker, name: str):
    translated, message = CRASHES[name]
    with pytest.raises(IsolationError, match=message):
        emit_object_isolated(translated, V3, worker=worker)


def test_isolated_objects_are_the_same(
    worker: Worker, table: Callable[..., Translated], add: Callable[[Target], Translated]
):
    translated = table(V3, np.arange(50, dtype=np.int32))
    assert emit_object_isolated(translated, V3, worker=worker) == emit_object(translated, V3)
    assert emit_object_isolated(add(V3), V3) == emit_object(add(V3), V3)
    with pytest.raises(BackendError, match="LLVM refuses the module"):
        emit_object_isolated(Translated("define", {}), V3, worker=worker)
    with pytest.raises(BackendError, match=r"undefined in the object: llvm\.foo"):
        emit_object_isolated(
            _ir("call void @llvm.foo(ptr %p)", "declare void @llvm.foo(ptr)"), V3, worker=worker
        )


def test_one_call_alone(jobs: str):
    assert call_isolated(f"{jobs}:echo", b"12", Limits(seconds=20)) == b"21"
