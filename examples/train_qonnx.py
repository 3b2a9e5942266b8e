"""Train a network of few bits with Brevitas and export it as QONNX.

`digits` has a `plain` one, `fashion` one of the first three, `keywords` what `keywords/sounds.py` says. Needs
torch, brevitas==0.13.4, onnxoptimizer and onnxscript, which lowbit itself does not. Other images: an .npz
with `images` (u8, [N, H, W]) and `labels`.
"""

import argparse
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_qonnx
from torch import nn

KINDS = ["plain", "residual", "depthwise", "keywords"]
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", default=Path(__file__).parent / "digits" / "digits_1797.npz")
parser.add_argument("--white", type=int, default=16, help="the value of a white pixel")
parser.add_argument("--train", type=int, default=1400, help="images to train on; the others test")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--network", choices=KINDS, default=KINDS[0])
parser.add_argument("--bits", type=int, default=2, help="of the inner layers of residual ones")
parser.add_argument("--output", default="trained.onnx")
options = parser.parse_args()

torch.manual_seed(0)
with np.load(options.images, allow_pickle=False) as data:
    order = torch.randperm(len(data["labels"])) if options.network != "plain" else slice(None)
    pixels = torch.from_numpy(data["images"].astype(np.float32) / options.white)[:, None][order]
    labels = torch.from_numpy(data["labels"].astype(np.int64))[order]


def linear(inputs: int, outputs: int, bits: int, stride: int = 1, kernel: int = 3, groups: int = 1):
    """A convolution of `bits`-bit weights and a batch norm."""
    keywords = {"stride": stride, "padding": kernel // 2, "groups": groups, "bias": False}
    conv = qnn.QuantConv2d(inputs, outputs, kernel, weight_bit_width=bits, **keywords)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def layer(inputs: int, outputs: int, bits: int, stride: int, codes: int = 2, **keywords: int):
    """The same, then activations of `codes` bits."""
    return nn.Sequential(
        linear(inputs, outputs, bits, stride, **keywords), qnn.QuantReLU(bit_width=codes)
    )


class Residual(nn.Module):
    """Two convolutions of few bits beside what goes past them; both sides of the add have 8 bits."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        bits = options.bits
        self.inner = nn.Sequential(
            layer(inputs, outputs, bits, stride, bits), linear(outputs, outputs, bits, 1)
        )
        same = stride == 1 and inputs == outputs
        self.beside = nn.Identity() if same else linear(inputs, outputs, bits, stride, kernel=1)
        self.codes, self.relu = qnn.QuantIdentity(bit_width=8), qnn.QuantReLU(bit_width=bits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The codes of the sum."""
        return self.relu(self.codes(self.inner(x)) + self.codes(self.beside(x)))


def separable(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A depthwise convolution, then one of 1x1, both of 4 bits."""
    depthwise = layer(inputs, inputs, 4, stride, codes=4, groups=inputs)
    return nn.Sequential(depthwise, layer(inputs, outputs, 4, 1, codes=4, kernel=1))


rows, columns = (-(-extent // 4) for extent in pixels.shape[2:])
averaged = nn.Sequential(
    nn.AvgPool2d((rows, columns)), nn.Flatten(), qnn.QuantIdentity(bit_width=8)
)
NETWORKS = {
    "plain": lambda: [
        *(layer(1, 32, 8, 1), layer(32, 64, 2, 2), layer(64, 64, 2, 2)),
        *(nn.Flatten(), qnn.QuantLinear(64 * rows * columns, 10, bias=True, weight_bit_width=2)),
    ],
    "residual": lambda: [
        *(
            layer(1, 32, 8, 2, options.bits),
            Residual(32, 32, 1),
            Residual(32, 64, 2),
            Residual(64, 64, 1),
        ),
        *(averaged, qnn.QuantLinear(64, 10, bias=True, weight_bit_width=8)),
    ],
    "depthwise": lambda: [
        *(layer(1, 32, 8, 2, codes=4), separable(32, 64, 1), separable(64, 128, 2)),
        *(separable(128, 128, 1), separable(128, 128, 1)),
        *(averaged, qnn.QuantLinear(128, 10, bias=True, weight_bit_width=8)),
    ],
    "keywords": lambda: [
        *(layer(1, 32, 2, 2), layer(32, 32, 2, 1), layer(32, 64, 2, 2), layer(64, 64, 2, 1)),
        *(averaged, qnn.QuantLinear(64, 10, bias=True, weight_bit_width=8)),
    ],
}
model = nn.Sequential(qnn.QuantIdentity(bit_width=8), *NETWORKS[options.network]())
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
batches = options.epochs * -(-options.train // 64)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, batches)
for epoch in range(options.epochs):
    for batch in torch.randperm(options.train).split(64):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)

model.eval()
with torch.no_grad():
    scores = torch.cat([model(some) for some in pixels[options.train :].split(500)])
    right = scores.argmax(1) == labels[options.train :]
print(f"accuracy {right.float().mean().item():.1%} of {len(right)} images")
export_qonnx(model, args=pixels[:1], export_path=str(options.output), external_data=False)
