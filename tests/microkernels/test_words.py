"""Loops over words in chunks that narrow accumulators hold: the last may be shorter, by the same code."""

import numpy as np
import pytest

import lowbit
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.table import kernels

CHANNELS = 4
"""Input channels of a word of look-ups."""


def dense(words: int) -> lowbit.Program:
    """Two outputs by 64 channels."""
    inputs = CHANNELS * words
    return lowbit.dense((2, inputs), (inputs, 64), "uint2", "odd1")


@pytest.mark.parametrize(("words", "unroll"), [(43, 2), (64, 3), (86, 4)])
def test_chunks_of_all_kernels(words: int, unroll: int):
    """Bytes hold 21 look-ups of two bits."""
    program, random = dense(words), np.random.default_rng(words)
    shape = (2, CHANNELS * words), (CHANNELS * words, 64)
    ran = 0
    for kernel in kernels(resolve_target("host")):
        schedule = Schedule(microkernel=kernel.name, pixels=2, vectors=1, unroll=unroll)
        try:
            compiled = lowbit.compile(program, schedule=schedule)
        except ValueError:  # it multiplies other codes
            continue
        for x in (random.integers(0, 4, shape[0]), np.full(shape[0], 3)):
            for w in (random.choice([-1, 1], shape[1]), np.full(shape[1], 1)):
                want = lowbit.reference(program, x, w)
                np.testing.assert_array_equal(compiled(x, w), want, kernel.name)
        ran += 1
    assert ran


def test_a_shorter_chunk_has_no_code_of_its_own():
    """64 words by 4 are 4 x 16; 68 are 3 x 20 and 8."""
    schedule = Schedule(microkernel="lookup_4x32", pixels=2, vectors=2, unroll=4)
    counts = [
        lowbit.compile(dense(words), "x86-64-v3", schedule=schedule).assembly().count("pshufb")
        for words in (64, 68)
    ]
    assert counts[0] == counts[1]
