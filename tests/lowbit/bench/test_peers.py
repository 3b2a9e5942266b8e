"""The peers compute the layer that they are timed on. How fast, no test asks."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from lowbit.bench import peers
from lowbit.bench.suites import ConvLayer, DenseLayer

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
    return sums if task.precision != "i8" else np.clip(np.rint(sums * task.scale), 0, 255)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("system", peers.SYSTEMS, ids=lambda s: f"{s.name} {s.precision}")
def test_a_peer_computes_the_layer(system: peers.System, layer: peers.Layer):
    for package in ("onnx", system.package):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if system.lacks:
        pytest.skip(system.lacks)
    task = peers.task(layer, system.precision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cores = os.sched_getaffinity(0)
        call, fetch = system.start(task)
        assert os.sched_getaffinity(0) == cores
        got = fetch(call())
    assert got.dtype == task.x.dtype
    # int8: a half may round either way; bf16: 8 bits of each factor
    tolerance = {"i8": 1, "f32": 1e-4, "bf16": 0.1}[system.precision]
    wrong = np.abs(got.astype(float) - expected(task)).max()
    assert wrong <= tolerance
    assert wrong > 1e-4 or system.precision != "bf16"  # or it would be f32 by another name


def test_a_package_that_narrows_the_affinity_does_not_keep_it():
    cores = os.sched_getaffinity(0)
    one = {max(cores)}

    def narrow(task: peers.Task) -> tuple[peers.Call, peers.Fetch]:
        os.sched_setaffinity(0, one)
        return task.x.copy, lambda x: x

    peers.System("narrow", "numpy", "f32", narrow).start(peers.task(LAYERS[0], "f32"))
    assert os.sched_getaffinity(0) == cores


def test_what_a_core_lacks_is_said_once(monkeypatch: pytest.MonkeyPatch):
    system = peers.System("beads", "numpy", "bf16", lambda task: 1 // 0, ("abacus", "soroban"))  # type: ignore[arg-type]
    monkeypatch.setattr(peers, "SYSTEMS", (system,))
    skipped: dict[str, str] = {}
    assert [*peers.prepare(LAYERS[0], skipped), *peers.prepare(LAYERS[1], skipped)] == []
    said = "beads bf16 is skipped: this core has no abacus and no soroban"
    assert skipped == {"beads bf16": said}
