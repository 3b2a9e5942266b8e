"""Popcounts by carry-save adders in general registers, for processors that have neither vectors nor `popcnt`.

Digits `ones`, `twos`, `fours` and `eights` hold, in each bit, the count of that bit's column, as in
`harley_seal.py`; a full adder is 5 instructions where 3 bits have no function of their own:

    half = a ^ u        sum = half ^ v        carry = (a & u) | (half & v)

Of 16 words 15 adders leave one carry, whose ones are counted by masks: 5 instructions to counts of nibbles,
2 to bytes, and one (`usada8` of ARM) that adds the bytes to the count. With 16 loads of two words each
(`reduction/late.py`) and 16 `and` or `xor` that is 115 for 16 words, 7.2 a word, where `llvm.ctpop` takes
12.5. Adders of zero fold away, so that few words pay only for the digits that they reach. At the end 31 join
the digits and the count. A sum that begins with a multiple of four words, or is of two, leaves the first of
them apart, a digit of its own: half adders for the last one, of which each digit has one, take more.

LLVM forms half of all adders before it needs them, and spills, unless carries are pinned: then a word of a
long sum takes 8.1 instructions on the Cortex-M7, loop and spills included, where it took 12.7 (counted on
Unicorn, 48 words unrolled, 2026-11).

Registers, one sum: 4 digits + 1 count + 2 addresses + 1 bound + 4 of adders = 12 of 13. Layouts as for
`popcount_32xV`.
"""

from __future__ import annotations

from collections.abc import Iterator

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
ADDER, HALF_ADDER, COUNTED = 5, 2, 8
DIGIT, END = 6, 7
"""Of a digit that is joined to the others, and of all of them."""
JOINED = END + 4 * DIGIT


class CarrySave(Popcount):
    """Popcounts of words of 32 bits, one sum at a time."""

    group = GROUP
    loads_late = True

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_carry_save_32x{lanes}"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        run = row or GROUP
        adders, joined = ADDER * run * (GROUP - 1) / GROUP + COUNTED * -(-run // GROUP), JOINED
        if 32 * run >= work.depth:
            adders, joined = _of_sum(run)
        product, loads = {"scalar": 1 + adders / run}, {"load": -(-run // 2) / run}
        return Instructions(product, loads, loads, "scalar", ({"scalar": joined},))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(2**31 // 32, (i32,) * 6, self._join),)

    def accumulate_late(
        self,
        emit: Emitter,
        total: Values,
        words: Iterator[Word],
        count: int,
        *,
        xor: bool,
        weight: int,
    ) -> Values:
        *digits, counted, apart = total
        name = "xor" if xor else "and"
        carries = (emit.binary(name, x, w) for x, w in words)
        if _has_apart(count) and all(_is_zero(emit, one) for one in digits):
            apart = next(carries)
        for place in range(len(digits)):
            carries = _carry(emit, digits, place, carries)
        for carry in carries:
            bytes = _bytes(emit, _nibbles(emit, carry), 4)
            counted = self.verbs.add_all_bytes(emit, counted, bytes)
        return *digits, counted, apart

    def _join(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        ones, twos, fours, eights, counted, apart = narrow
        # What each part counts, and what its second digit counts in it. A byte is at most 24 + 4 * 24 + 8.
        parts = [(0, ones, twos, 1), (2, fours, eights, 1), (0, apart, None, 0)]
        if _is_zero(emit, eights):
            parts = [(0, ones, apart, 0), (1, twos, fours, 1)]
        total: SSAValue | None = None
        for shift, low, high, by in parts:
            nibbles, most = _nibbles(emit, low), 4
            if high and not _is_zero(emit, high):
                more, most = _nibbles(emit, high), most + (4 << by)
                nibbles = emit.binary("add", nibbles, _shifted(emit, "shl", more, by))
            bytes = _shifted(emit, "shl", _bytes(emit, nibbles, most), shift)
            total = bytes if total is None else emit.binary("add", total, bytes)
        assert total
        total = self.verbs.add_all_bytes(emit, _shifted(emit, "shl", counted, 4), total)
        return (emit.binary("sub" if negative else "add", wide[0], total),)


def _of_sum(words: int) -> tuple[int, int]:
    """Instructions of the adders of a sum of so many words that begins with none, and of its end."""
    apart = _has_apart(words)
    adders, digits, added = 0, 0, words - apart
    while added and digits < 4:
        adders += ADDER * ((added - 1) // 2) + HALF_ADDER * (added % 2 == 0)
        added, digits = added // 2, digits + 1
    return adders + COUNTED * added, END + DIGIT * (digits + apart)


def _has_apart(words: int) -> bool:
    """Whether a sum that begins with none is the cheaper for leaving a word out of its adders."""
    return words == 2 or words % 4 == 0


def _carry(
    emit: Emitter, digits: list[SSAValue], place: int, added: Iterator[SSAValue]
) -> Iterator[SSAValue]:
    """Add words to the digit of a place; yields the carries as they arise, so that few are alive."""
    for a in added:
        if _is_zero(emit, digit := digits[place]):
            digits[place] = a  # nothing is carried
            continue
        b = next(added, None)
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


def _bytes(emit: Emitter, nibbles: SSAValue, most: int) -> SSAValue:
    """The sum of the two nibbles of each byte, each at most `most`."""
    high = _shifted(emit, "lshr", nibbles, 4)
    if 2 * most < 16:
        return _masked(emit, emit.binary("add", nibbles, high), 0x0F0F0F0F)
    return emit.binary("add", *(_masked(emit, one, 0x0F0F0F0F) for one in (nibbles, high)))


def _is_zero(emit: Emitter, x: SSAValue) -> bool:
    return x is emit.constant(0, i32)


def _shifted(emit: Emitter, way: str, x: SSAValue, bits: int) -> SSAValue:
    return emit.binary(way, x, emit.constant(bits, i32))


def _masked(emit: Emitter, x: SSAValue, mask: int) -> SSAValue:
    return emit.binary("and", x, emit.constant(mask, i32))
