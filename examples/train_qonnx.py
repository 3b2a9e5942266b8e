"""Train a network of 2-bit weights and activations with Brevitas and export it as QONNX.

The networks of `digits` and `fashion` have this shape. Needs torch, brevitas==0.13.4, onnxoptimizer and
onnxscript, which lowbit itself does not. Other images: an .npz with `images` (u8, [N, H, W]) and `labels`.
"""

import argparse
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_qonnx
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", default=Path(__file__).parent / "digits" / "digits_1797.npz")
parser.add_argument("--white", type=int, default=16, help="the value of a white pixel")
parser.add_argument("--train", type=int, default=1400, help="images to train on; the others test")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--output", default="trained.onnx")
options = parser.parse_args()

torch.manual_seed(0)
with np.load(options.images, allow_pickle=False) as data:
    pixels = torch.from_numpy(data["images"].astype(np.float32) / options.white)[:, None]
    labels = torch.from_numpy(data["labels"].astype(np.int64))


def layer(inputs: int, outputs: int, bits: int, stride: int) -> list[nn.Module]:
    """A convolution of `bits`-bit weights, then 2-bit activations."""
    keywords = {"stride": stride, "padding": 1, "bias": False, "weight_bit_width": bits}
    conv = qnn.QuantConv2d(inputs, outputs, 3, **keywords)
    return [conv, nn.BatchNorm2d(outputs), qnn.QuantReLU(bit_width=2)]


flat = 64 * (-(-pixels.shape[2] // 4)) * (-(-pixels.shape[3] // 4))
model = nn.Sequential(
    qnn.QuantIdentity(bit_width=8),
    *layer(1, 32, 8, 1),
    *layer(32, 64, 2, 2),
    *layer(64, 64, 2, 2),
    nn.Flatten(),
    qnn.QuantLinear(flat, 10, bias=True, weight_bit_width=2),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(options.epochs):
    for batch in torch.randperm(options.train).split(64):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels[batch]), labels[batch])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

model.eval()
with torch.no_grad():
    right = model(pixels[options.train :]).argmax(1) == labels[options.train :]
print(f"accuracy {right.float().mean().item():.1%} of {len(right)} images")
export_qonnx(model, args=pixels[:1], export_path=str(options.output), external_data=False)
