"""Walking two operands at once: a cursor in both, and the loop that moves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xdsl.ir import SSAValue

from microkernels.address import Address, move
from microkernels.emit import Emitter
from microkernels.isa.verbs import Addresses


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

    def pinned(self, emit: Emitter, x: bool = True, w: bool = True) -> Cursor:
        """The same places, from pointers of which LLVM knows nothing, or one of them."""
        places = (self.x, x), (self.w, w)
        return Cursor(
            *(Address(emit.pinned(one.pointer), one.bytes) if pin else one for one, pin in places)
        )


Totals = list[SSAValue]
"""The values of all accumulators of a block."""

Step = Callable[[Cursor, Totals], Totals]
"""Adds the products at a cursor to the accumulators."""


@dataclass(frozen=True)
class Walk:
    """How a step is repeated along both operands."""

    emit: Emitter
    addresses: Addresses

    def over(
        self,
        bounds: tuple[SSAValue | int, SSAValue | int],
        size: int,
        strides: Strides,
        step: Step,
    ) -> Step:
        """`step` in a loop over numbered places, `size` at a time, whose neighbours lie `strides` apart."""
        return self._loop(bounds, size, strides, lambda _: step)

    def chunks(
        self, count: int, size: int, strides: Strides, chunk: Callable[[SSAValue | int], Step]
    ) -> Step:
        """A loop over `count` places, `size` in a `chunk` or as many as are left."""
        emit = self.emit

        def one(number: SSAValue) -> Step:
            if count % size == 0:
                return chunk(size)
            return chunk(emit.at("min", emit.at("sub", emit.index(count), number), size))

        return self._loop((0, count), size, strides, one)

    def _loop(
        self,
        bounds: tuple[SSAValue | int, SSAValue | int],
        size: int,
        strides: Strides,
        step: Callable[[SSAValue], Step],
    ) -> Step:
        emit = self.emit

        def walk(at: Cursor, totals: Totals) -> Totals:
            low, high = (emit.index(end) if isinstance(end, int) else end for end in bounds)

            def start(number: SSAValue) -> list[SSAValue]:
                pointers = at.x.pointer, at.w.pointer
                return [move(emit, p, [(number, s)]) for p, s in zip(pointers, strides)]

            def there(x: SSAValue, w: SSAValue) -> Cursor:
                return Cursor(Address(x, at.x.bytes), Address(w, at.w.bytes))

            def after(pointers: Sequence[SSAValue]) -> list[SSAValue]:
                here = self.addresses == "before"
                moved = (emit.offset(p, size * s) for p, s in zip(pointers, strides))
                return [emit.pinned(pointer, here=here) for pointer in moved]

            def carried(number: SSAValue, values: list[SSAValue]) -> Sequence[SSAValue]:
                x, w, *sums = values
                if self.addresses == "before":
                    return [*after((x, w)), *step(number)(there(x, w), sums)]
                sums = step(number)(there(x, w), sums)
                return [*after((x, w)), *sums]

            def formed(number: SSAValue, sums: Totals) -> Totals:
                return step(number)(there(*start(number)), sums)

            if self.addresses == "numbers":
                return emit.loop(low, high, size, totals, formed)
            return emit.loop(low, high, size, [*start(low), *totals], carried)[2:]

        return walk
