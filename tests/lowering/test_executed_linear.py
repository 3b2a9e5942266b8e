"""`conv2d` and `dense` on every tier of the host: generated code against the reference, between guards."""

from dataclasses import replace

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from sampling import sample
from schedules import linear_of, pin, schedules
from strategies import LinearCase, element, fill, linear_cases, plain_pairs, program_for
from xdsl.dialects.builtin import i64
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.codes import CODE_SPELLINGS
from lowbit_dialect.reference import Array
from lowbit_dialect.schedule import Schedule


def data_of(case: LinearCase) -> list[list[Array]]:
    """The data that was drawn, random data, and the largest sums there can be."""
    kinds = {case.fills: 0, ("random", "random"): 1, ("max", "min"): 2, ("min", "min"): 3}
    shapes = (case.input_shape, element(case.activation)), (case.weight_shape, element(case.weight))
    return [
        [
            fill(kind, *shape, case.seed + 2 * n + i)
            for i, (kind, shape) in enumerate(zip(pair, shapes))
        ]
        for pair, n in kinds.items()
    ]


def execute(case: LinearCase, schedule: Schedule | None, tier: str) -> None:
    module = program_for(case)
    pin(module, schedule)
    sets = data_of(case)
    limits = [rounding(case, *one) for one in sets] if case.activation == "f32" else None
    check(module, sets, tier, tolerance=limits, verify_each=case.seed % 4 == 0)


def rounding(case: LinearCase, x: Array, w: Array) -> Array:
    """K * eps * sum |x| |w| of each output."""
    from lowbit_dialect import reference

    sums = reference.run(program_for(case), np.abs(x), np.abs(w))[0]
    depth = linear_of(program_for(case)).contraction.depth
    return depth * np.finfo(np.float32).eps * sums.astype(np.float64)


def run_part(cases: st.SearchStrategy[LinearCase], part: int, tier: str) -> None:
    def run(case: LinearCase, data: st.DataObject) -> None:
        execute(case, data.draw(schedules(program_for(case), tier)), tier)

    sample(run, 100 * part + TIERS.index(tier), cases, st.data())


@pytest.mark.parametrize("part", range(9))
@pytest.mark.parametrize("tier", TIERS)
def test_codes(tier: str, part: int):
    run_part(linear_cases(largest=7), part, tier)


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("tier", TIERS)
def test_integers_and_floats(tier: str, part: int):
    run_part(linear_cases(plain_pairs(), largest=7).map(_padded_legally), part, tier)


def _padded_legally(case: LinearCase) -> LinearCase:
    """Corrections of padding are i32, so sums in i64 pad with 0."""
    return replace(case, pad_value=0) if case.accumulator == i64 else case


def test_sums_in_i64_pad_with_zero_alone():
    case = LinearCase(
        "conv2d", "i16", "i16", height=1, channels=3, padding=(0, 1, 0, 0), pad_value=-32768
    )
    with pytest.raises(VerifyException, match="pads a sum in i64 with 0, not -32768"):
        program_for(case).verify()


@pytest.mark.parametrize("activation", CODE_SPELLINGS)
def test_every_pair_of_codes(activation: str):
    """Each activation code with weight codes, all of them over the activations, on alternating tiers."""
    first = CODE_SPELLINGS.index(activation)
    for step in range(0, len(CODE_SPELLINGS), 4):
        at = (first + step) % len(CODE_SPELLINGS)
        case = LinearCase(
            "dense", activation, CODE_SPELLINGS[at], height=2, channels=67, outputs=9, seed=at
        )
        execute(case, None, TIERS[(first + step // 4) % len(TIERS)])
