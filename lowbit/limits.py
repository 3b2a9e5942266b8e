"""The least time that a layer can take on a machine whose rates have been measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import Float32Type, i8
from xdsl.ir import Attribute

from autotune.bandwidth import level_of
from autotune.rates import BINARY
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.contraction import Contraction


@dataclass(frozen=True)
class Work:
    """What a layer cannot do without."""

    arithmetic: str
    """The rate that bounds it: `binary`, `i8`, `i16` or `f32`."""
    macs: int
    """Multiply-adds of that kind on taps inside the image: binary ones for each pair of planes."""
    bytes_read: int
    """Of input and weights, each element in no more bits than it has."""
    bytes_written: int
    level: str
    """What holds all of it at once: `L1` to `L3`, or `memory`."""

    @property
    def rates(self) -> tuple[str, str, str]:
        """The names of the rates that bound it."""
        return self.arithmetic, f"{self.level} read", f"{self.level} write"

    def seconds(self, rates: Mapping[str, float]) -> tuple[float, str]:
        """The limit, and the rate that sets it.

        The largest of three times, since a core can compute, load and store at once: multiply-adds,
        bytes read once, and bytes written once, each over its rate.
        """
        amounts = (self.macs, self.bytes_read, self.bytes_written)
        times = {name: amount / rates[name] for name, amount in zip(self.rates, amounts)}
        slowest = max(times, key=lambda name: times[name])
        return times[slowest], slowest


def work_of(layer: Contraction, inputs: list[ShapedValue], outputs: list[ShapedValue]) -> Work:
    """The work of one `conv2d` or `dense` with tensors of these types."""
    kind = arithmetic_of(layer.activation, layer.weight)
    planes = planes_of(layer.activation) * planes_of(layer.weight) if kind == BINARY else 1
    read, written = (sum(map(least_bytes, types)) for types in (inputs, outputs))
    return Work(kind, layer.macs * planes, read, written, level_of(read + written))


def arithmetic_of(activation: Attribute, weight: Attribute) -> str:
    """Popcounts for codes, f32 for f32, else the narrowest products that hold both operands."""
    if isinstance(activation, CodeType) and isinstance(weight, CodeType):
        return BINARY
    if isinstance(activation, Float32Type):
        return "f32"
    return "i8" if all(_fits_a_byte(one) for one in (activation, weight)) else "i16"


def planes_of(element: Attribute) -> int:
    """Bit planes of a code."""
    assert isinstance(element, CodeType)
    return element.planes


def least_bytes(type: ShapedValue) -> int:
    """Bytes of a tensor without padding: a code in as many bits as it has planes."""
    element = type.element_type
    bits = element.planes if isinstance(element, CodeType) else element.bitwidth
    return -(-prod(type.get_shape()) * bits // 8)


def _fits_a_byte(element: Attribute) -> bool:
    """Signed or unsigned: dot products of bytes take one of either."""
    low, high = value_range(element)
    return element == i8 or (low >= -128 and high <= 127) or (low >= 0 and high <= 255)
