"""Which op of a program is the first whose compiled code differs from the reference."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation

from lowbit.checks import as_tuple
from lowbit.compiling import compile
from lowbit.layers import expose, retype
from lowbit.program import Program
from lowbit_dialect.differences import first_difference, is_exact
from lowbit_dialect.layout import Array
from lowbit_dialect.names import title
from lowbit_dialect.reference import run
from lowbit_dialect.schedule import Schedule


def agree(program: Program, arrays: Sequence[Array], results: Sequence[Array]) -> bool:
    """Whether results equal those of the reference."""
    return _difference(program, arrays, results) is None


def first_wrong(
    program: Program,
    arrays: Sequence[Array],
    target: str = "host",
    schedule: str | Schedule = "default",
    threads: int = 1,
) -> str:
    """Say which op of a program with wrong results is the first that is wrong, and how.

    What leads to an op, fused, is compiled as a program of its own, without what comes after; the op is found
    by halving, as what is wrong makes wrong what follows.
    """
    count = len(_layers(expose(program)[0]))
    low, high, found = 0, count, ""
    while low < high:
        middle = (low + high) // 2
        some, op = until(program, middle)
        results = as_tuple(compile(some, target, schedule, threads)(*arrays))
        wrong = _difference(some, arrays, results)
        if wrong is None:
            low = middle + 1
        else:
            high, found = (
                middle,
                f"{title(op)} is the first that differs from the reference: {wrong}",
            )
    return (
        found
        or "the results differ from the reference, though each op with what leads to it agrees"
    )


def until(program: Program, index: int) -> tuple[Program, Operation]:
    """The fused program up to one of its layers, which is all that it returns, and that op."""
    exposed, _ = expose(program)
    op = _layers(exposed)[index]
    block = exposed.func.body.block
    last = block.last_op
    assert isinstance(last, ReturnOp)
    last.operands = op.results[:1]
    for other in reversed(list(block.ops)):
        if other is not last and not any(result.uses for result in other.results):
            other.detach()
            other.erase()
    retype(exposed.func, last)
    return exposed, op


def _layers(exposed: Program) -> list[Operation]:
    """The ops whose results a program returns, in its order."""
    last = exposed.func.body.block.last_op
    assert isinstance(last, ReturnOp)
    owners = {value.owner for value in last.operands}
    return [op for op in exposed.func.body.block.ops if op in owners]


def _difference(program: Program, arrays: Sequence[Array], results: Sequence[Array]) -> str | None:
    """Where results differ first from the reference."""
    expected = run(program.module, *arrays, function=program.name)
    exact = is_exact(program.module)
    differ = (first_difference(*pair, exact) for pair in zip(results, expected))
    return next((one for one in differ if one is not None), None)
