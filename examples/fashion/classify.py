"""Classify Fashion-MNIST by a network of 2-bit weights and activations, trained and exported as QONNX.

Prints how many images are right, how many activations differ from the NumPy reference, and the time an image.
"""

import time
from pathlib import Path

import numpy as np

import lowbit

HERE = Path(__file__).parent
with np.load(HERE / "fashion_mnist_test2000.npz", allow_pickle=False) as data:
    images = data["images"].astype(np.float32)[:, None] / np.float32(255)
    labels = data["labels"]

program = lowbit.import_model(HERE / "fashion_w2a2.onnx")
kernel = lowbit.compile(program, target="host")

kernel(images[:1])
start = time.perf_counter()
logits = np.concatenate([kernel(image[None]) for image in images])
elapsed = time.perf_counter() - start
right = int((logits.argmax(axis=1) == labels).sum())

print(f"accuracy {right / len(images):.1%}: {right} of {len(images)} test images")
for layer in lowbit.compare_layers(program, images[:400]):
    print(f"  {layer}")
print(f"{elapsed / len(images) * 1e6:.0f} us an image, one thread, Python's call included")
