"""Planes of bytes by shift and insert, where one instruction does both: no compares, and no masks of lanes.

A load deals elements out to four vectors, a_0 to a_3. `insert` puts bits above those of another, whatever
stands there:

    one plane:   of elements dealt out one by one, insert(a_0, a_1, 1), a_2 at 2 and a_3 at 3: four a byte
                 insert(bytes 0 2 .., bytes 1 3 .., 4): eight a byte, in order
    two planes:  of pairs dealt out, insert(a_0, a_1, 2), a_2 at 4 and a_3 at 6: two bits of four elements
                 even = bytes 0 2 .., odd = bytes 1 3 .., then even and odd bits of both are exchanged

12 and 16 instructions for 128 elements, where comparing takes 65 a plane (AArch64). Values of two odd planes,
v = 2 c - 3, are inserted by sums, 4 in a byte that has no room for twice their codes:

    (a_0 >> 1) + 2 a_1 + 8 a_2 + 32 a_3 = sum of 4^j c_j - 128

in four instructions for three, and what is 128 too little has its highest bit wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, i8, i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import lanes_of, vector

ELEMENTS = 128
"""Elements whose planes are formed at once, at most: 64 and 32 can be too."""
LEAST = 32
"""Elements of the smallest vector whose planes are inserted."""
EVEN_BITS = 0x55


class InsertedPlanes:
    """Forms the planes of codes that are stored in bytes."""

    def __init__(self, emit: Emitter, verbs: Verbs, code: CodeType):
        self.emit, self.verbs, self.code = emit, verbs, code
        self._factors = [self._pinned(factor) for factor in (2, 8)] if self._by_sum else []

    @property
    def _by_sum(self) -> bool:
        return self.code.is_odd and self.code.planes == 2

    def _pinned(self, factor: int) -> SSAValue:
        """A factor that LLVM does not know, or it shifts and adds instead of multiplying."""
        emit = self.emit
        four_bytes = emit.pinned(emit.constant(factor * 0x01010101, i32), here=False)
        return emit.bitcast(emit.splat(four_bytes, 4), vector(16, i8))

    def of(self, x: SSAValue, elements: int) -> list[SSAValue]:
        """The planes of 32, 64 or 128 elements at an address, each a vector of bytes."""
        self.emit.barrier()  # LLVM would load all that a loop packs at first, and spill it
        planes, step = self.code.planes, min(64, elements)
        together = min(planes, 2)
        quads = [
            self.verbs.load_fours(self.emit, self.emit.offset(x, first), step // 4, together)
            for first in range(0, elements, step)
        ]
        if planes == 1:
            return [self._signs(quads) if self.code.is_odd else self._one(quads)]
        if self._by_sum:
            low, high = self._exchanged([self._summed(quad) for quad in quads])
            return [low, self._flipped(high, 0xC0)]
        found = list[SSAValue]()
        for plane in range(0, planes, 2):
            bits = [self._chain(self._shifted(quad, plane), 2) for quad in quads]
            found += self._exchanged(bits)[: planes - plane]
        return [*found[:-1], self._flipped(found[-1], -1)] if self.code.is_odd else found

    def store(
        self, plane: SSAValue, elements: int, y: SSAValue, alignment: int, besides: int
    ) -> None:
        """Store a plane, of which the first elements may be others'; that of 32 fills half of a vector."""
        emit = self.emit
        if elements == 32:
            plane = emit.shuffle(emit.bitcast(plane, vector(2, i32)), [0])
        if besides:
            word = vector(1, IntegerType(elements))
            plane = emit.binary("lshr", emit.bitcast(plane, word), emit.constant(besides, word))
        emit.store(plane, y, alignment)

    def _shifted(self, quad: list[SSAValue], plane: int) -> list[SSAValue]:
        """Bytes whose lowest bits are a plane and the next; an odd value is twice its code, and 1."""
        if (places := plane + self.code.is_odd) == 0:
            return quad
        shift = self.emit.constant(places, quad[0].type)
        return [self.emit.binary("lshr", one, shift) for one in quad]

    def _one(self, quads: list[list[SSAValue]]) -> SSAValue:
        even, odd = self._lanes([self._chain(quad, 1) for quad in quads])
        return self.verbs.insert_above(self.emit, even, odd, 4)

    def _summed(self, quad: Sequence[SSAValue]) -> SSAValue:
        """Two bits of each of four odd values, the highest the wrong way round."""
        emit, type = self.emit, quad[0].type
        total = emit.binary("shl", quad[3], emit.constant(5, type))
        for one, factor in zip(quad[2:0:-1], self._factors[::-1]):
            known = emit.shuffle(factor, range(lanes_of(type)))
            total = emit.binary("add", total, emit.binary("mul", one, known))
        half = emit.binary("ashr", quad[0], emit.constant(1, type))
        return emit.binary("add", total, half)

    def _exchanged(self, bits: list[SSAValue]) -> list[SSAValue]:
        """Two planes of bytes of two bits of elements 0, 2, .. and 1, 3, .. in turn."""
        emit = self.emit
        even, odd = self._lanes(bits)
        one = emit.constant(1, even.type)
        masks = emit.constant(EVEN_BITS, even.type), emit.constant(~EVEN_BITS, even.type)
        pairs = (even, emit.binary("shl", odd, one)), (emit.binary("lshr", even, one), odd)
        kept = [[emit.binary("and", *both) for both in zip(pair, masks)] for pair in pairs]
        return [emit.binary("or", low, high) for low, high in kept]

    def _signs(self, quads: list[list[SSAValue]]) -> SSAValue:
        """The complements of signs: the same from above, as signs are the highest bits."""
        below = self.verbs.insert_below
        highs: list[SSAValue] = []
        for first, second, third, high in quads:
            for shift, one in enumerate((third, second, first), 1):
                high = below(self.emit, high, one, shift)
            highs.append(high)
        low, high = self._lanes(highs)
        signs = below(self.emit, high, low, 4)
        return self._flipped(signs, -1)

    def _flipped(self, plane: SSAValue, bits: int) -> SSAValue:
        return self.emit.binary("xor", plane, self.emit.constant(bits, plane.type))

    def _chain(self, quad: Sequence[SSAValue], bits: int) -> SSAValue:
        """The lowest bits of each, from the first upwards."""
        total, *rest = quad
        for place, one in enumerate(rest, 1):
            total = self.verbs.insert_above(self.emit, total, one, place * bits)
        return total

    def _lanes(self, parts: list[SSAValue]) -> tuple[SSAValue, SSAValue]:
        """Lanes 0, 2, .. and lanes 1, 3, .. of one vector or of two, at least eight of each."""
        first, other = parts[0], parts[-1] if len(parts) > 1 else None
        count = lanes_of(first.type) * len(parts)
        places = [[(start + 2 * n) % count for n in range(max(8, count // 2))] for start in (0, 1)]
        even, odd = (self.emit.shuffle(first, lanes, other) for lanes in places)
        return even, odd
