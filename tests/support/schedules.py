"""Schedules to draw: any kernel that can form the products, any block, any unrolling."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from xdsl.dialects.builtin import ModuleOp

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import CHOICES, Schedule, ScheduleAttr
from lowering.backend.host import resolve_target
from microkernels.blocking import too_large
from microkernels.choice import cannot_gather, executed, find_kernel, kernels

MOST_PRODUCTS = 600
"""Unrolled products of one tile that a test can afford to build: a few hundred ms."""


@st.composite
def schedules(draw: DrawFn, module: ModuleOp, tier: str) -> Schedule | None:
    """A schedule for the one linear op of a module, or None for the default."""
    op = linear_of(module)
    work, target = op.contraction, resolve_target(tier)
    algorithms = ["", "direct", *([] if cannot_gather(work) else ["im2col", "im2col"])]
    algorithm = draw(st.sampled_from(algorithms))
    work = executed(work, algorithm)
    legal = [k.name for k in kernels(target) if k.accepts(work, op.accumulator)]
    plain = isinstance(work.activation, CodeType) and isinstance(work.weight, CodeType)
    pairs = work.activation.planes * work.weight.planes if plain else 1  # pyright: ignore
    # Many planes are many copies of the inner loop: popcount is then left to small windows.
    taps = work.window.columns.kernel * work.window.rows.kernel
    if pairs * taps > 64:
        legal = [name for name in legal if "popcount" not in name]
    if draw(st.integers(0, 3)) == 0:
        pinned = Schedule(algorithm=algorithm)
        return replace(pinned, microkernel=legal[0]) if len(legal) == 1 else pinned
    name = draw(st.sampled_from(legal))
    pairs = pairs if "popcount" in name else 1
    pixels, vectors = draw(st.integers(0, 7)), draw(st.integers(0, 4))
    room = max(1, MOST_PRODUCTS // ((pixels or 4) * (vectors or 2) * pairs))
    choices = ["", "none"]
    if room >= work.window.columns.kernel:
        choices.append("columns")
    unrolled = draw(st.sampled_from(choices))
    taps = 1 if unrolled == "none" else work.window.columns.kernel
    unroll = draw(
        st.sampled_from([u for u in (0, 1, 2, 3, 4, 5, 8, 31) if u * taps <= room] or [1])
    )
    schedule = Schedule(
        algorithm=algorithm,
        microkernel=name,
        pixels=pixels,
        vectors=vectors,
        unroll=unroll,
        taps=unrolled,
        order=draw(st.sampled_from(("", *CHOICES["order"]))),
        prefetch=draw(st.sampled_from((0, 0, 1, 9))),
        strip=draw(st.sampled_from((0, 1, 2, 3, 5, 1024))),
    )
    inner = replace(schedule, planes="inner", pixels=pixels or 4, vectors=vectors or 2)
    if pairs <= 6 and not too_large(inner, work, find_kernel(name, target)):
        return draw(st.sampled_from((schedule, inner)))
    return schedule


def linear_of(module: ModuleOp) -> LinearOp:
    """The first linear op of a module."""
    return next(op for op in module.walk() if isinstance(op, LinearOp))


def pin(module: ModuleOp, schedule: Schedule | None) -> None:
    """Give the first linear op of a module a schedule."""
    if schedule is not None:
        linear_of(module).properties["schedule"] = ScheduleAttr(schedule)


def pin_all(module: ModuleOp, tier: str, family: str, *, unroll: int = 0, pixels: int = 0) -> None:
    """Have every linear op of a module run on the tier's first kernel of a family."""
    name = next(k.name for k in kernels(resolve_target(tier)) if family in k.name)
    for op in module.walk():
        if isinstance(op, LinearOp):
            schedule = Schedule(microkernel=name, pixels=pixels, unroll=unroll)
            op.properties["schedule"] = ScheduleAttr(schedule)


def pin_strips(module: ModuleOp, tier: str, strip: int) -> None:
    """Have every linear op that can look up do so, its tables made for so many rows at a time."""
    kernel = next(k for k in kernels(resolve_target(tier)) if k.name.startswith("lookup"))
    for op in module.walk():
        if isinstance(op, LinearOp) and kernel.accepts(op.contraction, op.accumulator):
            schedule = Schedule(algorithm="direct", microkernel=kernel.name, strip=strip)
            op.properties["schedule"] = ScheduleAttr(schedule)
