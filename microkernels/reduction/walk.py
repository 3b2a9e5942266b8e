"""Walking two operands at once: a cursor in both, and the loop that moves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xdsl.ir import SSAValue

from microkernels.address import Address, move
from microkernels.emit import Emitter


class Strides(NamedTuple):
    """Bytes between neighbours, in the activations and in the weights."""

    x: int
    w: int

    def times(self, count: int) -> Strides:
        """Bytes between places so many apart."""
        return Strides(count * self.x, count * self.w)


@dataclass(frozen=True)
class Cursor:
    """Where a step reads activations and weights."""

    x: Address
    w: Address

    def plus(self, by: Strides) -> Cursor:
        """This cursor moved by constants."""
        return Cursor(self.x.plus(by.x), self.w.plus(by.w))


Totals = list[SSAValue]
"""The values of all accumulators of a block."""

Step = Callable[[Cursor, Totals], Totals]
"""Adds the products at a cursor to the accumulators."""


@dataclass(frozen=True)
class Walk:
    """How a step is repeated along both operands."""

    emit: Emitter
    early: bool
    """Whether the next addresses are formed before the products, and carried."""

    def over(
        self,
        bounds: tuple[SSAValue | int, SSAValue | int],
        size: int,
        strides: Strides,
        step: Step,
    ) -> Step:
        """`step` in a loop over numbered places, `size` at a time, whose neighbours lie `strides` apart."""
        emit = self.emit

        def walk(at: Cursor, totals: Totals) -> Totals:
            low, high = (emit.index(end) if isinstance(end, int) else end for end in bounds)

            def start(number: SSAValue) -> list[SSAValue]:
                pointers = at.x.pointer, at.w.pointer
                return [move(emit, p, [(number, s)]) for p, s in zip(pointers, strides)]

            def there(x: SSAValue, w: SSAValue) -> Cursor:
                return Cursor(Address(x, at.x.bytes), Address(w, at.w.bytes))

            def body(number: SSAValue, carried: Totals) -> Totals:
                return step(there(*start(number)), carried)

            def early(_: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
                x, w, *sums = carried
                after = [emit.pinned(emit.offset(p, size * s)) for p, s in zip((x, w), strides)]
                return [*after, *step(there(x, w), sums)]

            if self.early:
                return emit.loop(low, high, size, [*start(low), *totals], early)[2:]
            return emit.loop(low, high, size, totals, body)

        return walk
