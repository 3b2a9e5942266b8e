"""The default schedule: what the model chooses on layers whose times are known."""

from random import Random

import pytest

import lowbit
from autotune.model import Model
from autotune.plan import planned
from autotune.processors import table_of
from autotune.ranking import ranked, stored_as
from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.backend.host import resolve_target
from microkernels.table import kernels
from microkernels.target import TARGETS, Target

C2, C3, C4 = (56, 64, 64, 3, 1), (56, 64, 64, 1, 1), (56, 64, 128, 3, 2)
C6, C7, C9 = (28, 128, 128, 3, 1), (28, 128, 256, 3, 2), (14, 256, 256, 3, 1)
C8, C12 = (28, 128, 256, 1, 2), (7, 512, 512, 3, 1)


def default(program: lowbit.Program, target: str, pinned: Schedule | None = None) -> Schedule:
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    op.properties["schedule"] = ScheduleAttr(pinned or Schedule())
    return planned(op, resolve_target(target))


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
        ("x86-64-v2", C3, "uint1", "odd1", "popcount_64"),
        ("x86-64-v2", C8, "uint1", "odd1", "popcount_64"),
        ("x86-64-v2", C8, "uint2", "odd1", "lookup_4x16"),
        ("x86-64-v3", C2, "uint1", "odd1", "lookup_4x32"),
        ("x86-64-v3", C3, "uint1", "odd1", "popcount_nibbles"),  # tables cost more than they save
        ("x86-64-v3", C3, "uint2", "odd1", "lookup_4x32"),
        ("x86-64-v3", C4, "uint1", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint2", "uint2", "lookup_4x32"),
        ("x86-64-v3", C6, "int2", "odd1", "popcount_nibbles"),
        ("x86-64-v3", C6, "uint4", "int4", "dot_u8s8"),
        ("x86-64-v4", C2, "uint1", "uint1", "popcount_nibbles"),
        ("x86-64-v4", C3, "uint1", "odd1", "popcount_nibbles"),  # three popcounts after two words
        ("x86-64-v4", C2, "uint2", "odd1", "lookup_4x64"),
        ("x86-64-v4", C6, "uint2", "odd1", "lookup_4x64"),
        ("x86-64-v4", C9, "uint2", "uint2", "lookup_4x64"),
        ("x86-64-v4", C6, "uint4", "int4", "dot_u8s8"),
        ("rpi3", C6, "uint2", "uint2", "popcount_pairs"),  # look-ups of all planes spill
        ("x86-64-v4-vpopcntdq", C6, "uint1", "odd1", "popcount_32"),
        ("x86-64-v4-vpopcntdq", C2, "uint1", "odd1", "popcount_32"),
        ("x86-64-v4-vpopcntdq", C6, "uint2", "odd1", "lookup_6x64"),
        ("x86-64-v4-vpopcntdq", C6, "i8", "i8", "vnni_s8s8"),
    ],
)
def test_kernels_of_convolutions(
    target: str, layer: tuple[int, ...], activation: str, weight: str, family: str
):
    chosen = default(convolution(layer, activation, weight), target)
    assert chosen.microkernel.startswith(family)


@pytest.mark.parametrize("tier", TARGETS)
@pytest.mark.parametrize("layer", [C3, C4, C9])
def test_no_drawn_schedule_is_predicted_much_faster(tier: str, layer: tuple[int, ...]):
    """The search looks at a part of the space: what it leaves out gains 3 % at most."""
    (op,) = (
        one
        for one in convolution(layer, "uint2", "odd1").module.walk()
        if isinstance(one, LinearOp)
    )
    target, random = resolve_target(tier), Random(0)
    space, table = Space(op, target), table_of(target)
    model = Model(space.demand.work, target, table, stored_as(op))
    drawn = {space.sample(random) for _ in range(300)}
    least = min(model.predict(schedule).seconds for schedule in drawn)
    assert model.predict(planned(op, target)).seconds <= 1.03 * least


def test_what_another_kernel_does_with_no_more_is_chosen_where_it_is_pinned():
    program = convolution(C3, "uint2", "uint2")
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    target = resolve_target("x86-64-v3")
    found = [one for one, _ in ranked(Space(op, target), table_of(target), 40)]
    names = {one.microkernel for one in found}
    assert "dot2_u8s8x16" in names and not any("s8u8" in one or "s8s8" in one for one in names)
    pinned = Schedule(microkernel="dot_s8s8x8")
    assert default(program, "x86-64-v3", pinned).microkernel == "dot_s8s8x8"


def test_a_kernel_that_cannot_take_all_planes_at_once():
    for weight in ("uint2", "uint3"):
        chosen = default(convolution(C4, "uint4", weight), "x86-64-v4-vpopcntdq")
        assert not chosen.microkernel.startswith("lookup_6") or chosen.planes != "inner"


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
    program = lowbit.conv2d(*shapes, "uint1", "odd1", padding=1, groups=2)
    # On Zen 3 nibbles take 0.94 and 0.88 of that for 16 and 32 channels (2026-11).
    assert default(program, "x86-64-v3,cpu=znver5").microkernel == "lookup_4x32"


@pytest.mark.parametrize("channels, kernel", [(24, "depthwise_u8x8"), (48, "depthwise_u8x16")])
def test_channels_of_a_depthwise_convolution_are_lanes(channels: int, kernel: str):
    shapes = (1, 9, 9, channels), (3, 3, 1, channels)
    program = lowbit.conv2d(*shapes, "uint2", "int2", groups=channels)
    assert default(program, "x86-64-v3").microkernel == kernel


@pytest.mark.parametrize("size", [7, 13, 14, 27, 28, 56])
def test_blocks_cut_rows_evenly(size: int):
    chosen = default(convolution((size, 64, 64, 3, 1), "uint1", "odd1"), "x86-64-v4-vpopcntdq")
    tiles = -(-size // chosen.pixels)
    assert chosen.pixels * chosen.vectors <= 16
    assert chosen.pixels == -(-size // tiles)
