"""Export a convolution, build a C program with it, and compare what it prints with the reference."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

import lowbit

w = np.where(np.arange(3 * 3 * 32 * 16) % 3, 1, -1).reshape(3, 3, 32, 16)
shapes = (1, 8, 8, 32), w.shape
program = lowbit.conv2d(*shapes, "uint2", "odd1", padding=1, weights=w)
x = (np.arange(8 * 8 * 32) % 4).reshape(1, 8, 8, 32)
y = lowbit.reference(program, x).ravel().astype(np.int64)

with tempfile.TemporaryDirectory() as folder:
    made = lowbit.export(program, "x86-64-v2", folder, name="layer", check=True)
    source, binary = Path(__file__).parent / "use.c", Path(folder) / "use"
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{folder}"]
    subprocess.run(["cc", *flags, source, made.object, "-o", binary], check=True)
    printed = subprocess.run([binary], capture_output=True, text=True, check=True).stdout

print(f"C says {printed.strip()}, the reference {(y * (np.arange(y.size) % 7)).sum()}")
