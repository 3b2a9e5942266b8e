"""The least time that a layer can take on a machine whose rates have been measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import Float32Type, TensorType, i8
from xdsl.ir import Attribute

from autotune.bandwidth import level_of
from autotune.rates import BINARY
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import shaped, value_range
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp

F32_EXACT = 1 << 24
"""Integers up to this sum exactly in f32."""


@dataclass(frozen=True)
class Work:
    """What a layer cannot do without."""

    products: Mapping[str, int]
    """Multiply-adds on taps inside the image, by each family of kernels that can form them all: `binary` ones
    for each pair of planes, `i8` or `i16` dot products, `f32`. (Look-ups have no bound that is known.)"""
    bytes_read: int
    """Of input and weights, each element in no more bits than it has."""
    bytes_written: int
    level: str
    """What holds all of it at once: `L1` to `L3`, or `memory`."""

    @property
    def rates(self) -> tuple[str, ...]:
        """The names of the rates that bound it."""
        return *self.products, f"{self.level} read", f"{self.level} write"

    def family(self, rates: Mapping[str, float]) -> str:
        """The family of kernels that takes the least time for the products; nothing where there are none."""
        return min(self.products, key=lambda name: self.products[name] / rates[name], default="")

    def seconds(self, rates: Mapping[str, float]) -> tuple[float, str]:
        """The limit, and the rate that sets it.

        The largest of three times, since a core can compute, load and store at once: multiply-adds of the
        fastest family, bytes read once, and bytes written once, each over its rate.
        """
        family = self.family(rates)
        amounts = {
            **({family: self.products[family]} if family else {}),
            f"{self.level} read": self.bytes_read,
            f"{self.level} write": self.bytes_written,
        }
        times = {name: amount / rates[name] for name, amount in amounts.items()}
        slowest = max(times, key=lambda name: times[name])
        return times[slowest], slowest


def work_of(
    layer: Contraction | None,
    inputs: list[ShapedValue],
    outputs: list[ShapedValue],
    level: Callable[[int], str] = level_of,
) -> Work:
    """The work of one `conv2d` or `dense`, or of what multiplies nothing, on tensors of these types.

    `level` says what holds so many bytes, by default of this machine.
    """
    read, written = (sum(map(least_bytes, types)) for types in (inputs, outputs))
    return Work(products_of(layer) if layer else {}, read, written, level(read + written))


def work_of_op(op: LinearOp, level: Callable[[int], str] = level_of) -> Work:
    """The work of an op on tensors, with what its epilogue reads."""
    operands = (value for inner in op.walk() for value in inner.operands)
    read = dict.fromkeys(value for value in operands if isinstance(value.type, TensorType))
    return work_of(op.contraction, list(map(shaped, read)), [shaped(op.results[0])], level)


def products_of(layer: Contraction) -> dict[str, int]:
    """Popcounts for codes, the narrowest dot products that hold both operands, f32 where it is exact."""
    x, w = layer.activation, layer.weight
    if isinstance(x, Float32Type):
        return {"f32": layer.macs}
    found: dict[str, int] = {}
    if isinstance(x, CodeType) and isinstance(w, CodeType):
        found[BINARY] = layer.macs * x.planes * w.planes
    found["i8" if _fits_a_byte(x) and _fits_a_byte(w) else "i16"] = layer.macs
    if layer.depth * _largest(x) * _largest(w) <= F32_EXACT:
        found["f32"] = layer.macs
    return found


def least_bytes(type: ShapedValue) -> int:
    """Bytes of a tensor without padding: a code in as many bits as it has planes."""
    element = type.element_type
    bits = element.planes if isinstance(element, CodeType) else element.bitwidth
    return -(-prod(type.get_shape()) * bits // 8)


def _fits_a_byte(element: Attribute) -> bool:
    """Signed or unsigned: dot products of bytes take one of either."""
    low, high = value_range(element)
    return element == i8 or (low >= -128 and high <= 127) or (low >= 0 and high <= 255)


def _largest(element: Attribute) -> int:
    low, high = value_range(element)
    return max(-low, high)
