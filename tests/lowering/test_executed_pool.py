"""Pools on every tier: windows of any kind, odd channel counts, codes, integers and floats."""

from typing import Any

import numpy as np
import pytest
from executed import TIERS, check
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from programs import Net
from sampling import sample
from strategies import code_types, fill, seeds, windows
from xdsl.dialects.builtin import f32, i32

from lowbit_dialect import reference
from lowbit_dialect.ops.common import image_shape
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp
from lowbit_dialect.reference import Array

CHANNELS = (1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)


@st.composite
def axes(draw: DrawFn, dilated: bool) -> tuple[int, int, int, int, int, int]:
    """A window of which every position covers part of the image."""
    size, kernel, stride, before, after, dilation = draw(windows(6))
    if not dilated or before or after:
        dilation = 1
    before, after = min(before, kernel - 1), min(after, kernel - 1)
    size = max(size, dilation * (kernel - 1) + 1)
    return size, kernel, stride, before, after, dilation


def build(draw: Any, average: bool) -> tuple[Net, Any, Array, int]:
    rows, columns = draw(axes(not average)), draw(axes(not average))
    format = draw(st.sampled_from(("nhwc", "nchw")))
    kind = draw(st.one_of(code_types(), st.sampled_from((i32, f32))))
    shape = image_shape(
        format, draw(st.integers(1, 3)), (rows[0], columns[0]), draw(st.sampled_from(CHANNELS))
    )
    random = np.random.default_rng(draw(seeds()))
    if kind == i32:
        values = random.integers(-1000, 1000, shape).astype(np.int32)
    elif kind == f32:
        values = random.standard_normal(shape).astype(np.float32)
        if not average:
            values[random.random(shape) < 0.3] = np.nan
    else:
        values = fill(draw(st.sampled_from(("random", "max", "min"))), shape, kind, draw(seeds()))
    net = Net()
    x = net.input(shape, kind)
    options: dict[str, Any] = {
        "strides": (rows[2], columns[2]),
        "padding": (rows[3], columns[3], rows[4], columns[4]),
        "format": format,
    }
    kernel = (rows[1], columns[1])
    if average:
        divisor = draw(st.sampled_from((None, 1, 7)))
        return net, AvgPoolOp(x, kernel, divisor=divisor, **options), values, kernel[0] * kernel[1]
    return net, MaxPoolOp(x, kernel, dilations=(rows[5], columns[5]), **options), values, 0


@pytest.mark.parametrize("average", [False, True], ids=["max", "average"])
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("tier", TIERS)
def test_pools(tier: str, part: int, average: bool):
    def run(drawn: Any) -> None:
        net, op, values, count = build(drawn.draw, average)
        module = net.module(net.add(op))
        limit = None
        if average and values.dtype == np.float32:
            sums = reference.run(module, np.abs(values))[0].astype(np.float64)
            limit = [(count + 2) * np.finfo(np.float32).eps * np.abs(sums)]
        threads = 1 + values.size % 3
        check(
            module, [[values]], tier, tolerance=limit, verify_each=count % 6 == 0, threads=threads
        )

    sample(run, 20 * part + 10 * average + TIERS.index(tier), st.data())
