"""The layers that `lowbit bench` measures: convolutions and dense layers, alone or as suites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lowbit.program import Program
from lowbit.single import conv2d, dense


@dataclass(frozen=True)
class ConvLayer:
    """A convolution as `H W IC OC K pad stride`, of one image."""

    name: str
    height: int
    width: int
    inputs: int
    outputs: int
    kernel: int
    padding: int
    stride: int

    @classmethod
    def parse(cls, text: str) -> ConvLayer:
        """Read seven numbers; raises ValueError."""
        return cls("conv2d", *_numbers(text, "convolution", "H W IC OC K PAD STRIDE"))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """NHWC."""
        return (1, self.height, self.width, self.inputs)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """HWIO."""
        return (self.kernel, self.kernel, self.inputs, self.outputs)

    def program(self, activation: str, weight: str, constant: Sequence[str]) -> Program:
        """The layer as a program."""
        return conv2d(
            self.input_shape,
            self.weight_shape,
            activation,
            weight,
            strides=self.stride,
            padding=self.padding,
            constant=constant,
        )


@dataclass(frozen=True)
class DenseLayer:
    """A matrix product as `M K N`: batch, inputs, outputs."""

    name: str
    batch: int
    inputs: int
    outputs: int

    @classmethod
    def parse(cls, text: str) -> DenseLayer:
        """Read three numbers; raises ValueError."""
        return cls("dense", *_numbers(text, "dense layer", "M K N"))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Batch, inputs."""
        return (self.batch, self.inputs)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Inputs, outputs."""
        return (self.inputs, self.outputs)

    def program(self, activation: str, weight: str, constant: Sequence[str]) -> Program:
        """The layer as a program."""
        return dense(self.input_shape, self.weight_shape, activation, weight, constant=constant)


Layer = ConvLayer | DenseLayer


def _numbers(text: str, what: str, names: str) -> list[int]:
    words, count = text.replace(",", " ").split(), len(names.split())
    if len(words) != count or not all(word.isdecimal() and word.isascii() for word in words):
        spelled = {3: "three", 7: "seven"}[count]
        raise ValueError(f"'{text}' is no {what}: expected {spelled} numbers, {names}")
    return [int(word) for word in words]


RESNET18 = tuple(
    ConvLayer(name, size, size, *rest)
    for name, size, *rest in (
        ("C2", 56, 64, 64, 3, 1, 1),
        ("C3", 56, 64, 64, 1, 0, 1),
        ("C4", 56, 64, 128, 3, 1, 2),
        ("C5", 56, 64, 128, 1, 0, 2),
        ("C6", 28, 128, 128, 3, 1, 1),
        ("C7", 28, 128, 256, 3, 1, 2),
        ("C8", 28, 128, 256, 1, 0, 2),
        ("C9", 14, 256, 256, 3, 1, 1),
        ("C10", 14, 256, 512, 3, 1, 2),
        ("C11", 14, 256, 512, 1, 0, 2),
        ("C12", 7, 512, 512, 3, 1, 1),
    )
)
DENSE = tuple(
    DenseLayer(f"D{size}b{batch}", batch, size, size) for size in (1024, 4096) for batch in (1, 64)
)
SUITES: dict[str, tuple[Layer, ...]] = {"resnet18": RESNET18, "dense": DENSE}
