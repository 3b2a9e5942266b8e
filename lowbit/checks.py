"""Compare what a kernel computes with what the program means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type

from lowbit.argument_checks import instance, integer
from lowbit.arrays import checked
from lowbit.compiling import compile
from lowbit.element_types import typed
from lowbit.example_arrays import examples as make_examples
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import element_of, shaped
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.pool import AvgPoolOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

FLOAT_TOLERANCE = 1e-4
"""Of the largest magnitude: how far a sum of f32 may be from the reference."""


class CheckFailed(AssertionError):
    """A kernel differs from the reference; the message names the first difference."""


@dataclass(frozen=True)
class CheckReport:
    """What was compared, and found equal."""

    examples: tuple[str, ...]
    """Kind of data of each run."""
    values: int
    """Results compared."""
    target: str

    def __str__(self) -> str:
        kinds = ", ".join(dict.fromkeys(self.examples))
        return (
            f"{self.values} values of {len(self.examples)} examples ({kinds}) equal the reference "
            f"on {self.target}"
        )


def reference(program: Program, *arrays: Any) -> Any:
    """What a program means, in NumPy, on decoded arrays; a tuple if it has several results."""
    from lowbit.lowered import as_written
    from lowbit_dialect.reference import run

    inputs = inputs_of(as_written(program))
    if len(arrays) != len(inputs):
        names = ", ".join(one.name for one in inputs)
        raise ValueError(f"the program takes {len(inputs)} arrays ({names}), not {len(arrays)}")
    decoded = [checked(one.name, array, one.type) for one, array in zip(inputs, arrays)]
    results = run(program.module, *decoded, function=program.name)
    return results[0] if len(results) == 1 else tuple(results)


def check(
    program: Program,
    examples: int | Sequence[Sequence[Array]] = 8,
    seed: int = 0,
    *,
    against: Program | None = None,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
) -> CheckReport:
    """Compile a program and compare it with the reference on extreme and random data.

    `examples` is how many, or the arrays themselves. Results must be equal; only where f32 is summed are
    they compared within rounding. With `against`, which takes and returns the same, as a program does before
    a pass, the program means the same as that one, too. Raises CheckFailed naming the first difference.
    """
    if against is not None:
        _require_alike(program, against)
    kernel = compile(program, target, schedule, verify_each=True)
    kinds: list[str] = []
    values = 0
    if isinstance(examples, Sequence):
        runs = [(f"given {index}", list(arrays)) for index, arrays in enumerate(examples)]
    else:
        count = integer("examples", examples)
        runs = list(make_examples(inputs_of(program), count, np.random.default_rng(seed)))
    if not runs:
        raise ValueError(f"examples are one or more, not {examples!r}: nothing would be compared")
    exact = is_exact(program) and (against is None or is_exact(against))
    for kind, arrays in runs:
        where = f"on {kind} data (seed {seed})"
        meaning = as_tuple(reference(program, *arrays))
        if against is not None:
            other = as_tuple(reference(against, *arrays))
            _require_equal(meaning, other, exact, f"{where}, before any compilation")
        values += _require_equal(as_tuple(kernel(*arrays)), meaning, exact, where)
        kinds.append(kind)
    return CheckReport(tuple(kinds), values, kernel.target.name)


def _require_equal(got: Sequence[Array], expected: Sequence[Array], exact: bool, where: str) -> int:
    """How many values were compared; raises CheckFailed naming the first difference."""
    for index, (one, other) in enumerate(zip(got, expected)):
        difference = first_difference(one, other, exact)
        if difference is not None:
            raise CheckFailed(f"result {index} {where}: {difference}")
    return sum(one.size for one in got)


def _require_alike(program: Program, against: Program) -> None:
    """Raise ValueError unless both take and return the same types."""
    instance("against", against, Program)
    for what, one, other in (
        ("input", program.arguments, against.arguments),
        ("result", program.outputs, against.outputs),
    ):
        if len(one) != len(other):
            raise ValueError(f"the program has {len(one)} {what}s, but `against` has {len(other)}")
        for index, (a, b) in enumerate(zip(one, other)):
            if a.type != b.type:
                raise ValueError(
                    f"{what} {index} is {typed(shaped(a))}, but in `against` {typed(shaped(b))}"
                )


def is_exact(program: Program) -> bool:
    """Whether every result is the same bits whatever the order of sums: nothing sums f32."""
    return not any(
        isinstance(op, LinearOp | AvgPoolOp) and isinstance(element_of(op.input.type), Float32Type)
        for op in program.module.walk()
    )


def first_difference(got: Array, expected: Array, exact: bool = True) -> str | None:
    """Where two results differ first, in a sentence; None if they agree."""
    if got.shape != expected.shape:
        return f"its shape is {got.shape}, not {expected.shape}"
    wrong = differences(got, expected, exact)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} values differ; the first, at {list(at)}, is {got[at]} and "
        f"should be {expected[at]}"
    )


def differences(got: Array, expected: Array, exact: bool = True) -> Array:
    """Which values differ: at all, or for f32 that is not `exact` beyond the rounding of a sum."""
    if expected.dtype.kind != "f":
        return got != expected
    if exact:
        return (got != expected) & ~(np.isnan(got) & np.isnan(expected))
    scale = float(np.nanmax(np.abs(expected), initial=1.0))
    return ~np.isclose(got, expected, rtol=1e-5, atol=FLOAT_TOLERANCE * scale, equal_nan=True)


def as_tuple(result: Any) -> tuple[Array, ...]:
    """The results of a call, one or several, as a tuple."""
    return cast("tuple[Array, ...]", result) if isinstance(result, tuple) else (result,)
