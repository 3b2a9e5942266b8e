"""Schedules to draw, and to pin."""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from xdsl.dialects.builtin import ModuleOp

from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Loop, Schedule, ScheduleAttr
from lowering.backend.host import resolve_target
from microkernels.legality import executed
from microkernels.nest import nest_of
from microkernels.table import find_kernel, kernels
from microkernels.target import Target

MOST_PRODUCTS = 600
"""Unrolled products of the tiles of a nest that a test can afford to build: a few hundred ms."""

PLAIN = tuple(map(Loop, ("channels", "rows", "pixels")))


@st.composite
def schedules(draw: DrawFn, module: ModuleOp, tier: str) -> Schedule | None:
    """A schedule for the one linear op of a module, some of its fields open, or None for the default."""
    op, target = linear_of(module), resolve_target(tier)
    space = Space(op, target)
    if draw(st.integers(0, 7)) == 0:
        return None
    seeds = Random(draw(st.integers(0, 1 << 32)))
    affordable = (one for _ in range(16) if products(op, one := space.sample(seeds), target) <= 600)
    schedule = next(affordable, None)
    if schedule is None or draw(st.booleans()):
        return schedule
    return replace(schedule, **dict.fromkeys(("prefetch", "parallel", "borders")))


def products(op: LinearOp, schedule: Schedule, target: Target) -> int:
    """Unrolled products of all tiles of a schedule, each pair of planes with code of its own."""
    assert schedule.algorithm and schedule.microkernel and schedule.vectors and schedule.unroll
    work = executed(op.contraction, schedule.algorithm)
    kernel = find_kernel(schedule.microkernel, target)
    words = min(schedule.unroll, -(-work.inputs // kernel.channels_per_word))
    taps = work.window.columns.kernel if schedule.taps == "columns" else 1
    pixels = sum(run.pixels for run in nest_of(work, schedule, kernel).runs)
    layout = kernel.weight_layout(work, 1)
    planes = [getattr(code, "planes", 1) for code in (work.activation, work.weight)]
    pairs = min(6, planes[0] * planes[1]) if layout.encoded and "popcount" in kernel.name else 1
    return pixels * schedule.vectors * words * taps * pairs


def linear_of(module: ModuleOp) -> LinearOp:
    """The first linear op of a module."""
    return next(op for op in module.walk() if isinstance(op, LinearOp))


def pin(module: ModuleOp, schedule: Schedule | None) -> None:
    """Give the first linear op of a module a schedule."""
    if schedule is not None:
        linear_of(module).properties["schedule"] = ScheduleAttr(schedule)


def pin_all(
    module: ModuleOp,
    tier: str,
    family: str,
    *,
    unroll: int | None = None,
    pixels: int | None = None,
) -> None:
    """Have every linear op of a module run on the tier's first kernel of a family."""
    name = next(k.name for k in kernels(resolve_target(tier)) if family in k.name)
    for op in module.walk():
        if isinstance(op, LinearOp):
            schedule = Schedule(microkernel=name, pixels=pixels, unroll=unroll)
            op.properties["schedule"] = ScheduleAttr(schedule)


def in_strips(rows: int) -> dict[str, object]:
    """The fields of a schedule whose tables are made for so many rows at a time; of none for 0."""
    return {"loops": (Loop("rows", rows), *PLAIN), "tables": "strips"} if rows else {}


def pin_strips(module: ModuleOp, tier: str, strip: int) -> None:
    """Have every linear op that can look up do so, its tables made for so many rows at a time."""
    kernel = next(k for k in kernels(resolve_target(tier)) if k.name.startswith("lookup"))
    for op in module.walk():
        if isinstance(op, LinearOp) and kernel.accepts(op.contraction, op.accumulator):
            schedule = Schedule("direct", kernel.name, **in_strips(strip))  # pyright: ignore[reportArgumentType]
            op.properties["schedule"] = ScheduleAttr(schedule)
