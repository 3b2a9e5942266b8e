"""Arrays to test a program with: random, and at the ends of what its types hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, ShapedValue, storage_dtype
from lowbit_dialect.ops.common import value_range

Ends = tuple[int, int]
"""Smallest and largest value."""
KINDS = ("smallest", "largest", "alternating", "saturating", "random")
"""`saturating` has every input at whichever end makes products with weights of one sign extreme; beside
these there is `ones`, which sets every bit."""


def example(
    kind: str,
    types: Sequence[ShapedValue],
    rng: np.random.Generator,
    bounds: Mapping[int, Ends] = MappingProxyType({}),
) -> list[Array]:
    """One array of decoded values for each type of an input; those with `bounds`, by number, stay inside."""
    return [
        _values(kind, tuple(type.get_shape()), type.element_type, rng, index, bounds.get(index))
        for index, type in enumerate(types)
    ]


def examples(
    types: Sequence[ShapedValue], count: int, rng: np.random.Generator
) -> Iterator[tuple[str, list[Array]]]:
    """`count` examples, one of each kind and then random ones."""
    for index in range(count):
        kind = KINDS[min(index, len(KINDS) - 1)]
        yield kind, example(kind, types, rng)


def random_values(
    shape: tuple[int, ...],
    element: Attribute,
    rng: np.random.Generator,
    bounds: Ends | None = None,
) -> Array:
    """Decoded values of an element type, each as likely as the others; f32 around 0."""
    if isinstance(element, Float32Type):
        return rng.standard_normal(shape).astype(np.float32)
    low, high, step = _range(element, bounds)
    steps = rng.integers(0, (high - low) // step, shape, endpoint=True, dtype=np.int64)
    return (low + step * steps).astype(storage_dtype(element))


def _range(element: Attribute, bounds: Ends | None) -> tuple[int, int, int]:
    """Smallest and largest value, one at least, and what lies between two."""
    low, high = value_range(element)
    step = element.scale if isinstance(element, CodeType) else 1
    if bounds is not None:
        first = min(low - (low - bounds[0]) // step * step, high)
        low, high = first, max(low + (bounds[1] - low) // step * step, first)
    return low, high, step


def _values(
    kind: str,
    shape: tuple[int, ...],
    element: Attribute,
    rng: np.random.Generator,
    index: int,
    bounds: Ends | None,
) -> Array:
    if kind == "random" or isinstance(element, Float32Type):
        return random_values(shape, element, rng, bounds)
    low, high, _ = _range(element, bounds)
    dtype = storage_dtype(element)
    match kind:
        case "smallest":
            return np.full(shape, low, dtype)
        case "largest":
            return np.full(shape, high, dtype)
        case "ones":
            return np.full(shape, min(max(_ones(element), low), high), dtype)
        case "saturating":
            return np.full(shape, high if index % 2 == 0 else low, dtype)
        case _:
            ends = np.array([low, high], dtype)
            return np.resize(ends, shape)


def _ones(element: Attribute) -> int:
    """What an element stands for whose bits are all set."""
    if not isinstance(element, CodeType):
        return -1
    return int(element.decode(np.array((1 << element.planes) - 1, np.uint8)))
