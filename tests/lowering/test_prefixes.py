"""Each prefix of the passes on tensors keeps the meaning that the reference gives a program."""

from collections.abc import Sequence

import numpy as np
import pytest
from executed import TIERS, graph_passes, named
from networks import Drawn, networks
from programs import Array
from sampling import sample
from strategies import LinearCase, linear_cases, program_for
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from autotune.plan import LowbitPlanPass
from lowbit_dialect import reference
from lowering.lowbit_pack import LowbitPackPass


def evaluate(module: ModuleOp, arguments: Sequence[Array]) -> list[Array]:
    """Run `@main`, on what `@main_pack` makes of the constant arguments if there is one."""
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
    given = {f"x{number}": value for number, value in enumerate(arguments)}
    packed: list[Array] = []
    if "main_pack" in functions:
        names = [a.name_hint for a in functions["main_pack"].body.block.args]
        packed = reference.run(module, *(given[n or ""] for n in names), function="main_pack")
    main = functions["main"]
    attributes = main.arg_attrs.data if main.arg_attrs else ()
    values = [
        packed[a.data["lowbit.packed"].value.data]
        if "lowbit.packed" in a.data
        else given[p.name_hint or ""]  # pyright: ignore
        for p, a in zip(main.body.block.args, attributes)
    ]
    return reference.run(module, *values, function="main")


def keeps_its_meaning(module: ModuleOp, sets: Sequence[Sequence[Array]], target: str) -> None:
    work = named(module)
    want = [reference.run(module, *arguments) for arguments in sets]
    for one in (*graph_passes(), LowbitPlanPass(target), LowbitPackPass(target)):
        one.apply(Context(), work)
        work.verify()
        for arguments, expected in zip(sets, want):
            for got, result in zip(evaluate(work, arguments), expected, strict=True):
                np.testing.assert_array_equal(got, result, err_msg=f"after {one.name}")


@pytest.mark.parametrize("part", range(3))
def test_networks(part: int):
    def run(drawn: Drawn) -> None:
        keeps_its_meaning(drawn.module, drawn.sets, TIERS[part % len(TIERS)])

    sample(run, part, networks())


@pytest.mark.parametrize("part", range(3))
def test_linear(part: int):
    def run(case: LinearCase) -> None:
        keeps_its_meaning(program_for(case), [case.arrays()], TIERS[part % len(TIERS)])

    sample(run, part, linear_cases(largest=6))
