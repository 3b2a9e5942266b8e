"""A folder with a program and its inputs, and measurements that are quick."""

from pathlib import Path

import numpy as np
import pytest
from command_line import PROGRAM

from autotune.rates import Rates
from lowbit.bench import timing


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("net.mlir").write_text(PROGRAM)
    np.save("x.npy", rng.integers(0, 4, (1, 5, 5, 8)))
    np.save("w.npy", 2 * rng.integers(0, 2, (3, 3, 8, 9)) - 1)
    np.save("s.npy", rng.random(9, np.float32))
    np.savez("all.npz", **{name: np.load(f"{name}.npy") for name in "xws"})
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample of each rate of the machine stands for its median, and few make a time."""
    monkeypatch.setattr(Rates, "median", Rates.sample)
    monkeypatch.setattr(timing, "ROUNDS", 2)
