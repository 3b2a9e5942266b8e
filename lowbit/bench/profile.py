"""Time a program layer by layer: each as it runs among the others, beside the limit of the machine.

The compiled program has a function for each layer and notes the cycle counter after it (`lowbit-layers`):
under 10 ns a layer (a network of 8 layers takes 1.25 us for 1.19, Zen 5, 2026-11). Times are of one core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import CallOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from lowbit.arrays import checked
from lowbit.bench.benchmark import PeerTime, call_of, microseconds, random_inputs
from lowbit.bench.limits import Work, work_of
from lowbit.bench.timing import Call, Times
from lowbit.code_generation import Request, generate
from lowbit.element_types import spelling_of
from lowbit.kernel import Kernel
from lowbit.lowered import as_written
from lowbit.pipeline import Added
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit_dialect.interface import functions_of
from lowbit_dialect.layout import Array, layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from lowbit_dialect.schedule import Schedule
from lowering.lowbit_layers import LowbitLayersPass, name_of


@dataclass(frozen=True)
class Part:
    """A layer of a compiled program: what it is, and how it runs."""

    layer: str
    """Its name: of its result."""
    op: str
    shape: str
    """What it reads and what it writes: `1x56x56x64 uint2 by 3x3x64x64 odd1 to 1x56x56x64 i32`."""
    kernel: str
    """Its microkernel; nothing where there is none."""
    schedule: str
    layouts: tuple[str, ...]
    """Of what it reads, then of what it writes."""
    macs: int
    """Multiply-adds on taps inside the image."""
    work: Work
    reads: tuple[int, ...] = ()
    """The layers whose results it reads, by their places."""


@dataclass(frozen=True)
class Row:
    """A layer with its time."""

    part: Part
    time_us: float
    spread_us: float
    """Between allocations and processes: the most less the least."""
    share: float
    """Of the sum of all layers."""
    limit_us: float
    limited_by: str

    @property
    def over_limit(self) -> float:
        """Time over limit."""
        return self.time_us / self.limit_us


@dataclass(frozen=True)
class Profile:
    """A program with its time, whole and by layers."""

    time_us: float
    spread_us: float
    runs_us: tuple[float, ...]
    """The median of each allocation in each process."""
    rows: tuple[Row, ...]
    peers: tuple[PeerTime, ...] = ()
    """The same network elsewhere."""

    @property
    def limit_us(self) -> float:
        """The sum of the limits of the layers."""
        return sum(row.limit_us for row in self.rows)


@dataclass(frozen=True)
class Marked:
    """A program compiled for its profile, with its data."""

    call: Call
    parts: tuple[Part, ...]

    @property
    def rates(self) -> list[str]:
        """The names of the rates that bound its layers."""
        return list(dict.fromkeys(rate for part in self.parts for rate in part.work.rates))

    def profile(self, times: Times) -> Profile:
        """What times of the call say of the layers."""
        total, seen = times.calls[0], times.seen
        middle = [median(one) for one in times.marks]
        rows: list[Row] = []
        for part, seconds, between in zip(self.parts, middle, times.marks):
            limit, slowest = part.work.seconds(seen)
            share = round(seconds / sum(middle), 4)
            spread = microseconds(max(between) - min(between))
            timed = microseconds(seconds), spread, share
            rows.append(Row(part, *timed, microseconds(limit), slowest))
        runs = tuple(map(microseconds, total))
        return Profile(
            microseconds(median(total)), microseconds(max(total) - min(total)), runs, tuple(rows)
        )


def marked(
    program: Program,
    target: str = "host",
    schedule: str | Schedule = "default",
    arrays: Sequence[Array] | None = None,
) -> Marked:
    """Compile a program for its profile on arrays, random ones unless given."""
    as_written(program)
    parts: list[Part] = []

    def watch(stage: str, module: ModuleOp) -> None:
        if stage == "buffers":
            parts.extend(parts_of(module, program.name))

    added: Added = {"buffers": (LowbitLayersPass(clock=True),)}
    code = generate(program, target, schedule, added=added, watch=watch)
    kernel = Kernel(program, Request(str(code.target), str(schedule), 1), code)
    given = arrays or random_inputs(program)
    # Not for calling: the function takes one pointer more.
    bound = kernel.bind(**_stored(program, given))
    return Marked(call_of(kernel, bound, marks=len(parts) + 1), tuple(parts))


def _stored(program: Program, arrays: Sequence[Array]) -> dict[str, Array]:
    """Arrays by name, in the dtype of their elements."""
    return {
        one.name: np.ascontiguousarray(checked(one.name, array, one.type))
        for one, array in zip(inputs_of(program), arrays)
    }


def profile_json(profile: Profile) -> dict[str, Any]:
    """A profile as JSON: a row has what it is beside how long it took."""
    rows = [asdict(row) for row in profile.rows]
    return asdict(profile) | {"rows": [row.pop("part") | row for row in rows]}


def parts_of(module: ModuleOp, name: str) -> Iterator[Part]:
    """The layers that a function calls, after `lowbit-layers`."""
    functions, writers = functions_of(module), dict[_Place, int]()
    for index, call in enumerate(calls_of(module, name)):
        ops = [op for op in functions[call].body.block.ops if getattr(op, "outs", None) is not None]
        read, written = _touched(ops)
        before = {writers[at] for at in map(_place, read) if at in writers}
        yield replace(_part(ops), reads=tuple(sorted(before)))
        writers |= dict.fromkeys(map(_place, written), index)


def calls_of(module: ModuleOp, name: str) -> Iterator[str]:
    """The functions that a function calls, in order."""
    for call in functions_of(module)[name].body.block.ops:
        if isinstance(call, CallOp):
            yield call.callee.string_value()


def _touched(ops: list[Operation]) -> tuple[list[SSAValue], list[SSAValue]]:
    """What ops read that none of them writes, and what they write."""
    written: list[SSAValue] = [getattr(op, "outs") for op in ops]  # noqa: B009
    read: dict[SSAValue, None] = {}
    for op in ops:
        for inner in op.walk():
            memrefs = (value for value in inner.operands if isinstance(value.type, MemRefType))
            read |= dict.fromkeys(value for value in memrefs if value not in written)
    return list(read), written


_Place = tuple[SSAValue | str | None, int]
"""An argument by its name, which functions of layers keep, or another value; and the offset there."""


def _place(value: SSAValue) -> _Place:
    """Where a value lies."""
    owner = value.owner
    if isinstance(owner, ReshapeOp):
        return _place(owner.input)
    if isinstance(owner, SliceOp):
        return _place(owner.buffer)[0], owner.offset.value.data
    return value.name_hint if isinstance(value, BlockArgument) else value, 0


def _part(ops: list[Operation]) -> Part:
    last = ops[-1]
    read, written = _touched(ops)
    linear = last if isinstance(last, LinearOp) else None
    types = [shaped(value) for value in read], [shaped(written[-1])]
    schedule = linear.schedule.data if linear and linear.schedule else None
    operands = [linear.input, linear.weights] if linear else read[:2]
    return Part(
        layer=name_of(last),
        op=last.name.removeprefix("lowbit."),
        shape=f"{' by '.join(map(_typed, operands))} to {_typed(written[-1])}",
        kernel=schedule.microkernel or "" if schedule else "",
        schedule=str(schedule) if schedule else "",
        layouts=tuple(_layout(value) for value in (*operands, written[-1])),
        macs=linear.contraction.macs if linear else 0,
        work=work_of(linear.contraction if linear else None, *types),
    )


def _typed(value: SSAValue) -> str:
    type = shaped(value)
    return f"{'x'.join(map(str, type.get_shape()))} {spelling_of(type.element_type)}"


def _layout(value: SSAValue) -> str:
    return str(layout_of(shaped(value)) or "plain")
