"""Compile a program written by hand in the dialect, run it, and property-test it against the reference."""

from pathlib import Path

import numpy as np

import lowbit

program = lowbit.parse(Path(__file__).with_name("classifier.mlir"))
kernel = lowbit.compile(program)

random = np.random.default_rng(0)
image = random.integers(0, 4, (1, 12, 12, 16)).astype(np.uint8)
w1 = random.choice([-1, 1], (3, 3, 16, 32)).astype(np.int8)
w2 = random.choice([-1, 1], (3, 3, 32, 64)).astype(np.int8)
w3 = random.choice([-1, 0, 1], (64, 10)).astype(np.int8)

scores = kernel(image, kernel.pack(w1=w1, w2=w2, w3=w3))
expected = lowbit.reference(program, image, w1, w2, w3)
print("scores  ", scores[0])
print("expected", expected[0])
print(lowbit.check(program, examples=5))
