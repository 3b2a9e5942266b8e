"""Lower a program, run it between guard pages in a child, compare every byte with the reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from aligned import check_alignment
from covered import Coverage
from guarded import SIDES, Argument, Function, request, results
from tiers import TIERS as TIERS
from xdsl.context import Context
from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.transforms.canonicalize import CanonicalizePass

from autotune.plan import LowbitPlanPass
from lowbit_dialect import reference
from lowbit_dialect.layout import ShapedValue, storage_bytes, storage_of
from lowbit_dialect.storage import from_storage, to_storage
from lowering.aligned import ALIGNMENT
from lowering.backend.host import resolve_target
from lowering.backend.isolate import IsolationError, Limits, Worker
from lowering.backend.translate import Translated, translate
from lowering.loops.tasks import tasks_of
from lowering.lowbit_bufferize import LowbitBufferizePass
from lowering.lowbit_expand_microkernels import LowbitExpandMicrokernelsPass
from lowering.lowbit_fuse import LowbitFusePass
from lowering.lowbit_pack import LowbitPackPass
from lowering.lowbit_tile import LowbitTilePass
from lowering.pipeline import passes

Array = npt.NDArray[Any]
COVERAGE = Coverage()


@cache
def worker() -> Worker:
    """The child in which this process runs kernels, replaced when it dies."""
    return Worker(Limits(seconds=120, cpu_seconds=120))


@dataclass(frozen=True)
class Lowered:
    """A program after `lowbit-pack`, its code, and how its functions are called."""

    packed: ModuleOp
    code: Translated
    functions: list[Function]
    types: list[list[ShapedValue]]
    """Of each function, the types of its results."""


def graph_passes() -> tuple[ModulePass, ...]:
    """The passes on tensors that fuse."""
    return (CanonicalizePass(), LowbitFusePass())


def lower(
    module: ModuleOp, target: str, *, fuse: bool, verify_each: bool, threads: int = 1
) -> Lowered:
    """Take a copy of `module` down to LLVM IR.

    With `verify_each` it is verified after every pass, else only where packing ends: LLVM verifies what it
    gets, and more than that took a third of the time of a test.
    """
    work = module.clone()

    def apply(some: Sequence[ModulePass]) -> None:
        for one in some:
            one.apply(Context(), work)
            if verify_each:
                work.verify()

    plan = LowbitPlanPass(target, threads=threads, least=0)
    apply([*(graph_passes() if fuse else ()), plan, LowbitPackPass(target)])
    packed = work.clone()
    packed.verify()
    types = [[r.type for r in f.body.block.last_op.operands] for f in _functions(work)]  # pyright: ignore
    apply([LowbitBufferizePass()])
    functions = [_signature(f) for f in _functions(work)]
    apply([LowbitTilePass(target, threads, least=0)])
    functions = [replace(f, tasks=tuple(tasks_of(work, f.symbol))) for f in functions]
    apply([LowbitExpandMicrokernelsPass(target), *passes("llvm", target)])
    check_alignment(work, functions)
    return Lowered(packed, translate(work, resolve_target(target)), functions, types)


def named(module: ModuleOp) -> ModuleOp:
    """A copy whose arguments all have names, by which they are found again after packing."""
    copy = module.clone()
    for number, argument in enumerate(_main(copy).body.block.args):
        argument.name_hint = f"x{number}"
    return copy


def _functions(module: ModuleOp) -> list[FuncOp]:
    """`@main_pack`, if there is one, then `@main`."""
    found = [f for f in module.ops if isinstance(f, FuncOp)]
    return sorted(found, key=lambda f: not f.sym_name.data.endswith("_pack"))


def _signature(func: FuncOp) -> Function:
    attributes = [a.data for a in func.arg_attrs.data] if func.arg_attrs else []
    names = [*attributes, *[{}] * (len(func.body.block.args) - len(attributes))]
    arguments: list[Argument] = []
    for value, attrs in zip(func.body.block.args, names):
        marks = {"packed": "lowbit.packed", "out": "lowbit.out", "arena": "lowbit.arena"}
        role = next((role for role, mark in marks.items() if mark in attrs), "in")
        size, item = storage_bytes(value.type), storage_of(value.type)[1].itemsize  # pyright: ignore
        index = attrs["lowbit.packed"].value.data if role == "packed" else 0  # pyright: ignore
        arguments.append(Argument(role, size, ALIGNMENT if role == "arena" else item, index))
    return Function(func.sym_name.data, tuple(arguments))


def check(
    module: ModuleOp,
    data: Sequence[Sequence[Array]],
    tier: str,
    *,
    fuse: bool = False,
    tolerance: Sequence[Array] | None = None,
    verify_each: bool = False,
    threads: int = 1,
) -> ModuleOp:
    """Execute `module` on each set of arguments and compare; return it after `lowbit-pack`.

    With more than one of `threads` its tasks run cut in parts and on a pool too, and write the same bytes.
    `tolerance` holds for each set of data how far its first result may lie from the reference: only sums
    of f32 have any. Raises AssertionError naming the place, or that the child died.
    """
    module = named(module)
    module.verify()
    lowered = lower(module, tier, fuse=fuse, verify_each=verify_each, threads=threads)
    execute(lowered, module, data, tier, tolerance)
    return lowered.packed


def execute(
    lowered: Lowered,
    module: ModuleOp,
    data: Sequence[Sequence[Array]],
    tier: str,
    tolerance: Sequence[Array] | None = None,
) -> None:
    """Run what `module` was lowered to, and compare."""
    sets = [inputs_of(lowered, module, arguments) for arguments in data]
    ask = request(
        lowered.code.ir,
        str(resolve_target(tier)),
        dict(lowered.code.constants),
        lowered.functions,
        sets,
    )
    correct = False
    try:
        replies = _ask(ask, lowered, len(sets), tier)
        for number, arguments in enumerate(data):
            want = expected(lowered, module, arguments)
            limit = tolerance[number] if tolerance is not None else None
            for side, name in enumerate(SIDES):
                got = replies[number * len(SIDES) + side]
                compare(got, want, lowered.types, limit, f"data set {number}, {name}-flush")
        correct = True
    finally:
        calls = len(sets) * len(SIDES) * len(lowered.functions)
        COVERAGE.add(lowered.packed, resolve_target(tier), calls, correct)


def _ask(ask: bytes, lowered: Lowered, sets: int, tier: str) -> list[list[list[bytes]]]:
    try:
        reply = worker().call("guarded:run", ask)
    except IsolationError as error:
        raise AssertionError(f"on {tier}: {error}\n{lowered.packed}") from None
    return results(reply, lowered.functions, sets)


def _main(module: ModuleOp) -> FuncOp:
    return _functions(module)[-1]


def _constants(module: ModuleOp, lowered: Lowered, arguments: Sequence[Array]) -> list[Array]:
    """The arguments that `@main_pack` takes: those marked constant that it packs."""
    if len(lowered.functions) == 1:
        return []
    wanted = {a.name_hint for a in _functions(lowered.packed)[0].body.block.args}
    return [v for p, v in zip(_main(module).body.block.args, arguments) if p.name_hint in wanted]


def inputs_of(lowered: Lowered, module: ModuleOp, arguments: Sequence[Array]) -> list[list[bytes]]:
    """The bytes of the plain arguments of each function."""
    by_name = {p.name_hint: v for p, v in zip(_main(module).body.block.args, arguments)}
    return [
        [
            to_storage(by_name[p.name_hint], p.type).tobytes()  # pyright: ignore
            for p, a in zip(func.body.block.args, signature.arguments)
            if a.role == "in"
        ]
        for func, signature in zip(_functions(lowered.packed), lowered.functions)
    ]


def expected(lowered: Lowered, module: ModuleOp, arguments: Sequence[Array]) -> list[list[Array]]:
    """The results of each function by the reference: of `@main` from the program as it was written."""
    want = [reference.run(module, *arguments)]
    if len(lowered.functions) == 2:
        constants = _constants(module, lowered, arguments)
        want.insert(0, reference.run(lowered.packed, *constants, function="main_pack"))
    return want


def compare(
    got: list[list[bytes]],
    want: list[list[Array]],
    types: list[list[ShapedValue]],
    tolerance: Array | None,
    where: str,
) -> None:
    """Compare what each function wrote; only the last one, `@main`, may miss by `tolerance`."""
    limits = [*[None] * (len(types) - 1), tolerance]
    for one_got, one_want, one_types, limit in zip(got, want, types, limits):
        for number, (data, one, type) in enumerate(zip(one_got, one_want, one_types)):
            shape, dtype = storage_of(type)
            words = np.frombuffer(data, dtype).reshape(shape)
            name = f"result {number} ({type}), {where}"
            if isinstance(type.element_type, Float32Type):
                _compare_floats(from_storage(words, type), one, limit, name)
            else:
                _compare_words(words, to_storage(one, type), name)


def _compare_words(got: Array, want: Array, name: str) -> None:
    """Every stored word, padding included."""
    wrong = np.argwhere(got != want)
    if len(wrong):
        at = tuple(wrong[0])
        raise AssertionError(
            f"{name}: {len(wrong)} of {got.size} words differ, first at {[int(i) for i in at]}: "
            f"{got[at]}, not {want[at]}"
        )


def _compare_floats(got: Array, want: Array, tolerance: Array | None, name: str) -> None:
    with np.errstate(invalid="ignore"):
        near = got == want if tolerance is None else np.abs(got.astype(float) - want) <= tolerance
    wrong = ~(near | (np.isnan(got) & np.isnan(want)))
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong))
        raise AssertionError(
            f"{name}: {int(wrong.sum())} of {got.size} differ, first at {at}: {got[at]}, not {want[at]}"
        )
