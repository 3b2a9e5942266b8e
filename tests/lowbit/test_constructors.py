"""What a person reads of layers that are wrong, word for word."""

from collections.abc import Callable

import numpy as np
import pytest

import lowbit

X, W = (1, 6, 6, 8), (3, 3, 8, 4)


def conv(**options: object) -> lowbit.Program:
    return lowbit.conv2d(X, W, "uint2", "odd1", **options)  # type: ignore[arg-type]


WRONG: list[tuple[Callable[[], object], str]] = [
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
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[m[:40] for _, m in WRONG])
def test_layers_that_are_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


def test_integers_of_numpy_are_integers() -> None:
    one, two = np.int64(1), np.int8(2)
    given = conv(strides=two, padding=one, dilation=one, groups=one, pad_value=np.uint8(3))
    assert str(given) == str(conv(strides=2, padding=1, dilation=1, groups=1, pad_value=3))
    assert str(conv(padding=np.arange(4))) == str(conv(padding=(0, 1, 2, 3)))
    assert str(conv(constant="w")) == str(conv(constant=("w",)))
