"""Classify handwritten digits by a network of 2-bit weights and activations, trained and exported as QONNX.

Prints how many images are right, how many activations differ from the NumPy reference, and the time an image.
"""

import time
from pathlib import Path

import numpy as np

import lowbit

HERE = Path(__file__).parent
HELD_OUT = 397
"""The last images of the file; the network was trained on the others."""

with np.load(HERE / "digits_1797.npz", allow_pickle=False) as data:
    images = data["images"].astype(np.float32)[:, None] / np.float32(16)
    labels = data["labels"]

program = lowbit.import_model(HERE / "digits_w2a2.onnx")
kernel = lowbit.compile(program, target="host")

kernel(images[:1])
start = time.perf_counter()
logits = np.concatenate([kernel(image[None]) for image in images[-HELD_OUT:]])
elapsed = time.perf_counter() - start
right = int((logits.argmax(axis=1) == labels[-HELD_OUT:]).sum())

print(f"accuracy {right / HELD_OUT:.1%}: {right} of {HELD_OUT} images held out of training")
for layer in lowbit.compare_layers(program, images[-400:]):
    print(f"  {layer}")
print(f"{elapsed / HELD_OUT * 1e6:.0f} us an image, one thread, Python's call included")
