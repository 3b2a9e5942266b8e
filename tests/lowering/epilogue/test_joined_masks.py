"""Packed results of kernels of 4 lanes, on AArch64: two vectors make a byte of each plane."""

import pytest
from emulated import Emulation
from programs import inputs
from schedules import linear_of
from thresholds import CODES, PAIRS, TABLES, packed_thresholds

from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.schedule import Schedule

pytestmark = pytest.mark.emulated


def test_vectors_by_twos():
    """70 channels: in blocks of whole bytes the convolution packs itself, the last vector alone."""
    emulation = Emulation("rpi3")
    for number, pair in enumerate(PAIRS[:4]):
        vectors = 1 + number
        schedule = Schedule(
            microkernel="popcount_bytes_32x4", pixels=3, vectors=vectors, unroll=1, taps="none"
        )
        module = packed_thresholds(pair, CODES[number], TABLES[number], schedule, number)
        data = [inputs(module, (kind,), number) for kind in ("random", "maximum")]
        lowered = emulation.add(module, data, fuse=True)
        layout = layout_of(shaped(linear_of(lowered.packed).results[0]))
        assert bool(layout and layout.packed) == (vectors % 2 == 0)
    emulation.run()
