"""Compare what a kernel computes with what the program means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lowbit.argument_checks import instance, integer
from lowbit.arrays import checked
from lowbit.compiling import compile
from lowbit.element_types import typed
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit_dialect.differences import first_difference, is_exact
from lowbit_dialect.example_arrays import examples as make_examples
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target


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
        runs = list(
            make_examples(
                [one.type for one in inputs_of(program)], count, np.random.default_rng(seed)
            )
        )
    if not runs:
        raise ValueError(f"examples are one or more, not {examples!r}: nothing would be compared")
    exact = is_exact(program.module) and (against is None or is_exact(against.module))
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


def as_tuple(result: Any) -> tuple[Array, ...]:
    """The results of a call, one or several, as a tuple."""
    return cast("tuple[Array, ...]", result) if isinstance(result, tuple) else (result,)
