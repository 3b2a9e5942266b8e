"""Classify Fashion-MNIST by a network of few bits, trained and exported as QONNX.

That of 2 bits, or with `residual` or `depthwise` one of 4 bits; a second argument is how many are compared.
Prints how many images are right, how many activations differ from the NumPy reference, and the time an image.
"""

import sys
import time
from pathlib import Path

import numpy as np

import lowbit

HERE = Path(__file__).parent
with np.load(HERE / "fashion_mnist_test2000.npz", allow_pickle=False) as data:
    images = data["images"].astype(np.float32)[:, None] / np.float32(255)
    labels = data["labels"]

network, compared = [*sys.argv[1:], *["w2a2", "400"][len(sys.argv) - 1 :]]
program = lowbit.import_model(HERE / f"fashion_{network}.onnx")
kernel = lowbit.compile(program, target="host")

kernel(images[:1])
start = time.perf_counter()
logits = np.concatenate([kernel(image[None]) for image in images])
elapsed = time.perf_counter() - start
right = int((logits.argmax(axis=1) == labels).sum())

print(f"accuracy {right / len(images):.1%}: {right} of {len(images)} test images")
for layer in lowbit.compare_layers(program, images, int(compared)):
    print(f"  {layer}")
print(f"{elapsed / len(images) * 1e6:.0f} us an image, one thread, Python's call included")
