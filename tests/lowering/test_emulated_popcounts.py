"""Carry-save adders and weighted counts, which only AVX-512 has: emulated, against the reference."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import pytest
from bochs import missing
from emulated import NARROW, PROCESSORS, Emulation
from schedules import linear_of, pin
from strategies import LinearCase, element, fill, program_for

from lowbit_dialect.codes import CODE_SPELLINGS, parse_code
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import find_kernel

PLAIN, COUNTING = PROCESSORS
FAMILIES = [
    (PLAIN, "popcount_harley_seal_32x16"),
    (PLAIN + NARROW, "popcount_harley_seal_32x8"),
    (COUNTING, "popcount_weighted_32x16"),
    (COUNTING + NARROW, "popcount_weighted_32x8"),
]
BITS = (("uint1", "uint1"), ("uint1", "odd1"), ("odd1", "uint1"), ("odd1", "odd1"))
FILLS = (("random", "random"), ("max", "max"), ("min", "max"))

pytestmark = [
    pytest.mark.emulated,
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.parametrize(("tier", "kernel"), FAMILIES),
]


def run(
    tier: str,
    kernel: str,
    layers: Iterable[tuple[LinearCase, Schedule]],
    fills: Sequence[tuple[str, str]] = FILLS,
) -> int:
    """Check layers on one kernel (every third in half vectors); return how many it does not accept."""
    emulation, target, refused = Emulation(tier), resolve_target(tier), 0
    layers = list(layers)[:: 3 if NARROW in tier else 1]
    for case, schedule in layers:
        module = program_for(case)
        op = linear_of(module)
        if not find_kernel(kernel, target).accepts(op.contraction, op.accumulator):
            refused += 1
            continue
        pin(module, Schedule(**(vars(schedule) | {"microkernel": kernel})))
        shapes = (case.input_shape, case.activation), (case.weight_shape, case.weight)
        data = [
            [
                fill(kind, shape, element(code), case.seed + i)
                for kind, (shape, code, i) in zip(pair, ((*one, i) for i, one in enumerate(shapes)))
            ]
            for pair in fills
        ]
        emulation.add(module, data)
    emulation.run()
    return refused


def test_words_of_a_tap(tier: str, kernel: str):
    """Groups of 8 words and every rest, in taps that follow each other and in those that do not."""
    layers: list[tuple[LinearCase, Schedule]] = []
    for number, words in enumerate((1, 2, 3, 5, 7, 8, 9, 16)):
        pair, depth = BITS[number % 4], 32 * words - number % 3
        case = LinearCase("dense", *pair, height=3, channels=depth, outputs=33, seed=number)
        layers.append((case, Schedule()))
        image = LinearCase(
            "conv2d",
            *pair,
            height=3,
            width=7,
            channels=depth,
            outputs=(1, 16, 17, 65)[number % 4],
            kernel=(3, 3),
            padding=(1, 1, 1, 1),
            dilations=(1, 1 + number % 2),
            pad_value=number % 2,
            seed=number,
        )
        layers.append((image, Schedule()))
    assert not run(tier, kernel, layers)


def test_channels(tier: str, kernel: str):
    """Input and output channels round a word and a vector, whole and in groups; any block and unrolling."""
    layers: list[tuple[LinearCase, Schedule]] = []
    for number, (inputs, groups) in enumerate(product((1, 31, 32, 33, 64, 65), (1, 2, 3))):
        case = LinearCase(
            "conv2d",
            *BITS[number % 4],
            batch=1 + number % 2,
            height=4,
            width=5,
            channels=inputs * groups,
            outputs=groups * (1, 15, 16, 31, 33)[number % 5],
            kernel=(2, 3),
            strides=(1, 1 + number % 2),
            padding=(number % 2, 1, 0, 1),
            groups=groups,
            seed=number,
        )
        block = Schedule(pixels=1 + number % 4, vectors=1 + number % 3, unroll=1 + number % 9)
        layers.append((case, block))
    assert not run(tier, kernel, layers)


def test_pairs_of_codes(tier: str, kernel: str):
    """Each code with a few others, all of them over the codes."""
    layers: list[tuple[LinearCase, Schedule]] = []
    for first, activation in enumerate(CODE_SPELLINGS):
        for step in range(first % 11, len(CODE_SPELLINGS), 11):
            case = LinearCase(
                "dense",
                activation,
                CODE_SPELLINGS[step],
                height=2,
                channels=67 + 200 * (step % 2),
                outputs=9,
                seed=step,
            )
            if parse_code(activation).planes * parse_code(case.weight).planes <= 16:
                layers.append((case, Schedule()))
    assert run(tier, kernel, layers) < len(layers) / 2


@pytest.mark.parametrize("unroll", [1, 8, 31])
def test_full_bytes(tier: str, kernel: str, unroll: int):
    """255 words of ones fill a byte of the adders' eights; one more wraps."""
    layers: list[tuple[LinearCase, Schedule]] = []
    for number, depth in enumerate((255 * 32, 255 * 32 + 1, 257 * 32, 511 * 32)):
        pair = BITS[::3][(number + unroll) % 2]
        case = LinearCase("dense", *pair, height=2, channels=depth, outputs=3)
        layers.append((case, Schedule(unroll=unroll)))
    case = LinearCase(
        "conv2d", "uint1", "uint1", height=2, width=3, channels=32 * 90, outputs=3, kernel=(2, 3)
    )
    layers.append((case, Schedule(unroll=unroll)))
    assert not run(tier, kernel, layers, (("max", "max"), ("random", "max")))


def test_planes_in_one_pass(tier: str, kernel: str):
    """Products of several pairs of planes in one group of words; one sum of all where they are weighed."""
    layers: list[tuple[LinearCase, Schedule]] = []
    pairs = ("uint2", "odd1"), ("int2", "ternary"), ("uint1", "int2"), ("odd2", "uint2")
    for number, pair in enumerate(pairs * 2):
        shape = LinearCase("dense", *pair, height=2, channels=64 + 9 * number, outputs=17)
        if number % 2:
            shape = replace(shape, op="conv2d", width=4, kernel=(1, 3), padding=(0, 1, 0, 1))
        block = Schedule(pixels=1, vectors=1, unroll=(1, 3, 8)[number % 3], planes="inner")
        layers.append((replace(shape, seed=number), block))
    assert not run(tier, kernel, layers)
