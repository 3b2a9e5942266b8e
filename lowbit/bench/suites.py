"""The layers that `lowbit bench` measures: convolutions and dense layers, alone or as suites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import prod

from xdsl.dialects.builtin import Float32Type
from xdsl.ir import SSAValue

from lowbit.element_types import parse_element
from lowbit.program import Program
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, Layout
from lowbit_dialect.ops.common import I32_MAX, value_range


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
    def shape(self) -> str:
        """As `parse` reads it."""
        return " ".join(map(str, astuple(self)[1:]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """NHWC."""
        return (1, self.height, self.width, self.inputs)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """HWIO."""
        return (self.kernel, self.kernel, self.inputs, self.outputs)

    def apply(
        self, program: Program, x: SSAValue, w: SSAValue, range: tuple[int, int] | None = None
    ) -> SSAValue:
        """Add the op to a program, with what its sums are promised to lie in."""
        return program.conv2d(x, w, strides=self.stride, padding=self.padding, range=range)


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
    def shape(self) -> str:
        """As `parse` reads it."""
        return " ".join(map(str, astuple(self)[1:]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Batch, inputs."""
        return (self.batch, self.inputs)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Inputs, outputs."""
        return (self.inputs, self.outputs)

    def apply(
        self, program: Program, x: SSAValue, w: SSAValue, range: tuple[int, int] | None = None
    ) -> SSAValue:
        """Add the op to a program, with what its sums are promised to lie in."""
        return program.dense(x, w, range=range)


Layer = ConvLayer | DenseLayer


def program_of(
    layer: Layer,
    activation: str,
    weight: str,
    constant: Sequence[str],
    thresholds: tuple[Array, str] | None = None,
    *,
    packed: bool = False,
) -> Program:
    """A layer as a program of `x` and `w`, of which those in `constant` are packed ahead.

    A `packed` x comes as planes in words of 32 channels, as a layer before writes it. The result is the
    sums; with a table of thresholds, `[N, steps]`, and a code, it is that code packed in such words.
    """
    program = Program()
    rows = _rows(layer)
    x = program.input(
        layer.input_shape,
        activation,
        name="x",
        constant="x" in constant,
        layout=rows if packed else None,
    )
    w = program.input(layer.weight_shape, weight, name="w", constant="w" in constant)
    y = layer.apply(program, x, w, _promised(layer, activation, weight))
    if thresholds is not None:
        table, code = thresholds
        y = program.threshold(y, program.constant(table, "i32"), code)
        y = program.bitpack(y, rows)
    y.name_hint = "y"
    program.output(y)
    return program


def _promised(layer: Layer, *elements: str) -> tuple[int, int] | None:
    """A range for sums that could wrap in i32, as those of networks do not; data are drawn to keep to it."""
    types = list(map(parse_element, elements))
    if any(isinstance(type, Float32Type) for type in types):
        return None
    largest = prod(max(map(abs, value_range(type))) for type in types)
    wraps = largest * prod(layer.weight_shape[:-1]) > I32_MAX
    return (-I32_MAX, I32_MAX) if wraps else None


def network_of(layers: Sequence[Layer], activation: str, weight: str) -> Program:
    """Layers as one program, each of an input, weights and sums of its own.

    Codes come as planes, as a layer before writes them; weights are packed ahead.
    """
    program = Program()
    packed = isinstance(parse_element(activation), CodeType)
    for layer in layers:
        rows = _rows(layer) if packed else None
        x = program.input(layer.input_shape, activation, name=f"x_{layer.name}", layout=rows)
        w = program.input(layer.weight_shape, weight, name=f"w_{layer.name}", constant=True)
        y = layer.apply(program, x, w, _promised(layer, activation, weight))
        y.name_hint = layer.name
        program.output(y)
    return program


def _rows(layer: Layer) -> Layout:
    """Planes of a layer's input, in words of 32 channels."""
    *outer, channels = (f"d{axis}" for axis in range(len(layer.input_shape)))
    return Layout.of(", ".join([*outer, "planes", f"{channels} by 32"]))


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
