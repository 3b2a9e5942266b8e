"""Export a layer for 64-bit and 32-bit Raspberry Pis, link it with a C program, and run that under QEMU.

The linker is a cross compiler of GNU, or the `ziglang` package where there is none.
"""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np

import lowbit

TARGETS = {
    "rpi3": ("aarch64-linux-gnu-gcc", "aarch64-linux-musl", "qemu-aarch64"),
    "rpi3-armv7": ("arm-linux-gnueabihf-gcc", "arm-linux-musleabihf", "qemu-arm"),
}

w = np.where(np.arange(3 * 3 * 32 * 16) % 3, 1, -1).reshape(3, 3, 32, 16)
program = lowbit.conv2d((1, 8, 8, 32), w.shape, "uint2", "odd1", padding=1, weights=w)
x = (np.arange(8 * 8 * 32) % 4).reshape(1, 8, 8, 32)
expected = lowbit.reference(program, x)


def linker(gcc: str, zig: str) -> list[str]:
    """The first way to link for a target that is installed."""
    if which(gcc):
        return [gcc]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", zig]
    sys.exit(f"install {gcc}, or the Python package ziglang")


for target, (gcc, zig, emulator) in TARGETS.items():
    with tempfile.TemporaryDirectory() as folder:
        made = lowbit.export(program, target, folder, name="layer")
        binary = Path(folder) / "use"
        source = Path(__file__).parent / "use.c"
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-static", f"-I{folder}"]
        command = [*linker(gcc, zig), *flags, source, made.archive, "-o", binary]
        subprocess.run(command, check=True)
        done = subprocess.run([emulator, binary], capture_output=True, check=True, timeout=60)
    y = np.frombuffer(done.stdout, np.int32).reshape(expected.shape)
    print(
        f"{target}: {(y != expected).sum()} of {y.size} sums differ; {made.text_bytes} bytes of code"
    )
