"""Planes of bytes by shift and insert, where one instruction does both: no compares, and no masks of lanes.

A load that deals elements out to four vectors, a_0 to a_3, leaves element 4 l + j in lane l of a_j. `insert`
puts bits above those of another, whatever stands there:

    one plane:   a = insert(a_0, a_1, 1), insert a_2 at 2 and a_3 at 3: a nibble of four elements a lane
                 insert(lanes 0 2 .., lanes 1 3 .., 4): a byte of eight, in order
    two planes:  even = insert(a_0, a_2, 2), odd = insert(a_1, a_3, 2), the lanes of either as above;
                 then even and odd bits of both are exchanged

12 and 18 instructions for 128 elements, where comparing takes 65 a plane (AArch64).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_ops import lanes_of, vector

ELEMENTS = 128
"""Elements whose planes are formed at once, at most: 64 and 32 can be too."""
EVEN_BITS = 0x55


@dataclass(frozen=True)
class InsertedPlanes:
    """Forms the planes of codes that are stored in bytes."""

    emit: Emitter
    verbs: Verbs
    code: CodeType

    def of(self, x: SSAValue, elements: int) -> list[SSAValue]:
        """The planes of 32, 64 or 128 elements at an address, each a vector of bytes."""
        lanes = min(16, elements // 4)
        self.emit.barrier()  # LLVM would load all that a loop packs at first, and spill it
        quads = [
            self._codes(self.verbs.load_fours(self.emit, self.emit.offset(x, first), lanes))
            for first in range(0, elements, 4 * lanes)
        ]
        if self._by_sign:
            return [self._signs(quads)]
        planes, found = self.code.planes, list[SSAValue]()
        for plane in range(0, planes - 1, 2):
            found += self._two(self._shifted(quads, plane))
        if planes % 2:
            found.append(self._one(self._shifted(quads, planes - 1)))
        return found

    def store(self, plane: SSAValue, elements: int, y: SSAValue, alignment: int) -> None:
        """Store a plane; that of 32 elements fills half of a vector."""
        if elements == 32:
            plane = self.emit.shuffle(self.emit.bitcast(plane, vector(2, i32)), [0])
        self.emit.store(plane, y, alignment)

    @property
    def _by_sign(self) -> bool:
        """Whether the one bit of a code is the complement of the sign of its value, -1 or 1."""
        return self.code.is_odd and self.code.planes == 1

    def _codes(self, values: list[SSAValue]) -> list[SSAValue]:
        """Bytes whose low bits are the codes."""
        if not self.code.is_odd or self._by_sign:
            return values
        least = self.emit.constant(self.code.offset, values[0].type)
        return [self.verbs.half_difference(self.emit, value, least) for value in values]

    def _shifted(self, quads: list[list[SSAValue]], plane: int) -> list[list[SSAValue]]:
        """The same with a plane in the lowest bit."""
        if plane == 0:
            return quads
        shift = self.emit.constant(plane, quads[0][0].type)
        return [[self.emit.binary("lshr", one, shift) for one in quad] for quad in quads]

    def _one(self, quads: list[list[SSAValue]]) -> SSAValue:
        nibbles = [self._chain(quad) for quad in quads]
        return self._insert(*self._lanes(nibbles), 4)

    def _two(self, quads: list[list[SSAValue]]) -> list[SSAValue]:
        emit = self.emit
        even, odd = (self._eighths(quads, first) for first in (0, 1))
        one = emit.constant(1, even.type)
        masks = emit.constant(EVEN_BITS, even.type), emit.constant(~EVEN_BITS, even.type)
        pairs = (even, emit.binary("shl", odd, one)), (emit.binary("lshr", even, one), odd)
        kept = [[emit.binary("and", *both) for both in zip(pair, masks)] for pair in pairs]
        return [emit.binary("or", low, high) for low, high in kept]

    def _eighths(self, quads: list[list[SSAValue]], first: int) -> SSAValue:
        """Two bits of every other element from the `first` on, four elements a byte."""
        nibbles = [self._insert(quad[first], quad[first + 2], 2) for quad in quads]
        return self._insert(*self._lanes(nibbles), 4)

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
        return self.emit.binary("xor", signs, self.emit.constant(-1, signs.type))

    def _chain(self, quad: Sequence[SSAValue]) -> SSAValue:
        total, *rest = quad
        for shift, one in enumerate(rest, 1):
            total = self._insert(total, one, shift)
        return total

    def _insert(self, low: SSAValue, high: SSAValue, shift: int) -> SSAValue:
        return self.verbs.insert_above(self.emit, low, high, shift)

    def _lanes(self, parts: list[SSAValue]) -> tuple[SSAValue, SSAValue]:
        """Lanes 0, 2, .. and lanes 1, 3, .. of one vector or of two, at least eight of each."""
        first, other = parts[0], parts[-1] if len(parts) > 1 else None
        count = lanes_of(first.type) * len(parts)
        places = [[(start + 2 * n) % count for n in range(max(8, count // 2))] for start in (0, 1)]
        even, odd = (self.emit.shuffle(first, lanes, other) for lanes in places)
        return even, odd
