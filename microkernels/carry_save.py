"""Popcounts by carry-save adders in general registers, for processors that have neither vectors nor `popcnt`.

Digits `ones`, `twos`, `fours` and `eights` hold, in each bit, the count of that bit's column, as in
`harley_seal.py`; a full adder is 5 instructions where 3 bits have no function of their own:

    half = a ^ u        sum = half ^ v        carry = (a & u) | (half & v)

Of 16 words 15 adders leave one carry, whose ones are counted by masks: 5 instructions to counts of nibbles,
2 to bytes, and one (`usada8` of ARM) that adds the bytes to the count. With 16 loads of two words each
(`reduction/late.py`) and 16 `and` or `xor` that is 115 for 16 words, 7.2 a word, where `llvm.ctpop` takes
12.5. Adders of zero fold away, so that few words pay only for the digits that they reach. At the end 31 join
the digits and the count.

LLVM forms half of all adders before it needs them, and spills, unless carries are pinned: then a word of a
long sum takes 8.1 instructions on the Cortex-M7, loop and spills included, where it took 12.7 (counted on
Unicorn, 48 words unrolled, 2026-11).

Registers, one sum: 4 digits + 1 count + 2 addresses + 1 bound + 4 of adders = 12 of 13. Layouts as for
`popcount_32xV`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xdsl.dialects.builtin import i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Instructions
from microkernels.interface import Narrow, Values, Word
from microkernels.isa.verbs import Verbs
from microkernels.popcount import Popcount

GROUP = 16
"""Words of which one carry is counted."""
ADDER, COUNTED, JOINED = 5, 8, 31


class CarrySave(Popcount):
    """Popcounts of words of 32 bits, one sum at a time."""

    group = GROUP
    loads_late = True

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_carry_save_32x{lanes}"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        run = row or GROUP
        # A rest that a sum begins with leaves no carry.
        groups = max(1, run // GROUP) if 32 * run >= work.depth else -(-run // GROUP)
        counted = groups / run
        product = {"scalar": 1 + ADDER * (GROUP - 1) / GROUP + COUNTED * counted}
        loads = {"load": -(-run // 2) / run}
        return Instructions(product, loads, loads, "scalar", ({"scalar": JOINED},))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(2**31 // 32, (i32,) * 5, self._join),)

    def accumulate_late(
        self, emit: Emitter, total: Values, words: Iterable[Word], *, xor: bool, weight: int
    ) -> Values:
        *digits, count = total
        name = "xor" if xor else "and"
        carries = (emit.binary(name, x, w) for x, w in words)
        for place in range(len(digits)):
            carries = _carry(emit, digits, place, carries)
        for carry in carries:
            nibbles = _nibbles(emit, carry)
            both = emit.binary("add", nibbles, _shifted(emit, "lshr", nibbles, 4))
            count = self.verbs.add_all_bytes(emit, count, _masked(emit, both, 0x0F0F0F0F))
        return *digits, count

    def _join(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        *digits, count = narrow
        ones, twos, fours, eights = (_nibbles(emit, digit) for digit in digits)
        # A nibble of ones and twos is at most 4 + 8, a byte of all four 24 + 4 * 24.
        halves = [
            _bytes(emit, emit.binary("add", low, _shifted(emit, "shl", high, 1)))
            for low, high in ((ones, twos), (fours, eights))
        ]
        bytes = emit.binary("add", halves[0], _shifted(emit, "shl", halves[1], 2))
        total = self.verbs.add_all_bytes(emit, _shifted(emit, "shl", count, 4), bytes)
        return (emit.binary("sub" if negative else "add", wide[0], total),)


def _carry(
    emit: Emitter, digits: list[SSAValue], place: int, added: Iterator[SSAValue]
) -> Iterator[SSAValue]:
    """Add words to the digit of a place; yields the carries as they arise, so that few are alive."""
    for a in added:
        b, digit = next(added, None), digits[place]
        if b is None and digit is emit.constant(0, i32):
            digits[place] = a  # nothing is carried
            return
        half, both = emit.binary("xor", digit, a), emit.binary("and", digit, a)
        if b is None:
            digits[place] = half
            yield both
        else:
            digits[place] = emit.binary("xor", half, b)
            yield emit.pinned(emit.binary("or", both, emit.binary("and", half, b)))


def _nibbles(emit: Emitter, x: SSAValue) -> SSAValue:
    """How many ones each nibble holds."""
    pairs = emit.binary("sub", x, _masked(emit, _shifted(emit, "lshr", x, 1), 0x55555555))
    high = _masked(emit, _shifted(emit, "lshr", pairs, 2), 0x33333333)
    return emit.binary("add", _masked(emit, pairs, 0x33333333), high)


def _bytes(emit: Emitter, nibbles: SSAValue) -> SSAValue:
    """The sum of the two nibbles of each byte."""
    high = _masked(emit, _shifted(emit, "lshr", nibbles, 4), 0x0F0F0F0F)
    return emit.binary("add", _masked(emit, nibbles, 0x0F0F0F0F), high)


def _shifted(emit: Emitter, way: str, x: SSAValue, bits: int) -> SSAValue:
    return emit.binary(way, x, emit.constant(bits, i32))


def _masked(emit: Emitter, x: SSAValue, mask: int) -> SSAValue:
    return emit.binary("and", x, emit.constant(mask, i32))
