"""Code types: elements of one to eight bits that carry their own decoding.

A code decodes as a weighted sum over its bit planes, `scale * sum_i weight_i * b_i + offset`:

| type | plane weights | scale | offset |
| --- | --- | --- | --- |
| `!lowbit.uint<n>` | 2^i | 1 | 0 |
| `!lowbit.int<n>` | 2^i, the top plane negative | 1 | 0 |
| `!lowbit.odd<n>` | 2^i | 2 | -(2^n - 1) |
| `!lowbit.ternary` | 1, -2 | 1 | 0 |

Ternary is a mask plane and a sign plane. Stored as two's complement of two bits (0 is 00, +1 is 01,
-1 is 11) the mask weighs 1 and the sign -2, so that it needs no case of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

IntArray = npt.NDArray[np.signedinteger | np.unsignedinteger]


class CodeType(ParametrizedAttribute, TypeAttribute, ABC):
    """What every code type answers."""

    @property
    @abstractmethod
    def planes(self) -> int:
        """Number of bit planes that hold one element."""

    @property
    @abstractmethod
    def minimum(self) -> int:
        """Smallest decoded value."""

    @property
    @abstractmethod
    def maximum(self) -> int:
        """Largest decoded value."""

    @property
    def scale(self) -> int:
        """Distance between neighbouring decoded values."""
        return 1

    @property
    def offset(self) -> int:
        """Decoded value of the code whose planes are all zero."""
        return 0

    @property
    def plane_weights(self) -> tuple[int, ...]:
        """Weight of each plane before scale and offset, plane 0 (least significant) first."""
        weights = [1 << i for i in range(self.planes)]
        if self.minimum < 0 and self.scale == 1:
            weights[-1] = -weights[-1]
        return tuple(weights)

    @property
    def is_odd(self) -> bool:
        """Whether every plane bit stands for -1 or +1, not 0 or 1."""
        return self.scale == 2

    @property
    def steps(self) -> int:
        """Number of decoded values less one: the thresholds that a quantiser to this code has."""
        return (self.maximum - self.minimum) // self.scale

    @property
    def storage(self) -> np.dtype[np.signedinteger | np.unsignedinteger]:
        """NumPy type of one unpacked element: the narrowest of u8, i8, i16 that holds it."""
        if self.minimum >= 0:
            return np.dtype(np.uint8)
        return np.dtype(np.int8 if self.minimum >= -128 and self.maximum <= 127 else np.int16)

    def contains(self, values: IntArray) -> bool:
        """Whether every decoded value is one of this type's."""
        return self.stray(values) is None

    def stray(self, values: IntArray) -> int | None:
        """The first value that is not one of this type's."""
        outside = (values < self.minimum) | (values > self.maximum)
        if self.is_odd:
            outside |= values & 1 == 0
        return int(values[outside][0]) if outside.any() else None

    def encode(self, values: IntArray) -> npt.NDArray[np.uint8]:
        """Return the plane bits of decoded values: bit `i` of the result is plane `i`."""
        codes = (values.astype(np.int32) - self.offset) // self.scale
        return (codes & ((1 << self.planes) - 1)).astype(np.uint8)

    def decode(self, codes: npt.NDArray[np.uint8]) -> IntArray:
        """Return decoded values, the inverse of `encode`, in the storage type."""
        total = np.full(codes.shape, self.offset, np.int32)
        for plane, weight in enumerate(self.plane_weights):
            total += self.scale * weight * ((codes.astype(np.int32) >> plane) & 1)
        return total.astype(self.storage)

    def values(self) -> range:
        """All decoded values in ascending order."""
        return range(self.minimum, self.maximum + 1, self.scale)

    @property
    def spelling(self) -> str:
        """Short form used by the Python API and the command line: `uint2`, `odd1`, `ternary`."""
        return self.name.removeprefix("lowbit.")


class _WidthType(CodeType, ABC):
    """A code type with a number of bits, 1 to 8."""

    bits: IntAttr

    def __init__(self, bits: int | IntAttr):
        super().__init__(IntAttr(bits) if isinstance(bits, int) else bits)

    @property
    def planes(self) -> int:
        return self.bits.data

    @property
    def spelling(self) -> str:
        return f"{super().spelling}{self.bits.data}"

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return [IntAttr(parser.parse_integer(allow_boolean=False))]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.bits.data))

    def verify(self) -> None:
        if not 1 <= self.bits.data <= 8:
            raise VerifyException(f"{self.name} has 1 to 8 bits, not {self.bits.data}")


@irdl_attr_definition
class UIntType(_WidthType):
    """Unsigned: 0 .. 2^n - 1."""

    name = "lowbit.uint"
    bits: IntAttr

    @property
    def minimum(self) -> int:
        return 0

    @property
    def maximum(self) -> int:
        return (1 << self.planes) - 1


@irdl_attr_definition
class IntType(_WidthType):
    """Two's complement: -2^(n-1) .. 2^(n-1) - 1."""

    name = "lowbit.int"
    bits: IntAttr

    @property
    def minimum(self) -> int:
        return -(1 << (self.planes - 1))

    @property
    def maximum(self) -> int:
        return (1 << (self.planes - 1)) - 1


@irdl_attr_definition
class OddType(_WidthType):
    """Odd-symmetric: the odd integers in -(2^n - 1) .. 2^n - 1; `odd<1>` is bipolar."""

    name = "lowbit.odd"
    bits: IntAttr

    @property
    def minimum(self) -> int:
        return -(1 << self.planes) + 1

    @property
    def maximum(self) -> int:
        return (1 << self.planes) - 1

    @property
    def scale(self) -> int:
        return 2

    @property
    def offset(self) -> int:
        return self.minimum


@irdl_attr_definition
class TernaryType(CodeType):
    """-1, 0, +1 as a mask plane (plane 0) and a sign plane (plane 1)."""

    name = "lowbit.ternary"

    @property
    def planes(self) -> int:
        return 2

    @property
    def minimum(self) -> int:
        return -1

    @property
    def maximum(self) -> int:
        return 1


CODE_SPELLINGS = (
    *(f"{kind}{n}" for kind in ("uint", "int", "odd") for n in range(1, 9)),
    "ternary",
)


def parse_code(spelling: str) -> CodeType:
    """Return the code type of a short form (`uint2`, `int4`, `odd1`, `ternary`).

    Raises ValueError naming the legal forms otherwise.
    """
    if spelling not in CODE_SPELLINGS:
        raise ValueError(
            f"unknown code type '{spelling}': expected uint1..uint8, int1..int8, odd1..odd8 or ternary"
        )
    if spelling == "ternary":
        return TernaryType()
    kinds: dict[str, type[_WidthType]] = {"uint": UIntType, "int": IntType, "odd": OddType}
    return kinds[spelling.rstrip("12345678")](int(spelling[-1]))
