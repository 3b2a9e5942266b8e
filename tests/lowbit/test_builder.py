"""What a person reads of ops that are wrong, word for word."""

import re
from collections.abc import Callable

import pytest

import lowbit

WRONG: list[tuple[Callable[[], object], str]] = [
    (
        lambda: lowbit.Program().input((2, 40), "uint2", layout="d0, d1"),  # type: ignore[arg-type]
        "layout is 'd0, d1': expected Layout",
    ),
    (
        lambda: [
            (p := lowbit.Program()),
            p.input((2,), "i8", name="x"),
            p.input((), "i8", name="x"),
        ],
        "there is an input 'x' already: give this one another name",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[m[:40] for _, m in WRONG])
def test_inputs_that_are_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


BUILDERS: list[tuple[Callable[[lowbit.Program], object], str]] = [
    (
        lambda p: p.bitpack(p.input((2, 40), "uint2"), lowbit.Layout.of("d0, d1")),
        "'lowbit.bitpack': packs to a layout with planes",
    ),
    (
        lambda p: p.bitpack(p.input((2, 40), "uint2"), lowbit.Layout.of("d0, planes, d2 by 8")),
        "'lowbit.bitpack': layout [d0, planes, d2 by 8], i32 names an axis that a tensor of rank 2 lacks",
    ),
    (
        lambda p: p.bitpack(p.input((2, 40), "uint2"), lowbit.Layout.of("d0, planes, d1 by 32", 8)),
        "'lowbit.bitpack': layout [d0, planes, d1 by 32], i8 packs more elements than a word has bits",
    ),
    (
        lambda p: p.threshold(p.input((2, 4), "i32"), p.input((4, 2), "i32"), "uint2"),
        "'lowbit.threshold': a quantiser to !lowbit.uint<2> has 3 thresholds, not 2",
    ),
    (
        lambda p: p.threshold(p.input((2, 4), "i32"), p.input((4, 3), "i32"), "i8"),
        "'lowbit.threshold': expected a code such as uint2 or odd1, not i8",
    ),
    (
        lambda p: p.requantize(p.input((2, 4), "i32"), p.input((4,), "f32"), axis=2),
        "'lowbit.requantize': axis 2 is ",
    ),
    (
        lambda p: p.add(p.input((2, 4), "i32"), p.input((4, 2), "i32")),
        "'lowbit.add': takes tensor<2x4xi32> and tensor<4x2xi32>: the shapes differ",
    ),
    (
        lambda p: p.clip(p.input((4,), "i32"), 0.9),
        "'lowbit.clip': minimum 0.9 is no integer in -2147483648..2147483647",
    ),
    (
        lambda p: p.clip(p.input((4,), "i32"), 0, 2**31),
        "'lowbit.clip': maximum 2147483648 is no integer in -2147483648..2147483647",
    ),
    (
        lambda p: p.clip(p.input((4,), "i32"), float("nan")),
        "'lowbit.clip': minimum nan is no integer in -2147483648..2147483647",
    ),
    (
        lambda p: p.reshape(p.input((2, 4), "i32"), (3, 3)),
        "'lowbit.reshape': tensor<2x4xi32> and tensor<3x3xi32> have different numbers of elements",
    ),
    (
        lambda p: p.transpose(p.input((2, 4), "i32"), (0, 0)),
        "'lowbit.transpose': [0, 0] permutes no 2 axes",
    ),
    (
        lambda p: p.concat((p.input((2, 4), "i32"), p.input((2,), "i32")), 1),
        "'lowbit.concat': joins along axis 1, but tensor<2x4xi32> and tensor<2xi32> differ",
    ),
    (
        lambda p: p.concat((), 0),
        "'lowbit.concat': joins one tensor or more, not none",
    ),
    (
        lambda p: p.concat((p.input((2, 4), "i32"),), 2),
        "'lowbit.concat': axis 2 is not one of 2",
    ),
    (
        lambda p: p.extract_slice(p.input((2, 4), "i32"), (0, 1), (2, 4)),
        "'lowbit.extract_slice': reads 1 to 4 along axis 1, which has 4 elements",
    ),
    (
        lambda p: p.pad(p.input((4,), "i32"), (1,), (0,), 0.5),
        "'lowbit.pad': pads i32 with an integer, not 5.000000e-01 : f32",
    ),
    (
        lambda p: p.repeat(p.input((2, 4), "i32"), (2,)),
        "'lowbit.repeat': factors has 1 numbers for 2 axes",
    ),
    (
        lambda p: p.max_pool(p.input((1, 4, 4, 1), "uint1"), 2, strides=0),
        "'lowbit.max_pool': kernel, strides and dilations are at least 1 along the height",
    ),
    (
        lambda p: p.avg_pool(p.input((1, 4, 4, 1), "uint1"), (2,)),
        "'lowbit.avg_pool': kernel has 2 numbers, not (2,)",
    ),
    (
        lambda p: p.add(p.input((2, 4), "i32"), p.input((2, 4), "i32"), axis=0.5),  # type: ignore[arg-type]
        "'lowbit.add': axis is a whole number, not 0.5",
    ),
    (
        lambda p: p.dense(p.input((2, 4), "i8"), None),  # type: ignore[arg-type]
        "'lowbit.dense': operand 1 is None: expected SSAValue",
    ),
    (
        lambda p: p.add(p.input((2, 4), "i32"), lowbit.Program().input((2, 4), "i32", name="far")),
        "'lowbit.add': operand 1 %far is a value of another program: build it in this one",
    ),
    (
        lambda p: p.requantize(
            p.input((2, 4), "i32"),
            p.input((4,), "f32"),
            bias=lowbit.dense((1, 4), (4, 4), "f32", "f32").outputs[0],
        ),
        "'lowbit.requantize': operand 2 %y is a value of another program: build it in this one",
    ),
    (
        lambda p: p.output(lowbit.Program().input((2, 4), "i32")),
        "an output %x is a value of another program: build it in this one",
    ),
    (
        lambda p: p.clip(p.input((2, 4), "i32"), "0"),  # type: ignore[arg-type]
        "'lowbit.clip': minimum is a number that f32 can hold, not '0'",
    ),
    (
        lambda p: p.batch_norm(
            p.input((2, 4), "f32"), *(p.input((4,), "f32") for _ in range(4)), epsilon=1e300
        ),
        "'lowbit.batch_norm': epsilon is a number that f32 can hold, not 1e+300",
    ),
    (
        lambda p: p.apply("sine", p.input((2, 4), "f32")),
        "'lowbit.apply': function is abs, ceil, elu, erf, ",
    ),
    (
        lambda p: p.apply("elu", p.input((2, 4), "f32")),
        "'lowbit.apply': elu has alpha",
    ),
    (
        lambda p: p.apply("elu", p.input((2, 4), "f32"), alpha=1e300),
        "'lowbit.apply': alpha is a number that f32 can hold, not 1e+300",
    ),
    (
        lambda p: p.mul(p.input((2, 4), "f32"), p.input((4, 2), "f32")),
        "'lowbit.mul': takes tensor<2x4xf32> and tensor<4x2xf32>: the shapes differ",
    ),
    (
        lambda p: p.div(p.input((2, 4), "uint2"), p.input((4,), "f32")),
        "'lowbit.div': takes f32, not !lowbit.uint<2>",
    ),
    (
        lambda p: p.prelu(p.input((2, 4), "f32"), p.input((3,), "f32")),
        "'lowbit.prelu': a table has 1 row or 4, not 3",
    ),
    (
        lambda p: p.reduce("median", p.input((2, 4), "f32")),
        "'lowbit.reduce': function is sum, mean, max or min, not median",
    ),
    (
        lambda p: p.top_k(p.input((2, 4), "f32"), 5),
        "'lowbit.top_k': gives 1 to 4 numbers a row, not 5",
    ),
    (
        lambda p: p.max_pool(p.input((1, 4, 4, 1), "uint1"), 5),
        "'lowbit.max_pool': the output is empty: the kernel reaches over 5 positions of the height, which "
        "has 4 with padding",
    ),
    (
        lambda p: p.dense(p.input((2, 4), "i16"), p.input((4, 2), "i16"), range=(0, 1, 2)),  # type: ignore[arg-type]
        "'lowbit.dense': range is the smallest and the largest sum, not 3 numbers",
    ),
    (
        lambda p: p.dense(p.input((2, 4), "i16"), p.input((4, 2), "i16"), range=(0, 1 << 31)),
        "'lowbit.dense': the sum of 4 products lies in 0..2147483648, which can wrap in i32",
    ),
]


@pytest.mark.parametrize(("make", "message"), BUILDERS, ids=[m[:40] for _, m in BUILDERS])
def test_ops_that_are_wrong(make: Callable[[lowbit.Program], object], message: str) -> None:
    program = lowbit.Program()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(program)
    # Nothing of the wrong op is left behind.
    program.module.verify()
    assert all(not argument.uses.get_length() for argument in program.arguments)


@pytest.mark.parametrize("op", ["conv2d", "dense"])
def test_sums_that_are_promised(op: str) -> None:
    program = lowbit.Program()
    shapes = {"conv2d": ((1, 2, 3, 4), (1, 1, 4, 2)), "dense": ((2, 4), (4, 2))}[op]
    x, w = (program.input(shape, "i16") for shape in shapes)
    program.output(getattr(program, op)(x, w, range=(-5, 70000)))
    assert "range = array<i64: -5, 70000>" in str(program)
