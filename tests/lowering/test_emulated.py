"""Programs for AVX-512, which few machines have, for ARM and for RISC-V: emulated, against the reference.

Each test compiles a few dozen programs and runs them in one boot of the emulator; `emulator.py`,
`unicorn_machine.py` and `qemu_machine.py` in `tests/support` say what is caught besides wrong results.
Schedules and shapes are drawn as for the tiers of the host.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from emulated import ALL_TIERS, MARKS, NAMES, TIERS, Emulation
from sampling import drawn
from schedules import in_strips, linear_of, pin, schedules
from strategies import (
    LinearCase,
    depthwise_cases,
    element,
    few_planes,
    fill,
    linear_cases,
    look_up_pairs,
    plain_pairs,
    program_for,
)
from xdsl.dialects.builtin import i64

from lowbit_dialect import reference
from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.layout import Array
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels

pytestmark = pytest.mark.emulated


def data_of(case: LinearCase) -> list[list[Array]]:
    """The data that was drawn, the largest sums there can be, and more: a run costs less than a program."""
    kinds = [case.fills, *product(("min", "max"), repeat=2)]
    kinds += [(kind, "random") for kind in ("random", "alternating", "max")]
    shapes = (case.input_shape, element(case.activation)), (case.weight_shape, element(case.weight))
    return [
        [fill(k, *s, case.seed + 2 * n + i) for i, (k, s) in enumerate(zip(pair, shapes))]
        for n, pair in enumerate(kinds)
    ]


def rounding(case: LinearCase, x: Array, w: Array) -> Array:
    """K * eps * sum |x| |w| of each output."""
    sums = reference.run(program_for(case), np.abs(x), np.abs(w))[0]
    depth = linear_of(program_for(case)).contraction.depth
    return depth * np.finfo(np.float32).eps * sums.astype(np.float64)


def add_linear(emulation: Emulation, case: LinearCase, schedule: Schedule | None) -> None:
    module, sets = program_for(case), data_of(case)
    pin(module, schedule)
    limits = [rounding(case, *one) for one in sets] if case.activation == "f32" else None
    emulation.add(module, sets, tolerance=limits)


def forced(case: LinearCase, family: str | tuple[str, ...], tier: str, number: int) -> Schedule:
    """A schedule with the first kernel of a family that can do a case, and blocks of many shapes."""
    op = linear_of(program_for(case))
    names = [
        k.name for k in kernels(resolve_target(tier)) if k.accepts(op.contraction, op.accumulator)
    ]
    family_names = [name for name in names if name.startswith(family)] or names[:1]
    name = family_names[number % len(family_names)]
    pixels, vectors, unroll = 1 + number % 5, 1 + number % 3, 1 + number % 4
    return Schedule(microkernel=name, pixels=pixels, vectors=vectors, unroll=unroll, taps="none")


@pytest.mark.parametrize("family", ["popcount", "multiply"])
@pytest.mark.parametrize("tier", ALL_TIERS)
def test_codes(tier: str, family: str):
    emulation = Emulation(tier)
    for number, case in enumerate(drawn(linear_cases(few_planes(), largest=6), 24, 1)):
        add_linear(emulation, case, forced(case, family, tier, number))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_look_ups(tier: str):
    emulation = Emulation(tier)
    for number, case in enumerate(drawn(linear_cases(look_up_pairs(), largest=6), 24, 7)):
        strip = number % 4
        case = replace(case, groups=1, batch=1 if strip else case.batch)
        schedule = replace(forced(case, "lookup", tier, number), **in_strips(strip))
        add_linear(emulation, case, schedule)
    for number, depth in enumerate((17, 37, 85, 253, 2561, 4369)):
        pair = (("uint4", "odd1"), ("odd2", "uint2"), ("uint1", "int2"))[number % 3]
        case = LinearCase("dense", *pair, height=2, channels=depth, outputs=65, seed=number)
        add_linear(emulation, case, forced(case, "lookup", tier, number))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_depthwise(tier: str):
    emulation = Emulation(tier)
    cases = drawn(depthwise_cases(), 10, 8) + drawn(depthwise_cases(plain_pairs()), 8, 9)
    for number, case in enumerate(cases):
        case = replace(case, pad_value=0) if case.accumulator == i64 else case
        add_linear(emulation, case, forced(case, "depthwise", tier, number))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_schedules(tier: str):
    emulation = Emulation(tier)
    cases = drawn(linear_cases(few_planes(), largest=6), 14, 2)
    for number, case in enumerate(cases):
        found = drawn(schedules(program_for(case), tier), 2, number)
        add_linear(emulation, case, found[-1])
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_every_code(tier: str):
    """Each code as activations and as weights, and depths at which bytes of popcounts are full."""
    emulation = Emulation(tier)
    for number, spelling in enumerate(CODE_SPELLINGS):
        other = ("uint1", "odd1", "int2", "ternary")[number % 4]
        pair = (spelling, other) if number % 2 else (other, spelling)
        depth = (31, 65, 129, 1985)[number % 4]
        case = LinearCase("dense", *pair, height=2, channels=depth, outputs=17, seed=number)
        add_linear(emulation, case, Schedule(vectors=1, pixels=1, unroll=2) if number % 3 else None)
    emulation.run()


@pytest.mark.parametrize("tier", ALL_TIERS)
def test_integers_and_floats(tier: str):
    emulation = Emulation(tier)
    for case in drawn(linear_cases(plain_pairs(), largest=6), 18, 3):
        # Corrections of padding are i32, so sums in i64 pad with 0.
        add_linear(emulation, replace(case, pad_value=0) if case.accumulator == i64 else case, None)
    emulation.run()


DOTS = (
    ("uint8", "i8"),
    ("i8", "i8"),
    ("i8", "uint8"),
    ("uint4", "int4"),
    ("uint8", "int7"),
    ("int7", "odd7"),
    ("uint8", "uint8"),
)


DOT_TIERS = [
    pytest.param(tier, family, marks=MARKS.get(tier, ()))
    for family in ("dot_", ("vnni_", "dot4_"))
    for tier in NAMES
    if any(kernel.name.startswith(family) for kernel in kernels(resolve_target(tier)))
]


@pytest.mark.parametrize(("tier", "family"), DOT_TIERS)
def test_dot_products_of_bytes(tier: str, family: str | tuple[str, ...]):
    """Extreme bytes of either sign, depths round a word, windows with borders that are corrected."""
    emulation = Emulation(tier)
    for number, pair in enumerate(DOTS):
        shape = LinearCase("dense", *pair, height=3, channels=63 + number, outputs=17, seed=number)
        image = LinearCase(
            "conv2d", *pair, height=3, width=4, channels=5, outputs=35, kernel=(3, 3), seed=number
        )
        for case in (shape, replace(image, padding=(1, 1, 1, 1), pad_value=number)):
            module = program_for(case)
            pin(module, forced(case, family, tier, number))
            ends = [
                [fill(kind, shape, element(one), number) for kind in ("min", "max", "random")]
                for shape, one in zip((case.input_shape, case.weight_shape), pair)
            ]
            emulation.add(module, [[x, w] for x in ends[0] for w in ends[1]])
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_gathered_windows(tier: str):
    emulation = Emulation(tier)
    for number, case in enumerate(drawn(linear_cases(few_planes(), ("conv2d",), 6), 16, 10)):
        case = replace(case, groups=1, activation=case.activation if number % 3 else "odd1")
        # Of odd codes the largest value and, next to it, one that is no code.
        pad_value = parse_code(case.activation).maximum - number % 2
        case = replace(case, pad_value=pad_value)
        add_linear(emulation, case, Schedule(algorithm="im2col", vectors=1 + number % 3))
    emulation.run()
