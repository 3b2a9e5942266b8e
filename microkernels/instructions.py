"""The instructions of a kernel by class: what it does, without a price.

What an instruction costs stands in the table of a machine (`autotune/machine_table.py`); how often each of
these is done stands in `autotune/tile_shares.py`. Copies of registers stand where an instruction overwrites
an operand that is read again; others renaming does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES = {
    "load": "a register or word from memory, also as an operand of another instruction",
    "broadcast": "the same, to all lanes",
    "spread": "128 bits from memory, to all of a vector",
    "store": "a register or word to memory",
    "integer": "additions, subtractions and bits of vectors",
    "shift": "shifts of the lanes of vectors",
    "ternary": "any function of three vectors of bits",
    "popcount": "ones in the lanes of a vector",
    "look_up": "bytes of a vector that another vector names, and other moves between lanes",
    "permute": "bytes of 64 that another vector names",
    "widening": "lanes of a vector as wider ones",
    "multiply": "products of integers, and sums of neighbours",
    "float": "sums and products of f32, fused or not",
    "copy": "a vector to another register",
    "scalar": "additions, shifts and bits of general registers",
    "scalar_popcount": "ones in a general register",
    "scalar_multiply": "the product of two general registers",
    "branch": "a jump that depends on a comparison",
}
"""Every class of instructions, and what is in it."""

Counts = Mapping[str, float]
"""Instructions by class; a class that is not there is not used."""


@dataclass(frozen=True)
class Instructions:
    """What a kernel issues for each of its parts."""

    product: Counts
    """For one word of a pixel by one vector of weights, added to an accumulator."""
    input: Counts
    """To load one word of activations."""
    weights: Counts
    """To load one vector of weights."""
    chain: str = "integer"
    """The class of what adds a product to its accumulator: each waits for the one before."""
    folds: tuple[Counts, ...] = ()
    """To fold each accumulator of `Microkernel.narrows`, narrowest first."""
    held: int = 3
    """Registers of a word of activations, a product and constants: those that a block finds taken."""


def total(*parts: tuple[float, Counts]) -> dict[str, float]:
    """The sum of counts, each so many times."""
    found: dict[str, float] = {}
    for times, counts in parts:
        for name, count in counts.items():
            found[name] = found.get(name, 0) + times * count
    return found
