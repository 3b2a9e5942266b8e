"""Planes of bytes by multiplication, where there are no vectors.

Bit p of eight bytes, of two words, stands in bits 0, 8, 16, 24 and 4, 12, 20, 28 of

    t = (low >> p & 0x01010101) | (high >> p & 0x01010101) << 4

and in order in the highest byte of `t * 0x01020408`: bit 8 j goes to 24 + j by the factor's bit 24 - 7 j, all
other products to places of their own below 24, or out. 8 instructions for eight elements, where comparing
each takes 33 (Cortex-M7). The source is Warren, Hacker's Delight, 7-3, where a multiplication gathers bits.
"""

from __future__ import annotations

from xdsl.dialects.builtin import i8, i32
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from microkernels.emit import Emitter

EIGHT = 8
"""Elements whose planes are formed at once."""
LOWEST_BITS, FACTOR = 0x01010101, 0x01020408


class MultipliedPlanes:
    """Forms the planes of codes that are stored in bytes."""

    def __init__(self, emit: Emitter, code: CodeType):
        self.emit, self.code = emit, code

    def of(self, x: SSAValue) -> list[SSAValue]:
        """The planes of eight elements at an address, a byte each."""
        words = [self.emit.load(self.emit.offset(x, first), i32, 1) for first in (0, 4)]
        return [self._plane(words, plane) for plane in range(self.code.planes)]

    def _plane(self, words: list[SSAValue], plane: int) -> SSAValue:
        emit = self.emit
        # An odd value is twice its code, and its sign the complement of the code's highest bit.
        shift = emit.constant(plane + self.code.is_odd, i32)
        bits = [emit.binary("lshr", word, shift) for word in words]
        if self.code.is_odd and plane == self.code.planes - 1:
            bits = [emit.binary("xor", one, emit.constant(-1, i32)) for one in bits]
        low, high = (emit.binary("and", one, emit.constant(LOWEST_BITS, i32)) for one in bits)
        both = emit.binary("or", low, emit.binary("shl", high, emit.constant(4, i32)))
        gathered = emit.binary("mul", both, emit.constant(FACTOR, i32))
        return emit.widen(emit.binary("lshr", gathered, emit.constant(24, i32)), i8, signed=False)
