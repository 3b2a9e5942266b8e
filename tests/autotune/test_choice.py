"""The default kernel and block: what the stated rule gives on layers whose times are known."""

from dataclasses import replace

import pytest

import lowbit
from autotune.choice import default_schedule
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Loop, Schedule
from lowering.backend.host import resolve_target
from microkernels.legality import Demand, refusal
from microkernels.table import kernels
from microkernels.target import TARGETS, Target

C2, C3, C4 = (56, 64, 64, 3, 1), (56, 64, 64, 1, 1), (56, 64, 128, 3, 2)
C6, C7, C9 = (28, 128, 128, 3, 1), (28, 128, 256, 3, 2), (14, 256, 256, 3, 1)
C8, C12 = (28, 128, 256, 1, 2), (7, 512, 512, 3, 1)


def default(program: lowbit.Program, target: str, pinned: Schedule | None = None) -> Schedule:
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    schedule = default_schedule(Demand.of(op), resolve_target(target), pinned or Schedule())
    error = refusal(Demand.of(op), replace(schedule, parallel="none"), resolve_target(target))
    if error:
        raise ValueError(error)
    return schedule


def convolution(layer: tuple[int, ...], activation: str, weight: str) -> lowbit.Program:
    size, inputs, outputs, kernel, stride = layer
    return lowbit.conv2d(
        (1, size, size, inputs),
        (kernel, kernel, inputs, outputs),
        activation,
        weight,
        strides=stride,
        padding=kernel // 2,
    )


@pytest.mark.parametrize(
    ("target", "layer", "activation", "weight", "family"),
    [
        ("x86-64", C2, "uint1", "odd1", "popcount_64"),
        ("x86-64-v2", C2, "uint1", "odd1", "lookup_4x16"),
        ("x86-64-v2", C3, "uint1", "odd1", "lookup_4x16"),
        ("x86-64-v2", C8, "uint1", "odd1", "popcount_64"),
        ("x86-64-v2", C8, "uint2", "odd1", "lookup_4x16"),
        ("x86-64-v3", C2, "uint1", "odd1", "lookup_4x32"),
        ("x86-64-v3", C3, "uint1", "odd1", "popcount_nibbles"),  # tables cost more than they save
        ("x86-64-v3", C3, "uint2", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C4, "uint1", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint2", "uint2", "lookup_4x32"),
        ("x86-64-v3", C6, "int2", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint4", "int4", "dot_u8s8"),
        ("x86-64-v4", C2, "uint1", "uint1", "popcount_harley_seal"),
        ("x86-64-v4", C3, "uint1", "odd1", "popcount_nibbles"),  # three popcounts after two words
        ("x86-64-v4", C4, "odd1", "odd1", "popcount_harley_seal"),
        ("x86-64-v4", C6, "int1", "odd1", "popcount_harley_seal"),
        ("x86-64-v4", C2, "uint2", "odd1", "lookup_4x64"),
        ("x86-64-v4", C6, "uint2", "odd1", "lookup_4x64"),
        ("x86-64-v4", C9, "uint2", "uint2", "lookup_4x64"),
        ("x86-64-v4", C6, "uint4", "int4", "dot_u8s8"),
        ("x86-64-v4,vector_bits=256", C9, "uint1", "uint1", "popcount_harley_seal"),
        ("x86-64-v4-vpopcntdq", C6, "uint1", "odd1", "popcount_32"),
        ("x86-64-v4-vpopcntdq", C2, "uint2", "odd1", "popcount_32"),
        ("x86-64-v4-vpopcntdq", C6, "uint2", "odd1", "lookup_6x64"),
        ("x86-64-v4-vpopcntdq", C6, "i8", "i8", "vnni_s8s8"),
    ],
)
def test_kernels_of_convolutions(
    target: str, layer: tuple[int, ...], activation: str, weight: str, family: str
):
    chosen = default(convolution(layer, activation, weight), target)
    assert chosen.microkernel.startswith(family)


def test_planes_and_order():
    """One pixel reads the weights once for all planes; rows come first where weights are small."""
    one, many = (lowbit.dense((rows, 4096), (4096, 4096), "uint2", "ternary") for rows in (1, 64))
    assert default(one, "x86-64-v4-vpopcntdq").planes == "inner"
    assert default(many, "x86-64-v4-vpopcntdq").planes == "outer"
    assert default(convolution(C7, "uint2", "odd1"), "x86-64-v3").loops[:2] == (
        Loop("rows", 7),
        Loop("rows"),
    )
    assert default(convolution(C12, "uint2", "odd1"), "x86-64-v3").loops[0] == Loop("channels")


def test_short_sums_store_all_channels_of_a_pixel():
    chosen = default(convolution(C3, "uint1", "odd1"), "x86-64-v4-vpopcntdq")
    assert (chosen.pixels, chosen.vectors) == (4, 4)


def test_look_ups_too_full_for_all_planes():
    program = lowbit.conv2d((1, 4, 4, 64), (3, 3, 64, 64), "uint4", "uint2")
    pinned = Schedule(microkernel="lookup_6x64", planes="inner")
    with pytest.raises(
        ValueError, match="planes = inner adds 1 products a word: lookup_6x64 holds 2"
    ):
        default(program, "x86-64-v4-vpopcntdq", pinned)


@pytest.mark.parametrize(
    ("target", "layer", "activation", "algorithm"),
    [
        ("x86-64-v3", (28, 65, 67, 3, 1), "uint1", "im2col"),  # 37 words of 16 channels, not 45
        ("x86-64-v4-vpopcntdq", (28, 65, 67, 3, 1), "uint1", "im2col"),  # 19 words, not 27
        ("x86-64-v3", (28, 1, 64, 3, 1), "uint8", "im2col"),  # 3 words of 4 channels, not 9
        ("x86-64-v3", (28, 1, 64, 3, 1), "uint2", "im2col"),
        ("x86-64-v3", (224, 3, 64, 7, 2), "uint8", "im2col"),
        ("x86-64-v3", (28, 64, 64, 3, 1), "uint1", "direct"),
        ("x86-64-v4-vpopcntdq", (28, 64, 64, 3, 1), "uint1", "direct"),
        ("x86-64-v3", (28, 3, 64, 3, 1), "uint2", "direct"),  # tables serve nine windows
        ("x86-64-v3", (28, 1, 64, 3, 1), "odd1", "direct"),  # padded with 0, which is no code
    ],
)
def test_algorithms_of_convolutions(
    target: str, layer: tuple[int, ...], activation: str, algorithm: str
):
    assert default(convolution(layer, activation, "odd1"), target).algorithm == algorithm


def test_kernels_where_one_pixel_streams_the_weights():
    """Four channels a byte are twice the bytes, four weights a byte too: 68 and 70 us against 53."""
    one, many = (lowbit.dense((rows, 4096), (4096, 4096), "uint1", "odd1") for rows in (1, 64))
    assert default(one, "x86-64-v3").microkernel == "popcount_bytes_32x8"
    assert default(many, "x86-64-v3").microkernel != "popcount_bytes_32x8"


def test_words_are_grouped_across_the_taps_of_a_row():
    """The two words of a tap of C2 are 14 instructions, the six of a row 22."""
    chosen = default(convolution(C2, "uint1", "uint1"), "x86-64-v4")
    assert (chosen.pixels, chosen.vectors, chosen.unroll, chosen.taps) == (1, 4, 6, "none")
    chosen = default(convolution(C9, "uint1", "uint1"), "x86-64-v4")
    assert (chosen.pixels, chosen.vectors, chosen.unroll, chosen.taps) == (1, 4, 8, "none")


def test_short_single_taps_give_one_pixel_all_accumulators():
    blocks = [default(convolution(layer, "uint1", "odd1"), "x86-64-v3") for layer in (C3, C8, C4)]
    assert [(b.pixels, b.vectors, b.unroll) for b in blocks] == [(1, 8, 2), (1, 8, 2), (4, 2, 2)]
    dense = lowbit.dense((64, 4096), (4096, 4096), "uint1", "odd1")
    assert default(dense, "x86-64-v3").pixels == 4


@pytest.mark.parametrize(
    "name",
    [*TARGETS, *(f"{n},vector_bits={bits}" for n in ("x86-64-v4", "znver4") for bits in (64, 256))],
)
def test_no_kernel_is_wider_than_the_vectors_of_its_target(name: str):
    target = Target.parse(name)
    wide = [k.name for k in kernels(target) if 8 * k.weight_bytes > target.simd_bits]
    assert not wide


@pytest.mark.parametrize("feature", ["avx512vnni", "avx512vpopcntdq"])
def test_short_vectors_of_avx512_need_its_short_encodings(feature: str):
    names = [k.name for k in kernels(Target.parse(f"x86-64-v3,+{feature}"))]
    assert names == [k.name for k in kernels(Target.parse("x86-64-v3"))]
    assert names != [k.name for k in kernels(Target.parse(f"x86-64-v3,+{feature},+avx512vl"))]


@pytest.mark.parametrize("inputs", [8, 16, 32])
def test_kernels_of_groups(inputs: int):
    shapes = (1, 56, 56, 2 * inputs), (3, 3, inputs, 64)
    chosen = default(lowbit.conv2d(*shapes, "uint1", "odd1", padding=1, groups=2), "x86-64-v3")
    assert chosen.microkernel == ("lookup_4x32" if inputs == 8 else "popcount_nibbles_16x8")


def test_channels_of_a_depthwise_convolution_are_lanes():
    program = lowbit.conv2d((1, 9, 9, 24), (3, 3, 1, 24), "uint2", "int2", groups=24)
    assert default(program, "x86-64-v3").microkernel == "depthwise_i32x8"


@pytest.mark.parametrize("size", [7, 13, 14, 27, 28, 56])
def test_blocks_cut_rows_evenly(size: int):
    chosen = default(convolution((size, 64, 64, 3, 1), "uint1", "odd1"), "x86-64-v4-vpopcntdq")
    tiles = -(-size // chosen.pixels)
    assert chosen.pixels * chosen.vectors <= 16
    assert chosen.pixels == -(-size // tiles)
