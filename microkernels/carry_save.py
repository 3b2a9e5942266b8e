"""Popcounts by carry-save adders in general registers, for processors that have neither vectors nor `popcnt`.

Digits `ones`, `twos`, `fours` and `eights` hold, in each bit, the count of that bit's column, as in
`harley_seal.py`; a full adder is 5 instructions where 3 bits have no function of their own:

    half = a ^ u        sum = half ^ v        carry = (a & u) | (half & v)

Of 16 words 15 adders leave one carry, whose ones are counted by masks. ARM takes an operand shifted and a
mask of equal bytes as they are, so that counts of pairs take 2 instructions and of nibbles 3; and `usada8`
adds differences of bytes, so that one mask and one subtraction lead to the sum of all nibbles:

    a = x - ((x & 0xaa..) >> 1)             n = a - (h >> 2) - (h >> 1)     where h = a & 0xcc..
    total += sum of bytes of n - (h - (h >> 4))                             where h = n & 0xf0..

That is 8, where two words that are counted together are 13. With 16 loads of two words each
(`reduction/late.py`) and 16 `and` or `xor` it is 115 for 16 words, 7.2 a word, where `llvm.ctpop` takes 12.5.
Adders of zero fold away, so that few words pay only for the digits that they reach. A sum that begins with a
multiple of four words leaves the first of them apart, a digit of its own: half adders for the last one, of
which each digit has one, take more.

A sum of up to seven words has no adders: pairs of columns of three words are counted in 8 instructions, those
in even places apart from those in odd places, and the more nibbles follow at once, the fewer instructions
they take. Two words are 13, four 24, and seven 38.

LLVM forms half of all adders before it needs them, and spills, unless carries are pinned: then a word of a
long sum takes 7.8 instructions on the Cortex-M7, loop and spills included, where it took 12.7 (counted on
Unicorn, 48 words unrolled, 2026-11).

Registers, one sum: 4 digits + 1 count + 2 addresses + 1 bound + 4 of adders = 12 of 13. Layouts as for
`popcount_32xV`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice

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
FEW = 7
"""Words of a sum without adders: a nibble holds 15."""
ADDER, HALF_ADDER, COUNTED = 5, 2, 8
DIGIT, PART = 5, 4
"""Of a digit that is joined to the others, and of one or two of them that are counted together."""

Fields = Sequence[tuple[SSAValue, int]]
"""Values that hold many counts, and by how many bits each is shifted where they are added."""


class CarrySave(Popcount):
    """Popcounts of words of 32 bits, one sum at a time."""

    group = GROUP
    loads_late = True

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_carry_save_32x{lanes}"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        run = row or GROUP
        adders, joined = ADDER * run * (GROUP - 1) / GROUP + COUNTED * -(-run // GROUP), _joined(4)
        if 32 * run >= work.depth:
            adders, joined = _of_sum(run)
        product, loads = {"scalar": 1 + adders / run}, {"load": -(-run // 2) / run}
        return Instructions(product, loads, loads, "scalar", ({"scalar": joined},))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(2**31 // 32, (i32,) * 7, self._join),)

    def accumulate(
        self, emit: Emitter, total: Values, words: Sequence[Word], *, xor: bool, weight: int
    ) -> Values:
        *digits, counted, apart, few = total
        added, left = (emit.binary("xor" if xor else "and", x, w) for x, w in words), len(words)
        if all(_is_zero(emit, one) for one in digits):
            if left <= FEW:
                return *digits, counted, apart, self._count(emit, few, _pairs(emit, *added))
            if _has_apart(left):
                apart, left = next(added), left - 1
        while left:
            # The rest first: where sums begin, its adders of zero fold away.
            carries = islice(added, left % GROUP or GROUP)
            left = (left - 1) // GROUP * GROUP
            for place in range(len(digits)):
                carries = _carry(emit, digits, place, carries)
            for carry in carries:
                counted = self._count(emit, counted, _pairs(emit, carry))
        return *digits, counted, apart, few

    def _join(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        ones, twos, fours, eights, total, apart, few = narrow
        # By Horner's rule: how much more what is before counts, and digits with their shifts.
        parts = [(2, (fours, 0), (eights, 1)), (2, (ones, 0), (twos, 1)), (0, (apart, 0))]
        if _is_zero(emit, eights):
            parts = [(0, (twos, 0), (fours, 1)), (1, (ones, 0), (apart, 0))]
        for more, *digits in parts:
            fields = [
                (pairs, shift)
                for digit, shift in digits
                if not _is_zero(emit, digit)
                for pairs, _ in _pairs(emit, digit)
            ]
            total = self._count(emit, _shifted(emit, "shl", total, more), fields)
        total = emit.binary("add", total, few)
        return (emit.binary("sub" if negative else "add", wide[0], total),)

    def _count(self, emit: Emitter, total: SSAValue, pairs: Fields) -> SSAValue:
        """A sum with counts in pairs of bits."""
        for nibbles in _nibbles(emit, pairs):
            high = _masked(emit, nibbles, 0xF0F0F0F0)
            less = emit.binary("sub", high, _shifted(emit, "lshr", high, 4))
            total = self.verbs.add_differences(emit, total, nibbles, less)
        return total


def _of_sum(words: int) -> tuple[int, int]:
    """Instructions of the adders of a sum of so many words that begins with none, and of its end."""
    if words <= FEW:
        threes, rest = divmod(words, 3)
        fields = 2 * threes + rest
        return 8 * threes + 2 * rest + (3 * fields + 3 if fields < 3 else 3 * fields + 5), 0
    apart = _has_apart(words)
    adders, digits, added = 0, 0, words - apart
    while added and digits < 4:
        adders += ADDER * ((added - 1) // 2) + HALF_ADDER * (added % 2 == 0)
        added, digits = added // 2, digits + 1
    return adders + COUNTED * added, _joined(digits + apart)


def _joined(digits: int) -> int:
    """Instructions by which so many digits are counted."""
    return DIGIT * digits + PART * -(-digits // 2)


def _has_apart(words: int) -> bool:
    """Whether a sum that begins with none is the cheaper for leaving a word out of its adders."""
    return words % 4 == 0


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


def _pairs(emit: Emitter, *words: SSAValue) -> Fields:
    """How many ones pairs of columns hold: in every word, or in three words in even and in odd places."""
    whole = len(words) // 3 * 3
    found: list[tuple[SSAValue, int]] = []
    for first in range(0, whole, 3):
        three = [(word, 0) for word in words[first : first + 3]]
        odd = _sum(emit, [(_low(emit, word, 1, 0x55555555), 0) for word, _ in three])
        even = emit.binary("sub", _sum(emit, three), _shifted(emit, "shl", odd, 1))
        found += (even, 0), (odd, 0)
    for word in words[whole:]:
        odd = _shifted(emit, "lshr", _masked(emit, word, 0xAAAAAAAA), 1)
        found.append((emit.binary("sub", word, odd), 0))
    return found


def _nibbles(emit: Emitter, pairs: Fields) -> Iterator[SSAValue]:
    """Counts in pairs of bits as those in nibbles: one or two together, or more apart by their places."""
    if len(pairs) == 1:
        ((every, _),) = pairs
        high = _masked(emit, every, 0xCCCCCCCC)
        less = emit.binary("sub", every, _shifted(emit, "lshr", high, 2))
        yield emit.binary("sub", less, _shifted(emit, "lshr", high, 1))
    elif pairs:
        every = _sum(emit, pairs)
        odd = _sum(emit, [(_low(emit, x, 2, 0x33333333), shift) for x, shift in pairs])
        if len(pairs) == 2:
            less = emit.binary("sub", every, odd)
            yield emit.binary("sub", less, _shifted(emit, "shl", odd, 1))
        else:
            yield emit.binary("sub", every, _shifted(emit, "shl", odd, 2))
            yield odd


def _sum(emit: Emitter, values: Fields) -> SSAValue:
    """The sum of values, each shifted."""
    shifted = (_shifted(emit, "shl", value, bits) for value, bits in values)
    return reduce(lambda a, b: emit.binary("add", a, b), shifted)


def _low(emit: Emitter, x: SSAValue, bits: int, mask: int) -> SSAValue:
    """What a mask leaves of a value that is shifted down."""
    return _masked(emit, _shifted(emit, "lshr", x, bits), mask)


def _is_zero(emit: Emitter, x: SSAValue) -> bool:
    return x is emit.constant(0, i32)


def _shifted(emit: Emitter, way: str, x: SSAValue, bits: int) -> SSAValue:
    return emit.binary(way, x, emit.constant(bits, i32)) if bits and not _is_zero(emit, x) else x


def _masked(emit: Emitter, x: SSAValue, mask: int) -> SSAValue:
    return emit.binary("and", x, emit.constant(mask, i32))
