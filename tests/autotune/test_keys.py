"""Names and the order of what is written change no key; shapes, elements, layouts, pads and ranges do."""

from math import inf

import pytest
from dialect_text import parse
from hypothesis import given, settings
from strategies import LinearCase, linear_cases, program_for

from autotune.keys import described, distance, key_of
from lowbit_dialect.ops.linear import LinearOp

PROGRAM = """
func.func @main(%x: tensor<1x8x8x64x!lowbit.uint<2>>, %w: tensor<3x3x64x64x!lowbit.odd<1>>,
                %s: tensor<64xf32>, %r: tensor<1x8x8x64xf32>) -> tensor<1x8x8x64xf32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>, lowbit.name = "first"} epilogue {
  ^bb0(%a: i32):
    %b = lowbit.requantize %a, %s : i32, tensor<64xf32> -> f32
    %c = lowbit.clip %b {minimum = 0.0 : f32} : f32 -> f32
    %d = lowbit.add %c, %r : f32, tensor<1x8x8x64xf32> -> f32
    lowbit.yield %d : f32
  } : tensor<1x8x8x64x!lowbit.uint<2>>, tensor<3x3x64x64x!lowbit.odd<1>> -> tensor<1x8x8x64xf32>
  func.return %y : tensor<1x8x8x64xf32>
}
"""


def op_of(text: str) -> LinearOp:
    return next(op for op in parse(text).walk() if isinstance(op, LinearOp))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%a", "%accumulator"),
        ("%x", "%image"),
        ('lowbit.name = "first"', 'lowbit.name = "second"'),
        (', lowbit.name = "first"', ""),
        ("{padding", "{strides = array<i64: 1, 1>, padding"),
        ("{padding", "{schedule = #lowbit.schedule<pixels = 4>, padding"),
        ("    %d =", "    %dead = lowbit.clip %b {maximum = 1.0 : f32} : f32 -> f32\n    %d ="),
        ("func.func", "func.func @other() {\n  func.return\n}\nfunc.func"),
    ],
)
def test_what_says_nothing_of_the_op_changes_no_key(old: str, new: str):
    assert key_of(op_of(PROGRAM.replace(old, new))) == key_of(op_of(PROGRAM))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1x8x8x64", "1x9x8x64"),
        ("uint<2>", "uint<3>"),
        ("{padding", "{pad_value = 1, padding"),
        ("{padding", "{range = array<i64: -9, 9>, padding"),
        ("1, 1, 1, 1>", "2, 1, 0, 1>"),
        ("minimum = 0.0", "minimum = 1.0"),
        ("lowbit.add", "lowbit.mul"),
    ],
)
def test_what_makes_another_op_makes_another_key(old: str, new: str):
    assert key_of(op_of(PROGRAM.replace(old, new))) != key_of(op_of(PROGRAM))


@given(linear_cases())
@settings(max_examples=30)
def test_text_of_an_op_has_the_key_of_the_op(case: LinearCase):
    """Defaults are spelled out or not, values get other names: the key is that of the op built in Python."""
    module = program_for(case)
    built = next(op for op in module.walk() if isinstance(op, LinearOp))
    assert key_of(op_of(str(module))) == key_of(built)
    assert distance(described(built), described(built)) == 0


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            LinearCase("conv2d", "uint2", "odd1", 1, 56, 56, 64, 64, (3, 3)),
            "conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64",
        ),
        (
            LinearCase(
                "conv2d", "i8", "i8", 2, 9, 8, 32, 32, (1, 3), (2, 1), groups=4, format="nchw"
            ),
            "conv2d 1x3/2x1 in 4 groups i8 x i8 nchw: 2x9x8x32 to 32",
        ),
        (
            LinearCase("conv2d", "f32", "f32", 1, 9, 9, 4, 4, (3, 3), dilations=(2, 2)),
            "conv2d 3x3 apart 2x2 f32 x f32: 1x9x9x4 to 4",
        ),
        (
            LinearCase("dense", "ternary", "i16", height=64, channels=4096, outputs=10),
            "dense ternary x i16: 64x4096 to 10",
        ),
    ],
)
def test_an_op_reads_as_a_line(case: LinearCase, text: str):
    op = next(op for op in program_for(case).walk() if isinstance(op, LinearOp))
    assert described(op) == text


def test_like_ops_are_nearer_the_nearer_their_sizes():
    op = "conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64"
    assert distance(op, op) == 0
    assert distance(op, "conv2d 3x3 uint2 x odd1: 1x28x28x128 to 128") == 4
    assert distance(op, "conv2d 3x3 uint2 x odd1: 1x56x56x64 to 32") == 1
    for other in (
        "conv2d 1x1 uint2 x odd1: 1x56x56x64 to 64",
        "conv2d 3x3 uint1 x odd1: 1x56x56x64 to 64",
        "dense uint2 x odd1: 56x64 to 64",
        "conv2d 3x3 uint2 x odd1: 1x56x56 to 64",
        "conv2d 3x3 uint2 x odd1: 0x56x56x64 to 64",
        "",
    ):
        assert distance(op, other) == inf
