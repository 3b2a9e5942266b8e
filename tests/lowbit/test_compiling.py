"""What a person reads of what cannot be compiled, word for word."""

import re
from collections.abc import Callable

import pytest

import lowbit

COMPILES: list[tuple[dict[str, object], str]] = [
    ({"target": "zx81"}, "unknown target 'zx81'"),
    ({"target": "x86-64-v3,+avx51f"}, "unknown feature 'avx51f'; did you mean "),
    ({"target": "x86-64,vector_bits=128"}, "vector_bits is 64, 256 or 512, not 128"),
    ({"threads": 0}, "threads is a whole number of at least 1, not 0"),
    ({"threads": "2"}, "threads is a whole number of at least 1, not '2'"),
    ({"ram": 4096}, "ram is for schedule='exact', not 'default'"),
    ({"schedule": "exact", "ram": 0}, "ram is a number of bytes, not 0"),
    ({"schedule": "exact", "ram": "4K"}, "ram is a whole number, not '4K'"),
    (
        {"schedule": None},
        "unknown schedule None: expected 'default', 'model', 'records', 'exact', a Schedule",
    ),
    ({"schedule": "pixels = x"}, "pixels is a number from 1 to 1024, not 'x'"),
    ({"schedule": "pixel = 4"}, "a schedule has no 'pixel': it has algorithm, "),
    ({"target": None}, "target is None: expected str or Target"),
    (
        {"schedule": "best"},
        "unknown schedule 'best': expected 'default', 'model', 'records', 'exact', a Schedule",
    ),
    (
        {"target": "x86-64-v3", "schedule": lowbit.Schedule(microkernel="abacus")},
        "'lowbit.dense': x86-64-v3 has no microkernel 'abacus': it has ",
    ),
]


@pytest.mark.parametrize(("options", "message"), COMPILES, ids=[m[:40] for _, m in COMPILES])
def test_compiling(options: dict[str, object], message: str) -> None:
    program = lowbit.dense((2, 3), (3, 4), "odd1", "uint2")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        lowbit.compile(program, **options)  # type: ignore[arg-type]


NO_PROGRAMS: list[tuple[Callable[[], object], str]] = [
    (lambda: lowbit.parse(None), "source is None: expected str or Path"),  # type: ignore[arg-type]
    (lambda: lowbit.compile(None), "program is None: expected Program"),  # type: ignore[arg-type]
    (lambda: lowbit.reference(None), "program is None: expected Program"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "message"), NO_PROGRAMS, ids=[m[:40] for _, m in NO_PROGRAMS])
def test_what_is_no_program(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message
