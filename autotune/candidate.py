"""A schedule made into code: through the passes below `lowbit-plan`, loaded, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from ctypes import addressof, c_void_p
from dataclasses import dataclass
from functools import partial
from typing import cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.rewriter import Rewriter

from autotune.layout_apart import layout_apart
from lowbit_dialect.attributes import PACKED, PACKING
from lowbit_dialect.interface import (
    Role,
    argument_attributes,
    functions_of,
    main_of,
    role_of,
    whole,
)
from lowbit_dialect.layout import ShapedValue, storage_bytes, storage_of
from lowbit_dialect.names import NAME, text_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.aligned import ALIGNMENT
from lowering.backend.jit import Jit
from lowering.backend.pool import Team, make_team
from lowering.backend.translate import Translated, translate
from lowering.loops.tasks import tasks_of
from lowering.pipeline import BELOW_PLAN, Stage, passes
from microkernels.target import Target

Edit = Callable[[Translated], Translated]
"""What is done to the code before LLVM gets it."""


@dataclass(frozen=True)
class Plan:
    """A complete schedule for each `conv2d` and `dense` of a program, in order."""

    schedules: tuple[Schedule, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.schedules))

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read what `str` gives, of one schedule too; raises ValueError."""
        return cls(tuple(map(Schedule.parse, text.split("\n"))))


@dataclass(frozen=True)
class Pointer:
    """One pointer that generated code takes."""

    role: Role
    type: ShapedValue
    name: str
    """Of an input."""
    index: int
    """Of a packed one: which result it is."""

    @property
    def size(self) -> int:
        """Bytes."""
        return storage_bytes(self.type)

    @property
    def alignment(self) -> int:
        """Bytes on a multiple of which it must lie."""
        return ALIGNMENT if self.role == "arena" else storage_of(self.type)[1].itemsize


@dataclass(frozen=True)
class Function:
    """A generated function."""

    pointers: tuple[Pointer, ...]
    call: Callable[..., None]
    """Keeps the code alive."""


@dataclass(frozen=True)
class Candidate:
    """The code of a schedule, in this process."""

    main: Function
    pack: Function | None
    """None if nothing is packed, or it is known how."""
    packing: str
    """What packing does: the same text, the same result; empty if nothing is packed."""
    team: Team | None
    """The threads that it runs on; None for one."""

    def bound(self, addresses: Sequence[int]) -> Callable[[], object]:
        """The call on the memory behind each pointer, as a user's program makes it; keeps the code alive."""
        if self.team is None:
            return partial(self.main.call, *addresses)
        pointers = self.team.pointers(addresses)
        run = partial(self.team.run, *self.team.arguments, addressof(pointers))
        return lambda kept=(self, pointers): run()


@dataclass(frozen=True)
class Compiled:
    """The code of a schedule as LLVM IR."""

    translated: Translated
    symbol: str
    pointers: tuple[Pointer, ...]
    packers: tuple[Pointer, ...]
    """What the function that packs takes, whose symbol ends in `_pack`; nothing where there is none."""
    packing: str
    tasks: tuple[tuple[str, int], ...]
    layout: FuncOp | None
    """A function on memrefs that it calls and does not hold: it lays out activations."""


def lower_candidate(
    graph: ModuleOp,
    schedule: Schedule | Plan,
    target: Target,
    threads: int = 1,
    *,
    known: Callable[[str], bool] = lambda packing: False,
    symbol: str | None = None,
    apart: bool = False,
) -> Compiled:
    """Take a program, which stays as it is, down to LLVM IR by complete schedules, one for a single op.

    Code that packs constants is left out if its `packing` is `known`, what lays out activations if it is to
    be `apart`; `symbol` is another name for the function. What a pass refuses is raised as it comes.
    """
    module = graph.clone()
    pin(module, schedule)
    if symbol is not None:
        (func,) = (op for op in module.ops if isinstance(op, FuncOp))
        func.properties["sym_name"] = StringAttr(symbol)
    run_stage("pack", module, target, threads)
    _, pack = _functions(module)
    packing = text_of(pack.attributes[PACKING]) or "" if pack is not None else ""
    if pack is not None and known(packing):
        Rewriter.erase_op(pack)
    run_stage("buffers", module, target, threads)
    main, pack = _functions(module)
    pointers, packers = _pointers(main), _pointers(pack) if pack is not None else ()
    layout = layout_apart(main, linears_of(module)) if apart and threads == 1 else None
    for stage in BELOW_PLAN[2:]:
        run_stage(stage, module, target, threads)
    name = main.sym_name.data
    tasks = tuple(tasks_of(module, name))
    return Compiled(translate(module, target), name, pointers, packers, packing, tasks, layout)


def compile_candidate(
    graph: ModuleOp,
    schedule: Schedule | Plan,
    target: Target,
    threads: int = 1,
    *,
    known: Callable[[str], bool] = lambda packing: False,
    laid_out: MutableMapping[str, Jit] | None = None,
    edit: Edit | None = None,
) -> Candidate:
    """Do `lower_candidate` and load the code, `edit`ed before; raises `BackendError` where LLVM does.

    What lays out activations is compiled once, if the caller keeps what was `laid_out` before.
    """
    apart = laid_out is not None
    code = lower_candidate(graph, schedule, target, threads, known=known, apart=apart)
    imports: dict[str, int] = {}
    if code.layout is not None and laid_out is not None:
        imports = _imported(code.layout, laid_out, target)
    jit = Jit(edit(code.translated) if edit else code.translated, target, imports=imports)
    return Candidate(
        _loaded(jit, code.symbol, code.pointers),
        _loaded(jit, f"{code.symbol}_pack", code.packers) if code.packers else None,
        code.packing,
        make_team(jit, code.tasks, threads) if threads > 1 else None,
    )


def _imported(func: FuncOp, known: MutableMapping[str, Jit], target: Target) -> dict[str, int]:
    """The address of a function on memrefs, which is compiled unless it is known."""
    name, module = func.sym_name.data, ModuleOp([func])
    if (key := str(module)) not in known:
        for stage in BELOW_PLAN[2:]:
            run_stage(stage, module, target)
        known[key] = Jit(translate(module, target), target)
    return {name: known[key].address(name)}


def pin(module: ModuleOp, schedule: Schedule | Plan) -> None:
    """Give schedules to the ops of a module that take one; raises ValueError for another number of them."""
    schedules = schedule.schedules if isinstance(schedule, Plan) else (schedule,)
    ops = linears_of(module)
    if len(ops) != len(schedules):
        raise ValueError(f"{len(schedules)} schedules are none for {len(ops)} ops that take one")
    for op, one in zip(ops, schedules):
        op.properties["schedule"] = ScheduleAttr(one)


def linear_of(module: ModuleOp) -> LinearOp:
    """The one `conv2d` or `dense` of a module; raises ValueError for none or several."""
    ops = linears_of(module)
    if len(ops) != 1:
        raise ValueError(f"the program has {len(ops)} ops that take a schedule: expected one")
    return ops[0]


def linears_of(module: ModuleOp) -> list[LinearOp]:
    """Each `conv2d` and `dense` of a module, in order."""
    return [op for op in module.walk() if isinstance(op, LinearOp)]


def run_stage(stage: Stage, module: ModuleOp, target: Target, threads: int = 1) -> None:
    """Take a module through one stage."""
    for one in passes(stage, str(target), threads):
        one.apply(Context(), module)


def _functions(module: ModuleOp) -> tuple[FuncOp, FuncOp | None]:
    """The function to call and the one that packs for it, above the stage `llvm`."""
    found, main = functions_of(module), main_of(module)
    assert isinstance(main, FuncOp)
    pack = found.get(f"{main.sym_name.data}_pack")
    return main, pack if isinstance(pack, FuncOp) and PACKING in pack.attributes else None


def _pointers(func: FuncOp) -> tuple[Pointer, ...]:
    """What a function on memrefs takes."""
    return tuple(
        _pointer(cast(ShapedValue, argument.type), marks)
        for argument, marks in zip(func.body.block.args, argument_attributes(func))
    )


def _pointer(type: ShapedValue, marks: Mapping[str, Attribute]) -> Pointer:
    role, name = role_of(marks) or "in", text_of(marks.get(NAME)) or ""
    return Pointer(role, type, name, whole(marks, PACKED) if role == "packed" else 0)


def _loaded(jit: Jit, symbol: str, pointers: tuple[Pointer, ...]) -> Function:
    return Function(pointers, jit.function(symbol, None, *[c_void_p] * len(pointers)))
