"""Search for a faster schedule of a layer, and compile it by what was found: the bits stay the same."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import lowbit

program = lowbit.conv2d((1, 14, 14, 64), (3, 3, 64, 64), "uint2", "odd1", padding=1)

with TemporaryDirectory() as folder:  # without `log`, records go to those of this user
    tuned = lowbit.tune(program, trials=12, time_budget=20, log=Path(folder) / "records.jsonl")
print(tuned)

random = np.random.default_rng(0)
x = random.integers(0, 4, (1, 14, 14, 64)).astype(np.uint8)
w = random.choice([-1, 1], (3, 3, 64, 64)).astype(np.int8)
y = lowbit.compile(tuned.program)(x, w)
print(f"{int((y != lowbit.reference(program, x, w)).sum())} outputs differ from the reference")
