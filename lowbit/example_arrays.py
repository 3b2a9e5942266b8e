"""Arrays to test a program with: random, and at the ends of what its types hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute

from lowbit.element_types import value_bounds
from lowbit.signature import Input
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, storage_dtype

KINDS = ("smallest", "largest", "alternating", "saturating", "random")
"""`saturating` has every input at whichever end makes products with weights of one sign extreme."""


def example(kind: str, inputs: Sequence[Input], rng: np.random.Generator) -> list[Array]:
    """One array for each input, of decoded values."""
    return [
        _values(kind, tuple(one.type.get_shape()), one.type.element_type, rng, index)
        for index, one in enumerate(inputs)
    ]


def examples(
    inputs: Sequence[Input], count: int, rng: np.random.Generator
) -> Iterator[tuple[str, list[Array]]]:
    """`count` examples, one of each kind and then random ones."""
    for index in range(count):
        kind = KINDS[min(index, len(KINDS) - 1)]
        yield kind, example(kind, inputs, rng)


def random_values(shape: tuple[int, ...], element: Attribute, rng: np.random.Generator) -> Array:
    """Decoded values of an element type, each as likely as the others; f32 around 0."""
    if isinstance(element, Float32Type):
        return rng.standard_normal(shape).astype(np.float32)
    low, high, step = _range(element)
    steps = rng.integers(0, (high - low) // step, shape, endpoint=True, dtype=np.int64)
    return (low + step * steps).astype(storage_dtype(element))


def _range(element: Attribute) -> tuple[int, int, int]:
    bounds = value_bounds(element)
    assert bounds is not None
    return *bounds, element.scale if isinstance(element, CodeType) else 1


def _values(
    kind: str,
    shape: tuple[int, ...],
    element: Attribute,
    rng: np.random.Generator,
    index: int,
) -> Array:
    if kind == "random" or isinstance(element, Float32Type):
        return random_values(shape, element, rng)
    low, high, _ = _range(element)
    dtype = storage_dtype(element)
    match kind:
        case "smallest":
            return np.full(shape, low, dtype)
        case "largest":
            return np.full(shape, high, dtype)
        case "saturating":
            return np.full(shape, high if index % 2 == 0 else low, dtype)
        case _:
            ends = np.array([low, high], dtype)
            return np.resize(ends, shape)
