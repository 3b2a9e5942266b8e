"""The default kernel and block: what the stated rule gives on layers whose times are known."""

import pytest
from xdsl.dialects.builtin import i32

import lowbit
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.choice import default_schedule

C2, C3, C4, C6 = (56, 64, 64, 3, 1), (56, 64, 64, 1, 1), (56, 64, 128, 3, 2), (28, 128, 128, 3, 1)


def default(program: lowbit.Program, target: str) -> Schedule:
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    return default_schedule(op.contraction, i32, resolve_target(target))


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
        ("x86-64-v3", C2, "uint1", "odd1", "lookup_4x32"),
        ("x86-64-v3", C3, "uint1", "odd1", "popcount_nibbles"),  # tables cost more than they save
        ("x86-64-v3", C4, "uint1", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint2", "uint2", "lookup_4x32"),
        ("x86-64-v3", C6, "int2", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint4", "int4", "dot_u8s8"),
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


def test_channels_of_a_depthwise_convolution_are_lanes():
    program = lowbit.conv2d((1, 9, 9, 24), (3, 3, 1, 24), "uint2", "int2", groups=24)
    assert default(program, "x86-64-v3").microkernel == "depthwise_i32x8"


@pytest.mark.parametrize("size", [7, 13, 14, 27, 28, 56])
def test_blocks_cut_rows_evenly(size: int):
    chosen = default(convolution((size, 64, 64, 3, 1), "uint1", "odd1"), "x86-64-v4-vpopcntdq")
    tiles = -(-size // chosen.pixels)
    assert chosen.pixels * chosen.vectors <= 16
    assert chosen.pixels == -(-size // tiles)
