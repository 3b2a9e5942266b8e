"""Build ResNet18 at chosen bits, time it, compare it with the reference, and write it as a program.

    python examples/resnet18/build.py --activation uint2 --weight odd1 --check -o resnet18.mlir

Weights are random, and batch norms have the statistics that random operands give, so that activations use
all of their codes. The first and the last layer have 8 bits, and so have both sides of residual adds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from xdsl.ir import SSAValue

import lowbit
from lowbit_dialect.codes import parse_code
from lowbit_dialect.example_arrays import random_values

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels of two blocks each, and the stride of the first."""
CLASSES = 1000
REACH = 2.5
"""Standard deviations up to which codes go."""
SAMPLES = 10_000


@dataclass(frozen=True)
class Codes:
    """Activations: what `scale` times codes stand for, and codes that are distributed as they are."""

    value: SSAValue
    scale: float
    channels: int
    samples: np.ndarray


@dataclass(frozen=True)
class Floats:
    """Activations in f32 that are yet to be quantised."""

    value: SSAValue
    channels: int
    samples: np.ndarray


class ResNet18:
    """The program, grown layer by layer."""

    def __init__(self, activation: str, weight: str, size: int = 224):
        self.program = lowbit.Program()
        self.activation, self.weight = activation, weight
        self.random = np.random.default_rng(0)
        image = self.program.input((1, size, size, 3), "uint8", name="image")
        x = Codes(image, 1.0, 3, self.random.integers(0, 256, SAMPLES))
        x = self.quantized(self.layer(x, 64, 7, 2, "int8"), activation)
        pooled = self.program.max_pool(x.value, 3, strides=2, padding=1)
        x = Codes(pooled, x.scale, x.channels, x.samples)
        for channels, stride in STAGES:
            x = self.block(self.block(x, channels, stride), channels, 1)
        self.program.output(self.classes(x, size // 32))

    def block(self, x: Codes, channels: int, stride: int) -> Codes:
        """Two convolutions and what goes past them."""
        inner = self.quantized(self.layer(x, channels, 3, stride, self.weight), self.activation)
        main = self.quantized(self.layer(inner, channels, 3, 1, self.weight), "int8")
        same = stride == 1 and x.channels == channels
        beside = self.floats(x) if same else self.layer(x, channels, 1, stride, self.weight)
        one, other = self.floats(main), self.floats(self.quantized(beside, "int8"))
        both = self.program.add(one.value, other.value)
        return self.quantized(Floats(both, channels, one.samples + other.samples), self.activation)

    def layer(self, x: Codes, channels: int, kernel: int, stride: int, weight: str) -> Floats:
        """A convolution and a batch norm of the statistics that its sums have for independent codes."""
        make = self.program
        shape = (kernel, kernel, x.channels, channels)
        weights = random_values(shape, parse_code(weight), self.random).astype(np.int64)
        w = make.constant(weights, weight)
        sums = make.conv2d(x.value, w, strides=stride, padding=kernel // 2)
        scaled = make.requantize(sums, self.row(x.scale))
        mean = x.samples.mean() * weights.sum(axis=(0, 1, 2)) * x.scale
        variance = x.samples.var() * (weights**2).sum(axis=(0, 1, 2)) * x.scale**2
        gamma = self.random.uniform(0.7, 1.3, channels) * self.random.choice(
            [1, 1, 1, -1], channels
        )
        beta = self.random.normal(0, 0.2, channels)
        rows = (self.row(one) for one in (gamma, beta, mean, variance))
        normal = self.random.standard_normal(SAMPLES) * abs(gamma).mean()
        return Floats(make.batch_norm(scaled, *rows), channels, normal)

    def quantized(self, x: Floats, code: str) -> Codes:
        """Codes up to `REACH` standard deviations: those without a sign rectify."""
        type = parse_code(code)
        scale = float(REACH * x.samples.std() / type.maximum)
        samples = np.clip(np.round(x.samples / scale), type.minimum, type.maximum)
        value = self.program.quantize(x.value, self.row(scale), code)
        return Codes(value, scale, x.channels, samples)

    def floats(self, x: Codes) -> Floats:
        """What codes stand for."""
        value = self.program.requantize(x.value, self.row(x.scale))
        return Floats(value, x.channels, x.samples * x.scale)

    def classes(self, x: Codes, side: int) -> SSAValue:
        """The average of each channel in 8 bits, and a score for each class."""
        make = self.program
        sums = make.avg_pool(x.value, side, divisor=1)
        most = side * side * parse_code(self.activation).maximum
        means = make.requantize(make.reshape(sums, (1, x.channels)), self.row(1.0))
        codes = make.quantize(means, self.row(most / 255), "uint8")
        weights = random_values((x.channels, CLASSES), parse_code("int8"), self.random)
        scores = make.dense(codes, make.constant(weights, "int8"))
        return make.requantize(scores, self.row(0.01))

    def row(self, values: float | np.ndarray) -> SSAValue:
        """A constant of one value, or one for each channel."""
        return self.program.constant(np.atleast_1d(values).astype(np.float32), "f32")


def main() -> None:
    """Build, time, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--activation", default="uint2", help="a code without sign, uint1 to uint8")
    parser.add_argument("--weight", default="odd1", help="any code, such as odd1, ternary, int4")
    parser.add_argument("--size", type=int, default=224, help="of the image, a multiple of 32")
    parser.add_argument("--check", action="store_true", help="compare with the reference")
    parser.add_argument("-o", "--output", type=Path, help="where the program goes")
    options = parser.parse_args()

    start = perf_counter()
    program = ResNet18(options.activation, options.weight, options.size).program
    built = perf_counter()
    kernel = lowbit.compile(program)
    print(f"built in {built - start:.1f} s, compiled in {perf_counter() - built:.1f} s")
    shape = (1, options.size, options.size, 3)
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    scores = kernel(image)
    call = kernel.bind(image, out=np.empty_like(scores))
    times: list[float] = []
    for _ in range(20):
        begin = perf_counter()
        call()
        times.append(1e3 * (perf_counter() - begin))
    print(f"{median(times):.2f} ms an image of {options.size} x {options.size}")
    if options.check:
        different = (scores != lowbit.reference(program, image)).sum()
        print(f"{different} of {CLASSES} scores differ from the reference")
    if options.output:
        options.output.write_text(str(program))


if __name__ == "__main__":
    main()
