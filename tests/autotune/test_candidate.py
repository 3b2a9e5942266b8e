"""What lays out activations is compiled once for all candidates that want them laid out so."""

import pytest

import lowbit
from autotune.candidate import compile_candidate, linear_of
from autotune.processors import table_of
from autotune.ranking import first_choice
from autotune.space import Space
from autotune.workbench import Workbench
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from lowering.backend.jit import Jit

TARGET = resolve_target("host")
DIRECT = Schedule(algorithm="direct")


def complete(bench: Workbench, pinned: Schedule) -> Schedule:
    """A complete schedule."""
    space = Space(linear_of(bench.graph), TARGET)
    return first_choice(space, table_of(TARGET), pinned)


@pytest.mark.parametrize(
    ("kernel", "stride", "more"),
    [(3, 1, {"unroll": 2}), (1, 2, {"algorithm": "im2col", "unroll": 2})],
)
def test_layouts_are_shared(kernel: int, stride: int, more: dict[str, str | int]):
    shape = (1, 8, 8, 64), (kernel, kernel, 64, 32)
    program = lowbit.conv2d(*shape, "uint1", "odd1", strides=stride, padding=kernel // 2)
    bench, laid_out = Workbench(str(program), TARGET), dict[str, Jit]()
    names = Space(linear_of(bench.graph), TARGET).domain("microkernel", DIRECT)
    name = next(str(name) for name in names if "popcount" in str(name))
    for fields in ({"vectors": 1}, {"vectors": 2}, {"vectors": 1, **more}):
        pinned = DIRECT.changed(microkernel=name).changed(**fields)
        schedule = complete(bench, pinned)
        candidate = compile_candidate(bench.graph, schedule, TARGET, laid_out=laid_out)
        bench.check(candidate)
    assert len(laid_out) == 1 + ("algorithm" in more)
