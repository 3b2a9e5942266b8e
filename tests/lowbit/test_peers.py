"""The peers compute the layer that they are timed on. How fast, no test asks."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from lowbit import peers
from lowbit.suites import ConvLayer, DenseLayer

LAYERS = (
    ConvLayer("conv", 6, 5, 8, 16, 3, 1, 2),
    ConvLayer("pixel", 4, 4, 16, 8, 1, 0, 1),
    DenseLayer("dense", 3, 32, 24),
)


def expected(task: peers.Task) -> np.ndarray:
    x, w = task.x.astype(np.float64), task.w.astype(np.float64)
    if isinstance(task.layer, DenseLayer):
        sums = x @ w.T
    else:
        (s, _), (p, _), k = *task.window, task.layer.kernel
        x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))[:, ::s, ::s]
        sums = np.einsum("nyxihw,oihw->nyxo", windows, w)
    return sums if task.precision == "f32" else np.clip(np.rint(sums * task.scale), 0, 255)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("system", peers.SYSTEMS, ids=lambda s: f"{s.name} {s.precision}")
def test_a_peer_computes_the_layer(system: peers.System, layer: peers.Layer):
    for package in ("onnx", system.package):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    task = peers.task(layer, system.precision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call, fetch = system.prepare(task)
        got = fetch(call())
    assert got.dtype == task.x.dtype
    # int8: a half may round either way
    tolerance = 1 if system.precision == "i8" else 1e-4
    np.testing.assert_allclose(got.astype(float), expected(task), atol=tolerance)
