"""Call one low-bit convolution from Python: 2-bit activations, 1-bit weights, packed once, bit for bit."""

from time import perf_counter

import numpy as np

import lowbit

program = lowbit.conv2d((1, 56, 56, 64), (3, 3, 64, 64), "uint2", "odd1", strides=1, padding=1)
kernel = lowbit.compile(program)

random = np.random.default_rng(0)
x = random.integers(0, 4, (1, 56, 56, 64)).astype(np.uint8)
w = random.choice([-1, 1], (3, 3, 64, 64)).astype(np.int8)

packed = kernel.pack(w=w)
y = kernel(x, packed)
different = int((y != lowbit.reference(program, x, w)).sum())

bound = kernel.bind(x, packed, out=y)
times = []
for _ in range(50):
    start = perf_counter()
    bound()
    times.append(perf_counter() - start)
microseconds = 1e6 * sorted(times)[25]
print(f"{y.size} outputs, {different} differ from the reference, {microseconds:.0f} us a call")
