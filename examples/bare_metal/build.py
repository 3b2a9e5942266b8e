"""Run a network on a Cortex-M7 without an operating system: export, link, emulate, compare logits.

That of digits, or `python build.py keywords`. The object needs no C library; any linker below does.
QEMU stands in for the board.
"""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np

import lowbit

EXAMPLES = Path(__file__).parents[1]
NETWORKS = {
    "digits": ("digits/digits_w2a2.onnx", "digits/digits_1797.npz", 16),
    "keywords": ("keywords/keywords_w2a2.onnx", "keywords/sounds_200.npz", 255),
}
"""Model, images and the value of a white pixel."""
IMAGES = 4
CPU = ["-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"]
ZIG = [
    sys.executable,
    *["-m", "ziglang", "cc", "-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7"],
]
BOARD = "qemu-system-arm -M mps2-an500 -display none -semihosting-config enable=on -kernel"

gcc = which("arm-none-eabi-gcc") or which("arm-linux-gnueabihf-gcc")
if not gcc and not find_spec("ziglang"):
    sys.exit("install arm-none-eabi-gcc, or the Python package ziglang")
compiler = [gcc, *CPU] if gcc else ZIG

model, arrays, white = NETWORKS[sys.argv[1] if len(sys.argv) > 1 else "digits"]
with np.load(EXAMPLES / arrays, allow_pickle=False) as data:
    images = data["images"][-IMAGES:].astype(np.float32)[:, None] / np.float32(white)
program = lowbit.import_model(EXAMPLES / model)
expected = np.concatenate([lowbit.reference(program, image[None]) for image in images])

with tempfile.TemporaryDirectory() as folder:
    made = lowbit.export(program, "cortex-m7", folder, name="network")
    rows = ",\n".join("{" + ",".join(f"{v}f" for v in image.ravel()) + "}" for image in images)
    text = f"#define IMAGES {IMAGES}\nstatic const float images[][{images[0].size}] = {{\n{rows}\n}};\n"
    (Path(folder) / "images.h").write_text(text)
    binary = Path(folder) / "network.elf"
    flags = [
        "-O2",
        "-Wall",
        "-Werror",
        "-ffreestanding",
        "-nostdlib",
        "-static",
        "-Wl,--build-id=none",
    ]
    here = Path(__file__).parent
    sources = ["-T", here / "board.ld", here / "main.c", made.archive, f"-I{folder}"]
    subprocess.run([*compiler, *flags, *sources, "-o", binary], check=True)
    done = subprocess.run([*BOARD.split(), binary], capture_output=True, text=True, timeout=60)

*lines, stack = re.findall(r"^[0-9a-f ]+$", done.stdout + done.stderr, re.MULTILINE)
logits = np.array([[int(word, 16) for word in line.split()] for line in lines], np.uint32)
different = int((logits != expected.view(np.uint32)).sum())
print(f"{IMAGES} images, {different} of {logits.size} logits differ from the reference's")
print(f"{made.text_bytes} bytes of code, {made.constant_bytes} of constants in flash")
print(f"{made.arena_bytes} bytes of arena, {int(stack, 16)} of stack")
