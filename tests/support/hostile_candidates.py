"""Candidates that do their worst, chosen by number: what a tuner must live through.

    python tests/support/hostile_candidates.py hostile 2000    each is a typed failure
    python tests/support/hostile_candidates.py cold 200        start, measure one, end
    python tests/support/hostile_candidates.py growth 5000     what the caller's process grows by

`measure` is the far side, called by name in a worker: the number is the `pixels` of the schedule.
"""

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import lowbit
from autotune.measuring import Measurer, Subject
from autotune.measuring_worker import answer
from autotune.outcome import Failed, Measured
from lowbit_dialect.schedule import Schedule
from lowering.backend.isolate import Limits
from lowering.backend.translate import Translated

JOB = "hostile_candidates:measure"
LIMITS = Limits(seconds=20, cpu_seconds=2, memory=512 << 20)
"""Processor time ends what is endless: seconds of a busy machine would end what only waits, too."""
_NEON = "<8 x i16> @llvm.aarch64.neon.uaddlp.v8i16.v16i8(<16 x i8>"


def _asm(text: str, constraints: str = "") -> Callable[[str], tuple[str, str]]:
    return lambda out: (f'call void asm sideeffect "{text}", "{constraints}"()', "")


def _store(offset: int) -> Callable[[str], tuple[str, str]]:
    return lambda out: (
        f"%hostile = getelementptr i8, ptr {out}, i64 {offset}\nstore i8 119, ptr %hostile",
        "",
    )


HOSTILE: dict[str, tuple[Callable[[str], tuple[str, str]], set[str]]] = {
    "honest": (lambda out: ("", ""), {"measured"}),
    "bad intrinsic": (
        lambda out: (
            f"%some = load volatile <16 x i8>, ptr {out}\n%wide = call {_NEON} %some)\n"
            f"store volatile <8 x i16> %wide, ptr {out}",
            f"declare {_NEON})",
        ),
        {"crash"},
    ),
    "no intrinsic": (
        lambda out: ("call void @llvm.no.such()", "declare void @llvm.no.such()"),
        {"compile"},
    ),
    "bad assembly": (_asm("no such instruction"), {"crash"}),
    "trap": (_asm("ud2"), {"crash"}),
    "endless loop": (_asm("1: jmp 1b"), {"timeout"}),
    "store before": (_store(-1), {"bounds"}),
    "store far off": (_store(1 << 40), {"bounds"}),
    "wrong result": (_store(0), {"wrong"}),
    "huge allocation": (
        lambda out: ("store i8 1, ptr @huge", f"@huge = global [{1 << 36} x i8] zeroinitializer"),
        {"memory", "compile"},
    ),
    "huge frame": (
        lambda out: (f"%frame = alloca i8, i64 {1 << 33}\nstore volatile i8 1, ptr %frame", ""),
        {"bounds"},
    ),
    "memory while running": (
        _asm(
            "1: movl $$9, %eax; xorl %edi, %edi; movl $$0x1000000, %esi; movl $$3, %edx; "
            "movl $$0x22, %r10d; movq $$-1, %r8; xorl %r9d, %r9d; syscall; "
            "cmpq $$-4096, %rax; ja 2f; movb $$1, (%rax); jmp 1b; 2:",
            "~{rax},~{rcx},~{rdx},~{rsi},~{rdi},~{r8},~{r9},~{r10},~{r11},~{memory}",
        ),
        {"memory"},
    ),
    # A second until memory is full, several on a busy core.
    "memory while compiling": (_asm(f".space {1 << 33}"), {"memory", "timeout"}),
    "leaves": (_asm("movl $$231, %eax; xorl %edi, %edi; syscall", "~{rax},~{rdi}"), {"crash"}),
}
"""What is added to the code, given the name of the pointer to the result, and what it may end as."""


def measure(request: bytes) -> bytes:
    asked = json.loads(request)
    make, _ = list(HOSTILE.values())[Schedule.parse(asked["schedule"]).pixels - 1]

    def edit(code: Translated) -> Translated:
        head = re.search(r'define void @"main"\((.*)\)', code.ir)
        assert head is not None
        *_, out, _ = re.findall(r'%"[^"]*"', head[1])  # the last pointer is the arena
        body, declared = make(out)
        end = code.ir.index("  ret void", head.end())
        ir = f"{code.ir[:end]}{body}\n{code.ir[end:]}\n{declared}\n"
        return replace(code, ir=ir)

    return answer(json.dumps(asked | {"schedule": ""}).encode(), edit)


def subject(size: int = 5) -> Subject:
    program = lowbit.conv2d((1, size, size, 32), (3, 3, 32, 32), "uint1", "odd1", padding=1)
    return Subject(str(program), "host")


def hostile(count: int) -> None:
    """Try so many, and say what came of them."""
    names = list(HOSTILE)
    schedules = [Schedule(pixels=1 + number % len(names)) for number in range(count)]
    ends: Counter[str] = Counter()
    with Measurer(subject(), workers=2, job=JOB, limits=LIMITS) as measurer:
        for schedule, outcome in measurer.measure(schedules):
            name = names[schedule.pixels - 1]
            end = outcome.kind if isinstance(outcome, Failed) else "measured"
            assert end in HOSTILE[name][1], (name, outcome)
            ends[f"{name}: {end}"] += 1
    assert ends.total() == count
    print("\n".join(f"{number:6} {end}" for end, number in sorted(ends.items())))


def cold(count: int) -> None:
    """Start a worker, measure the default and end it, so many times."""
    times: list[float] = []
    for _ in range(count):
        start = time.monotonic()
        with Measurer(subject(), job=JOB) as measurer:
            ((_, outcome),) = measurer.measure([Schedule(pixels=1)])
        assert isinstance(outcome, Measured), outcome
        times.append(time.monotonic() - start)
    print(f"{count} cold runs, the longest {max(times):.1f} s")


def growth(count: int) -> None:
    """Measure so many honest ones, and say what this process grew by."""
    with Measurer(subject(), workers=2, job=JOB) as measurer:
        for _ in measurer.measure([Schedule(pixels=1)] * 20):
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.monotonic()
        for _ in measurer.measure(Schedule(pixels=1) for _ in range(count)):
            pass
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{grown >> 10} MB over {count} candidates in {time.monotonic() - start:.0f} s")
    assert grown < 20 << 10


if __name__ == "__main__":
    {"hostile": hostile, "cold": cold, "growth": growth}[sys.argv[1]](int(sys.argv[2]))
