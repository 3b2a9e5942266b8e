"""A residual network, built by hand."""

import numpy as np
from xdsl.ir import SSAValue

import lowbit


class Residual:
    """ResNet's stages, each of blocks of two 3x3 convolutions beside what they are added to."""

    def __init__(self, activation: str, weight: str):
        self.net, self.activation, self.weight = lowbit.Program(), activation, weight
        self.random, self.count = np.random.default_rng(0), 0

    def convolve(
        self, x: SSAValue, outputs: int, size: int, stride: int, weight: str = ""
    ) -> SSAValue:
        """The sums of a convolution whose weights are the next input."""
        self.count += 1
        shape = (size, size, tuple(x.type.get_shape())[3], outputs)  # pyright: ignore
        weights = self.net.input(shape, weight or self.weight, name=f"w{self.count}", constant=True)
        return self.net.conv2d(x, weights, strides=stride, padding=size // 2)

    def codes(self, sums: SSAValue) -> SSAValue:
        """Sums cut to codes."""
        channels = tuple(sums.type.get_shape())[3]  # pyright: ignore
        steps = 2 ** int(self.activation[-1]) - 1
        table = np.sort(self.random.integers(-60, 60, (channels, steps)), axis=1)
        thresholds = self.net.constant(table.astype(np.int32), "i32")
        return self.net.threshold(sums, thresholds, self.activation)

    def block(self, x: SSAValue, outputs: int, stride: int) -> SSAValue:
        """Two convolutions and what goes round them, by a third one where sizes differ."""
        y = self.codes(self.convolve(x, outputs, 3, stride))
        y = self.convolve(y, outputs, 3, 1)
        if stride > 1:
            x = self.codes(self.convolve(x, outputs, 1, stride))
        return self.codes(self.net.add(y, x))


def residual(
    activation: str, weight: str, size: int, width: int, stages: int = 2, blocks: int = 1
) -> lowbit.Program:
    """Some stages on an image of codes."""
    made = Residual(activation, weight)
    x = made.net.input((1, size, size, width), activation, name="x")
    for stage in range(stages):
        for block in range(blocks):
            x = made.block(x, width << stage, 2 if stage and not block else 1)
    made.net.output(x)
    return made.net


def resnet18(activation: str, weight: str) -> lowbit.Program:
    """ResNet18 for 224x224 up to its pool, the first layer of 8 bits."""
    made = Residual(activation, weight)
    x = made.net.input((1, 224, 224, 3), "uint8", name="x")
    x = made.codes(made.convolve(x, 64, 7, 2, "int8"))
    x = made.net.max_pool(x, 3, strides=2, padding=1)
    for stage in range(4):
        for block in range(2):
            x = made.block(x, 64 << stage, 2 if stage and not block else 1)
    made.net.output(x)
    return made.net
