"""A read sees every byte of the buffer and none beside it, a write sets them."""

import numpy as np
import pytest

from lowering.backend.host import missing_on_host
from lowering.backend.machine import BackendError, generate_object
from lowering.backend.memory_probe import KINDS, STEP, memory_ir, memory_probe
from microkernels.target import Target
from tests.support.tiers import X86

NAMES = [*X86, "x86-64-v3,vector_bits=64"]


def buffer(size: int) -> np.ndarray:
    raw = np.zeros(size + 128, np.uint8)
    start = -raw.ctypes.data % 64 + 64
    return raw[start - 8 : start + size + 8].view(np.uint64)


@pytest.mark.parametrize("steps", [1, 2, 17])
@pytest.mark.parametrize("name", NAMES)
def test_memory_is_read_and_written(name: str, steps: int):
    target = Target.parse(name)
    if missing_on_host(target):
        with pytest.raises(BackendError, match="cannot run the code"):
            memory_probe(target, "read")
        return
    words = buffer(steps * STEP)
    words[:] = np.random.default_rng(0).integers(0, 2**64, words.size, np.uint64)
    edges, inner = words[[0, -1]].copy(), words[1:-1]
    read, write = memory_probe(target, "read"), memory_probe(target, "write")
    assert read(1, inner.ctypes.data, inner.nbytes) == int(inner.sum())
    assert read(3, inner.ctypes.data, inner.nbytes) == 3 * int(inner.sum()) % 2**64
    assert write(2, inner.ctypes.data, inner.nbytes) == 0
    assert (inner == 2**64 - 1).all()
    assert (words[[0, -1]] == edges).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_target_assembles(name: str, kind: str):
    target = Target.parse(name)
    text = memory_ir(target, kind)
    assert generate_object(text, target)
    assert ("zmm" in text) == (target.vector_bits == 512)
