"""The algebra of code pairs: products of codes as weighted popcounts plus rank-one corrections.

With activation planes `b` of weights `c_i` and weight planes `w` of weights `d_j`, `P = popcount(b & w)`,
`X = popcount(b ^ w)` and `S = popcount(w)` over the same taps, the operation is chosen by the pair so
that no correction depends on the pixel:

| activation x weight | operation | x . w |
| --- | --- | --- |
| uint, int, ternary x uint, int, ternary | AND | sum c_i d_j P |
| uint, int, ternary x odd | XOR | sum c_i 2^j (S - X) |
| odd x uint, int, ternary | AND | sum 2^i d_j (2 P - S) |
| odd x odd | XOR | sum 2^i 2^j (K - 2 X) |

So `x . w = factor * raw + corrections` with `raw = sum c_i d_j popcount(b_i OP w_j)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType

OFFSETS = {"offset": 128, "offset_16": 16}
"""What is added to activations where the products are of bytes without a sign, by `products`."""

ShiftClasses = tuple[tuple[tuple[int, int, int], ...], ...]
"""`(activation plane, weight plane, sign)` of pairs, grouped by shift, highest first."""


class Sum(NamedTuple):
    """Pairs of planes whose products have one weight."""

    place: int
    """Number of the shift class, from the highest on."""
    sign: int
    pairs: tuple[tuple[int, int], ...]


ONE_SUM = (Sum(0, 1, ((0, 0),)),)
"""A sum of one pair, or of operands without planes."""


@dataclass(frozen=True)
class PairAlgebra:
    """How one pair of code types multiplies."""

    activation: CodeType
    weight: CodeType

    @property
    def xor(self) -> bool:
        """Whether plane words are combined by XOR, not AND."""
        return self.weight.is_odd

    @property
    def factor(self) -> int:
        """What the raw sum of popcounts is multiplied by."""
        magnitude = 2 if self.activation.is_odd else 1
        return -magnitude if self.weight.is_odd else magnitude

    @property
    def pairs(self) -> tuple[tuple[int, int, int], ...]:
        """`(activation plane, weight plane, weight)` of every popcount in the raw sum."""
        return tuple(
            (i, j, c * d)
            for i, c in enumerate(self.activation.plane_weights)
            for j, d in enumerate(self.weight.plane_weights)
        )

    @property
    def shift_classes(self) -> ShiftClasses:
        """The pairs grouped by shift.

        Horner's rule over the classes needs no multiplication: `raw = 2 raw + sum of the next class`.
        """
        top = self.activation.planes + self.weight.planes - 2
        return tuple(
            tuple((i, j, 1 if w > 0 else -1) for i, j, w in self.pairs if i + j == shift)
            for shift in range(top, -1, -1)
        )

    @property
    def weight_classes(self) -> ShiftClasses:
        """The planes of the weights alone, for sums that hold all planes of the activations."""
        weights = enumerate(self.weight.plane_weights)
        return tuple(((0, j, 1 if w > 0 else -1),) for j, w in weights)[::-1]

    @property
    def inside(self) -> tuple[int, int, int]:
        """`(a, b, shift)`: an element `w` of a tap inside the image corrects by `(a w + b) >> shift`."""
        total = sum(self.activation.plane_weights)
        levels = sum(self.weight.plane_weights)
        if not self.weight.is_odd:
            return (-total, 0, 0) if self.activation.is_odd else (0, 0, 0)
        if self.activation.is_odd:
            return 0, total * levels, 0
        return total, total * levels, 1


def pair_sums(
    activation: Attribute, weight: Attribute, *, tables: bool, weighed: bool = False
) -> tuple[Sum, ...]:
    """What is summed apart if all pairs of planes are multiplied in one pass.

    `tables` hold all planes; products that are `weighed` have one sum.
    """
    assert isinstance(activation, CodeType) and isinstance(weight, CodeType)
    algebra = PairAlgebra(activation, weight)
    if weighed:
        return (Sum(0, 1, tuple((i, j) for i, j, _ in algebra.pairs)),)
    return tuple(
        Sum(place, sign, pairs)
        for place, signed in enumerate(algebra.weight_classes if tables else algebra.shift_classes)
        for sign in (1, -1)
        if (pairs := tuple((i, j) for i, j, one in signed if one == sign))
    )


def inside_terms(activation: Attribute, weight: Attribute, products: str) -> tuple[int, int, int]:
    """`PairAlgebra.inside` of a pair whose sums are popcounts; products need no correction inside.

    Sums of `(x + offset) w` have the offset times each weight inside too much.
    """
    if products == "multiply":
        return 0, 0, 0
    if products in OFFSETS:
        return -OFFSETS[products], 0, 0
    assert isinstance(activation, CodeType) and isinstance(weight, CodeType)
    return PairAlgebra(activation, weight).inside
