"""What a person reads when something is wrong, word for word."""

import re
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import lowbit
from lowbit.errors import report

X, W = (1, 6, 6, 8), (3, 3, 8, 4)


def conv(**options: object) -> lowbit.Program:
    return lowbit.conv2d(X, W, "uint2", "odd1", **options)  # type: ignore[arg-type]


PROGRAMS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: conv(strides=0),
        "'lowbit.conv2d': kernel, strides and dilations are at least 1 along the height",
    ),
    (
        lambda: conv(strides=(1, 2, 3)),
        "'lowbit.conv2d': strides has 2 numbers, not (1, 2, 3)",
    ),
    (lambda: conv(padding=-1), "'lowbit.conv2d': padding is not negative along the height"),
    (lambda: conv(padding=(1, 1)), "'lowbit.conv2d': padding has 4 numbers, not (1, 1)"),
    (
        lambda: conv(dilation=4),
        "'lowbit.conv2d': the output is empty: the kernel reaches over 9 positions of the height, which "
        "has 6 with padding",
    ),
    (lambda: conv(groups=0), "'lowbit.conv2d': groups is at least 1, not 0"),
    (
        lambda: conv(groups=3),
        "'lowbit.conv2d': 8 input and 4 output channels do not fit weights of 8 input channels in 3 groups",
    ),
    (
        lambda: conv(pad_value=4),
        "'lowbit.conv2d': pad_value 4 lies outside 0..3, the range of !lowbit.uint<2>",
    ),
    (lambda: conv(format="chwn"), "'lowbit.conv2d': format is nhwc or nchw, not chwn"),
    (lambda: conv(constant=("v",)), "constant names 'x' or 'w', not 'v'"),
    (lambda: conv(constant="xw"), "constant names 'x' or 'w', not 'xw'"),
    (lambda: conv(constant=None), "constant is None: expected Iterable"),
    (
        lambda: conv(strides=(1.9, 1.9)),
        "'lowbit.conv2d': strides is a list of whole numbers, not (1.9, 1.9)",
    ),
    (lambda: conv(strides="11"), "'lowbit.conv2d': strides is a list of whole numbers, not '11'"),
    (lambda: conv(groups=2.0), "'lowbit.conv2d': groups is a whole number, not 2.0"),
    (lambda: conv(pad_value="1"), "'lowbit.conv2d': pad_value is a whole number, not '1'"),
    (
        lambda: lowbit.conv2d((1, 6, 6, 8.9), W, "uint2", "odd1"),  # type: ignore[arg-type]
        "shape is a list of whole numbers, not (1, 6, 6, 8.9)",
    ),
    (
        lambda: lowbit.Program().input((2, 40), "uint2", layout="d0, d1"),  # type: ignore[arg-type]
        "layout is 'd0, d1': expected Layout",
    ),
    (lambda: lowbit.parse(None), "source is None: expected str or Path"),  # type: ignore[arg-type]
    (lambda: lowbit.compile(None), "program is None: expected Program"),  # type: ignore[arg-type]
    (lambda: lowbit.reference(None), "program is None: expected Program"),  # type: ignore[arg-type]
    (
        lambda: lowbit.conv2d((6, 6, 8), W, "uint2", "odd1"),
        "'lowbit.conv2d': input has rank 4, not 3",
    ),
    (
        lambda: lowbit.conv2d((1, 0, 6, 8), W, "uint2", "odd1"),
        "a shape of 1x0x6x8: every extent is at least 1",
    ),
    (
        lambda: lowbit.conv2d(X, W, "uint9", "odd1"),
        "unknown element 'uint9': expected uint1..uint8, int1..int8, odd1..odd8, ternary, i8, i16, i32, f32",
    ),
    (
        lambda: lowbit.conv2d(X, W, "uint2", "f32"),
        "'lowbit.conv2d': cannot multiply !lowbit.uint<2> by f32",
    ),
    (
        lambda: lowbit.dense((2, 70000), (70000, 2), "uint8", "uint8"),
        "'lowbit.dense': the sum of 70000 products lies in 0..4551750000, which can wrap in i32: sum in "
        "i64, or state in `range` what constant weights allow",
    ),
    (
        lambda: lowbit.dense((2, 3), (3, 2), "uint1", "odd1", weights=np.zeros((3, 2), int)),
        "'lowbit.constant': argument 'constant' holds 0, but odd1 is odd integers only",
    ),
    (
        lambda: lowbit.dense((2, 3), (3, 2), "uint1", "odd1", weights=np.ones((2, 3), int)),
        "weights have shape (2, 3), not (3, 2)",
    ),
    (
        lambda: [
            (p := lowbit.Program()),
            p.input((2,), "i8", name="x"),
            p.input((), "i8", name="x"),
        ],
        "there is an input 'x' already: give this one another name",
    ),
    (lambda: lowbit.parse("func.func @f(\n"), "<text>:2:1: Expected argument or type"),
    (
        lambda: lowbit.parse(f'func.func @f() {{\n  lowbit.constant dense<"0x{"0" * 100}'),
        "<text>:2:25: a string literal starts here and does not end on its line",
    ),
    (
        lambda: lowbit.parse("func.func @f(%x: tensor<2xi4294967296>) {func.return}"),
        "<text>:1:27: no integer has 4294967296 bits",
    ),
    (
        lambda: lowbit.parse("func.func @f() {\n  %0 = nothing.at_all()\n}"),
        "<text>:2:8: there is no 'nothing.at_all'",
    ),
    (
        lambda: lowbit.parse("builtin.module {}"),
        "the program has no function: expected func.func @NAME(...) {...}",
    ),
    (
        lambda: lowbit.parse("func.func @f(%x: tensor<2x!lowbit.uint<9>>) {\n  func.return\n}"),
        "<text>:1:42: lowbit.uint has 1 to 8 bits, not 9",
    ),
    (
        lambda: lowbit.parse(
            "func.func @f(%x: tensor<2x!lowbit.uint<1>, #lowbit.layout<[d0 by 8], i9>>) {func.return}"
        ),
        "<text>:1:72: a word is i8, i16, i32, i64 or f32, not i9",
    ),
]


@pytest.mark.parametrize(("make", "message"), PROGRAMS, ids=[m[:40] for _, m in PROGRAMS])
def test_programs(make: Callable[[], object], message: str) -> None:
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
]


@pytest.mark.parametrize(("make", "message"), BUILDERS, ids=[m[:40] for _, m in BUILDERS])
def test_ops_that_are_wrong(make: Callable[[lowbit.Program], object], message: str) -> None:
    program = lowbit.Program()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(program)
    # Nothing of the wrong op is left behind.
    program.module.verify()
    assert all(not argument.uses.get_length() for argument in program.arguments)


@pytest.fixture(scope="module")
def kernel() -> lowbit.Kernel:
    return lowbit.compile(lowbit.dense((2, 3), (3, 4), "odd1", "uint2"))


x, w = np.ones((2, 3), np.int8), np.ones((3, 4), np.uint8)

CALLS: list[tuple[Callable[[lowbit.Kernel], object], str]] = [
    (lambda k: k(x), "argument 'w' is missing: the kernel takes x, w"),
    (lambda k: k(x, w, w), "takes 2 arrays (x, w), not 3"),
    (lambda k: k(x, v=w), "there is no argument 'v': the kernel takes x, w"),
    (lambda k: k(x, w, w=w), "argument 'w' is given twice"),
    (lambda k: k(x[0], w), "argument 'x' has shape 3, but the program takes 2x3"),
    (lambda k: k(x.astype(np.float32), w), "argument 'x' holds float32, but odd1 takes integers"),
    (lambda k: k(x * 3, w), "argument 'x' holds values 3..3, but odd1 is -1..1"),
    (lambda k: k(x * 0, w), "argument 'x' holds 0, but odd1 is odd integers only"),
    (lambda k: k(x.astype(np.uint8) * 0, w), "argument 'x' holds 0, but odd1 is odd integers only"),
    (lambda k: k([[1, 2], [3]], w), "argument 'x' is no array: "),
    (
        lambda k: k(x, w.astype(np.int64) << 60),
        "argument 'w' holds values 1152921504606846976..1152921504606846976, but uint2 is 0..3",
    ),
    (
        lambda k: k(x, w.astype(object) * 2**70),
        "argument 'w' holds object, but uint2 takes integers",
    ),
    (lambda k: k.pack(), "argument 'w' is missing: the kernel takes w"),
    (lambda k: k(x, k.pack(w), k.pack(w)), "the constant inputs come as one Packed, not several"),
    (
        lambda k: k(
            x,
            lowbit.compile(lowbit.dense((2, 3), (3, 5), "odd1", "uint2")).pack(
                np.ones((3, 5), int)
            ),
        ),
        "the Packed inputs come from another kernel: use this one's pack",
    ),
    (
        lambda k: k.bind(x.astype(np.int64), w),
        "argument 'x' is not a C-contiguous array of int8 of shape 2x3: it holds int64, and a bound call "
        "copies nothing: convert it before",
    ),
    (
        lambda k: k.bind(x.tolist(), w),
        "argument 'x' is not a C-contiguous array of int8 of shape 2x3: it is a list, and a bound call "
        "copies nothing: convert it before",
    ),
    (
        lambda k: k.bind(np.asfortranarray(x), w),
        "argument 'x' is not a C-contiguous array of int8 of shape 2x3: it is strided, and a bound call "
        "copies nothing: convert it before",
    ),
    (
        lambda k: k.bind(x, w, out=np.frombuffer(bytes(32), np.int32).reshape(2, 4)),
        "out is not a C-contiguous array of int32 of shape 2x4: it is read-only",
    ),
    (
        lambda k: k.bind(x, w, out=np.zeros((2, 4), np.int64)),
        "out is not a C-contiguous array of int32 of shape 2x4: it holds int64",
    ),
    (lambda k: k.bind(x, w, out=[]), "the program has 1 results, but out holds 0"),
    (
        lambda k: k.ir("graphs"),
        "unknown stage 'graphs': the stages are graph, plan, buffers, loops, kernels, llvm",
    ),
    (lambda k: lowbit.reference(k.program, x), "the program takes 2 arrays (x, w), not 1"),
]


@pytest.mark.parametrize(("call", "message"), CALLS, ids=[m[:40] for _, m in CALLS])
def test_calls(
    kernel: lowbit.Kernel, call: Callable[[lowbit.Kernel], object], message: str
) -> None:
    end = "" if message.endswith(": ") else "$"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}{end}"):
        call(kernel)


COMPILES: list[tuple[dict[str, object], str]] = [
    ({"target": "zx81"}, "unknown target 'zx81'"),
    ({"target": "x86-64-v3,+avx51f"}, "unknown feature 'avx51f'; did you mean "),
    ({"target": "x86-64,vector_bits=128"}, "vector_bits is 64, 256 or 512, not 128"),
    ({"threads": 0}, "threads is a whole number of at least 1, not 0"),
    ({"threads": "2"}, "threads is a whole number of at least 1, not '2'"),
    (
        {"schedule": "exact"},
        "schedule='exact' is not available yet: use 'default', 'model', 'records' or a Schedule",
    ),
    (
        {"schedule": None},
        "unknown schedule None: expected 'default', 'model', 'records', a Schedule",
    ),
    ({"schedule": "pixels = x"}, "pixels is a number from 1 to 1024, not 'x'"),
    ({"schedule": "pixel = 4"}, "a schedule has no 'pixel': it has algorithm, "),
    ({"target": None}, "target is None: expected str or Target"),
    (
        {"schedule": "best"},
        "unknown schedule 'best': expected 'default', 'model', 'records', a Schedule",
    ),
    (
        {"target": "x86-64-v3", "schedule": lowbit.Schedule(microkernel="abacus")},
        "'lowbit.dense': x86-64-v3 has no microkernel 'abacus': it has ",
    ),
]


@pytest.mark.parametrize(("options", "message"), COMPILES, ids=[m[:40] for _, m in COMPILES])
def test_compiling(options: dict[str, object], message: str) -> None:
    program = lowbit.dense((2, 3), (3, 4), "odd1", "uint2")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        lowbit.compile(program, **options)  # type: ignore[arg-type]


def test_integers_of_numpy_are_integers() -> None:
    one, two = np.int64(1), np.int8(2)
    given = conv(strides=two, padding=one, dilation=one, groups=one, pad_value=np.uint8(3))
    assert str(given) == str(conv(strides=2, padding=1, dilation=1, groups=1, pad_value=3))
    assert str(conv(padding=np.arange(4))) == str(conv(padding=(0, 1, 2, 3)))
    assert str(conv(constant="w")) == str(conv(constant=("w",)))


def test_a_message_moves_no_cursor() -> None:
    with pytest.raises(ValueError) as caught:
        lowbit.parse('func.func @f() {\n"test.\x1b[31m"() : () -> ()\n}')
    assert str(caught.value) == "<text>:2:2: there is no 'test.?[31m'"


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]):
    def warn() -> None:
        warnings.warn("a file\nis not used", stacklevel=2)

    assert report("lowbit", warn) == 0
    assert capsys.readouterr().err == "lowbit: warning: a file; is not used\n"
