"""Programs for AVX-512, which few machines have, for ARM and for RISC-V: emulated, against the reference.

Each test compiles a few dozen programs and runs them in one boot of the emulator; `emulator.py`,
`unicorn_machine.py` and `qemu_machine.py` in `tests/support` say what is caught besides wrong results.
Schedules and shapes are drawn as for the tiers of the host.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from emulated import ALL_TIERS, TIERS, Emulation
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from programs import Net, inputs
from schedules import in_strips, linear_of, pin, schedules
from strategies import (
    LinearCase,
    code_types,
    depthwise_cases,
    element,
    fill,
    layouts,
    linear_cases,
    look_up_pairs,
    plain_pairs,
    program_for,
)
from thresholds import CODES, PAIRS, RESIDUALS, TABLES, added_codes, packed_thresholds
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i32, i64

from lowbit_dialect import reference
from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.layout import Array, with_layout
from lowbit_dialect.ops.conversions import BitpackOp, UnpackOp
from lowbit_dialect.ops.elementwise import QuantizeOp, RequantizeOp, ThresholdOp
from lowbit_dialect.ops.pool import MaxPoolOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels

T = TypeVar("T")
PLANES_FEW = 6
"""Products of planes that a test can afford to unroll."""

pytestmark = pytest.mark.emulated


def sample(strategy: SearchStrategy[T], count: int, start: int) -> list[T]:
    """The same `count` examples every time, to be run together."""
    found: list[T] = []

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: T) -> None:
        found.append(one)

    collect()
    return found


def data_of(case: LinearCase) -> list[list[Array]]:
    """The data that was drawn, and the largest sums there can be."""
    kinds = (case.fills, ("max", "max"), ("min", "max"))
    shapes = (case.input_shape, element(case.activation)), (case.weight_shape, element(case.weight))
    return [
        [fill(k, *s, case.seed + i) for i, (k, s) in enumerate(zip(pair, shapes))] for pair in kinds
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


@st.composite
def few_planes(draw: DrawFn) -> tuple[str, str]:
    """A pair of codes of at most `PLANES_FEW` products of planes."""
    codes = [parse_code(spelling) for spelling in CODE_SPELLINGS]
    first = draw(st.sampled_from([code for code in codes if code.planes <= PLANES_FEW]))
    rest = [code for code in codes if first.planes * code.planes <= PLANES_FEW]
    pair = first.spelling, draw(st.sampled_from(rest)).spelling
    return pair if draw(st.booleans()) else (pair[1], pair[0])


@pytest.mark.parametrize("family", ["popcount", "multiply"])
@pytest.mark.parametrize("tier", ALL_TIERS)
def test_codes(tier: str, family: str):
    emulation = Emulation(tier)
    for number, case in enumerate(sample(linear_cases(few_planes(), largest=6), 24, 1)):
        add_linear(emulation, case, forced(case, family, tier, number))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_look_ups(tier: str):
    emulation = Emulation(tier)
    for number, case in enumerate(sample(linear_cases(look_up_pairs(), largest=6), 24, 7)):
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
    cases = sample(depthwise_cases(), 10, 8) + sample(depthwise_cases(plain_pairs()), 8, 9)
    for number, case in enumerate(cases):
        case = replace(case, pad_value=0) if case.accumulator == i64 else case
        add_linear(emulation, case, forced(case, "depthwise", tier, number))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_schedules(tier: str):
    emulation = Emulation(tier)
    cases = sample(linear_cases(few_planes(), largest=6), 14, 2)
    for number, case in enumerate(cases):
        drawn = sample(schedules(program_for(case), tier), 2, number)
        add_linear(emulation, case, drawn[-1])
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
    for case in sample(linear_cases(plain_pairs(), largest=6), 18, 3):
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


@pytest.mark.parametrize("family", ["dot_", ("vnni_", "dot4_")], ids=str)
@pytest.mark.parametrize("tier", TIERS)
def test_dot_products_of_bytes(tier: str, family: str | tuple[str, ...]):
    """Extreme bytes of either sign, depths round a word, windows with borders that are corrected."""
    if not any(kernel.name.startswith(family) for kernel in kernels(resolve_target(tier))):
        pytest.skip(f"{tier} has no such kernel")
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
    for number, case in enumerate(sample(linear_cases(few_planes(), ("conv2d",), 6), 16, 10)):
        case = replace(case, groups=1, pad_value=parse_code(case.activation).maximum)
        add_linear(emulation, case, Schedule(algorithm="im2col", vectors=1 + number % 3))
    emulation.run()


FILLS = (("random",), ("maximum",), ("alternating",))


def add_programs(emulation: Emulation, programs: Sequence[ModuleOp]) -> None:
    for number, module in enumerate(programs):
        data = [inputs(module, fills, number) for fills in FILLS]
        emulation.add(module, data, fuse=bool(number % 4))


@st.composite
def conversions(draw: DrawFn) -> ModuleOp:
    """Codes packed to one layout, and unpacked again or not."""
    code = draw(code_types())
    shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 8, 31, 33, 65)), min_size=1, max_size=2)))
    net = Net()
    packed = with_layout(TensorType(code, shape), draw(layouts(len(shape), packed=True)))
    value = net.add(BitpackOp(net.input(shape, code), packed))
    if draw(st.booleans()):
        value = net.add(UnpackOp(value, TensorType(code, shape)))
    return net.module(value)


@pytest.mark.parametrize("tier", TIERS)
def test_conversions(tier: str):
    emulation = Emulation(tier)
    add_programs(emulation, sample(conversions(), 16, 4))
    emulation.run()


@st.composite
def networks(draw: DrawFn) -> ModuleOp:
    """Two convolutions: thresholds pack the result of the first, floats are quantised after the second."""
    pair, second = draw(few_planes()), parse_code(draw(few_planes())[0])
    channels, middle, last = (draw(st.sampled_from((3, 16, 32, 33, 64))) for _ in range(3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    net = Net()
    x = net.input((1, 4, draw(st.integers(1, 6)), channels), pair[0])
    w = net.input((3, 3, channels, middle), pair[1], constant=True)
    value = net.conv2d(x, w, padding=(1, 1, 1, 1))
    table = np.sort(random.integers(-300, 300, (middle, second.steps)), axis=1)
    flip = net.constant(-random.integers(0, 2, middle), i32) if draw(st.booleans()) else None
    value = net.add(ThresholdOp(value, net.constant(table, i32), second, flip=flip))
    if draw(st.booleans()):
        value = net.add(MaxPoolOp(value, (2, 1), strides=(2, 1)))
    w = net.input((1, 1, middle, last), "odd1", constant=True)
    value = net.conv2d(value, w)
    scale = net.constant(random.choice((0.5, 0.1, -2.0), last).astype(np.float32), f32)
    value = net.add(RequantizeOp(value, scale, f32))
    step = net.constant(np.float32([3.0]), f32)
    return net.module(net.add(QuantizeOp(value, step, draw(code_types()))))


@pytest.mark.parametrize("tier", TIERS)
def test_networks(tier: str):
    emulation = Emulation(tier)
    add_programs(emulation, sample(networks(), 8, 5))
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_planes_of_thresholds(tier: str):
    emulation, programs = Emulation(tier), list[ModuleOp]()
    look_up = next((one.name for one in reversed(kernels(resolve_target(tier), "lookup"))), None)
    for number, spelling in enumerate(CODES):
        for step, pair in list(enumerate(PAIRS))[number % 2 :: 2]:
            kind = TABLES[(number + step) // 2 % len(TABLES)]
            name = look_up if number % 3 and pair[0] != "int2" else None
            schedule = Schedule(microkernel=name, pixels=1 + step % 4, unroll=1, taps="none")
            programs.append(packed_thresholds(pair, spelling, kind, schedule, number))
    programs += [added_codes(PAIRS[n], RESIDUALS[n], None, n) for n in range(len(RESIDUALS))]
    for number, module in enumerate(programs):
        data = [inputs(module, (fill,), number) for fill in ("random", "maximum")]
        emulation.add(module, data, fuse=True)
    emulation.run()


@pytest.mark.parametrize("tier", TIERS)
def test_codes_behind_the_last_whole_vector(tier: str):
    """One code more than a vector holds: its masked store wrote four bytes (llvm-project#179489)."""
    emulation, programs = Emulation(tier), list[ModuleOp]()
    for outputs in (17, 18, 31, 33):
        net = Net()
        x, w = net.input((3, 40), "uint2"), net.input((40, outputs), "odd1", constant=True)
        table = net.constant(np.int32([[-9, 0, 9]]), i32)
        programs.append(
            net.module(net.add(ThresholdOp(net.dense(x, w), table, parse_code("int2"))))
        )
    add_programs(emulation, programs)
    emulation.run()
