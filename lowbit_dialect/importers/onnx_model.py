"""What the importer keeps of an ONNX file: plain frozen values, bounded and free of the `onnx` package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from lowbit_dialect.layout import Array

MAX_ELEMENTS = 1 << 28
"""Elements of a tensor, of all known tensors that an import computes, and of all that it emits."""
SHOWN = 60
"""Characters of a name from the file that an error message repeats."""


class ModelProto(Protocol):
    """An `onnx.ModelProto`, for annotations that do not import the package."""

    def SerializeToString(self) -> bytes:
        """The bytes of a file."""
        ...


class ImportFailed(ValueError):
    """A model cannot be imported; one sentence says which node, what is wrong and what would be right."""


def shown(text: str) -> str:
    """A name from the file, quoted, escaped and cut for an error message."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


@dataclass(frozen=True)
class Constant:
    """A tensor of known values in ONNX axes, as stored or as decoded from a quantiser."""

    values: Array
    """f32, or integers; other types only on their way to a Cast."""
    bounds: tuple[int, int] | None = None
    """Declared range of integer values, by dtype or by a clip; None for any other type."""
    scale: Array | None = None
    """f32 of the same rank as `values`: the tensor means `values * scale`. None: it means `values`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.values.shape

    @property
    def real(self) -> Array:
        """What the tensor means, in f32 or in integers."""
        if self.scale is None:
            return self.values
        return self.values.astype(np.float32) * self.scale


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Constant
Kind = TypeVar("Kind", int, float, str)


@dataclass(frozen=True)
class Node:
    """One ONNX node; absent optional inputs are empty strings."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def fail(self, problem: str) -> ImportFailed:
        """The error that names this node."""
        return ImportFailed(f"{self.op} {shown(self.name or ''.join(self.outputs[:1]))}: {problem}")

    def has(self, index: int) -> bool:
        """Whether optional input `index` is there."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def _get(self, name: str, default: Kind) -> Kind:
        value = self.attributes.get(name, default)
        if not isinstance(value, type(default)):
            kind = {int: "an integer", float: "a number", str: "a string"}[type(default)]
            raise self.fail(f"attribute '{name}' is {kind}")
        return value

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return self._get(name, default)

    def number(self, name: str, default: float) -> float:
        """A finite float attribute."""
        value = self._get(name, default)
        if not np.isfinite(value):
            raise self.fail(f"attribute '{name}' is {value}, not a finite number")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        return self._get(name, default)

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An attribute of as many integers as `default`, each of at most 31 bits."""
        value = self.attributes.get(name, tuple(default))
        if not isinstance(value, tuple) or len(value) != len(default):
            raise self.fail(f"attribute '{name}' is a list of {len(default)} integers")
        if not all(isinstance(v, int) and -(2**31) < v < 2**31 for v in value):
            raise self.fail(f"attribute '{name}' holds a value that is no 32-bit integer")
        return tuple(int(v) for v in value)


@dataclass(frozen=True)
class Input:
    """What a graph takes: a tensor of static shape."""

    shape: tuple[int, ...]
    dtype: str
    """`float32`, `uint8` or `int8`."""


@dataclass(frozen=True)
class Model:
    """One ONNX graph in file order."""

    nodes: tuple[Node, ...]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    constants: Mapping[str, Constant]
    opset: int = 1
    """Version of the ops of ONNX itself."""
    batch: int | None = None
    """First extent of the inputs where the user gave it, not the file."""


@dataclass(frozen=True)
class Extents:
    """What a user says of extents that a file leaves open."""

    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    """The whole shape of an input by name."""
    batch: int | None = None
    """The first extent of every other input."""
