"""What a person reads of calls that are wrong, word for word."""

import re
from collections.abc import Callable

import numpy as np
import pytest

import lowbit


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
