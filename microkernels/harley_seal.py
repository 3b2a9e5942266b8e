"""Popcounts by carry-save adders (Harley and Seal), for AVX-512 without a vector popcount.

A column of bits is added up as written numbers are: registers `ones`, `twos` and `fours` hold, in each
bit, the digits of weight 1, 2 and 4 of the count of that bit's column. Two words enter by three
instructions (Warren, Hacker's Delight, 2nd ed., 5-1 has the adder; Mula, Kurz and Lemire, "Faster Population
Counts Using AVX2 Instructions", 2016, the tree): with `u = x1 OP w1` and `v = x2 OP w2`

    p = ones ^ u        s = p ^ v        carry = p ? ~s : ones        (majority of ones, u and v)

each one `vpternlogd` that does the AND or XOR of the operands too. Carries are added in the same way, two
instructions for two, and what leaves `fours` is popcounted as bytes. A group of 8 words is 12 + 4 + 2 of
`vpternlogd` and 6 + 1 to popcount and add bytes: 25 instructions, 3.1 a word, where pre-split nibbles take 6
(llvm-mca 22 for skylake-avx512 and icelake-server: 2.0 cycles a word, not 2.65; not timed on such a machine).
Of less than 8 words, a digit without a partner takes two: 14, 17 and 22 for groups of 2, 4 and 6.

The sums hold 255 words: a word adds at most 8 ones to the 8 columns of a byte, of which the count of eights
is an eighth. At the end 18 popcount three digits, 4 join them, 5 widen them and the bytes (times 8): 27.

Registers, 1 x 4: 4 x 4 accumulators, 8 inputs, 2 constants, 3 carries, 3 temporaries = 32 of 32. LLVM 22
keeps all, or all but one of the bytes, with 16 copies and 32 loads beside the 4 x 25 instructions; of 2 x 2,
which wants 16 weights at hand, it spills 7 values. Layouts as for `popcount_32xV`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects.builtin import i8, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Counts, Instructions, total
from microkernels.interface import Narrow, Values, Word
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import lanes_of, vector
from microkernels.popcount import Popcount

# Functions of `vpternlogd`: written with and, or and xor they become more instructions.
XOR3, MAJORITY = 0x96, 0xE8
CARRY = 0x3A
"""`a ? ~b : c`"""
ENTERING = {True: (XOR3, 0x60), False: (0x78, 0x80)}
"""`a ^ (b OP c)` and `a & (b OP c)`, by whether OP is XOR."""

GROUP = 8
"""Words that carry into the bytes at most once: 7 of the digits and 8 new ones are less than 16."""


class HarleySeal(Popcount):
    """Popcounts by carry-save adders in lanes of 32 bits."""

    group = GROUP

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_harley_seal_32x{lanes}"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        row = row or GROUP
        whole, rest = divmod(row, GROUP)
        product = total((whole / row, entering(GROUP)), (1 / row, entering(rest)))
        folding = {"integer": 13, "shift": 3, "look_up": 6, "multiply": 3}
        # Constants, carries, words: 5 x 1 and 1 x 6 lack a register (counted on AVX-512).
        loading = {"broadcast": 1}, {"load": 1}
        return Instructions(product, *loading, "ternary", (folding,), held=12)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        digit, bytes = vector(self.lanes, i32), vector(4 * self.lanes, i8)
        return (Narrow(255, (digit, digit, digit, bytes), self._sum),)

    def accumulate(
        self, emit: Emitter, total: Values, words: Sequence[Word], *, xor: bool, weight: int
    ) -> Values:
        *digits, bytes = total
        carries = self._enter(emit, digits, words, ENTERING[xor])
        for place in (1, 2):
            carries = self._carry(emit, digits, place, carries)
        (eights,) = carries
        return *digits, emit.binary("add", bytes, _popcount(emit, eights))

    def _enter(
        self,
        emit: Emitter,
        digits: list[SSAValue],
        words: Sequence[Word],
        functions: tuple[int, int],
    ) -> Iterator[SSAValue]:
        """Add words to the lowest digit; yields the carries as they arise, so that few are alive."""
        (parity, both), ternary = functions, self.verbs.ternary
        for first, second in zip(words[::2], words[1::2]):
            half = ternary(emit, digits[0], *first, parity)
            total = ternary(emit, half, *second, parity)
            carry = ternary(emit, half, total, digits[0], CARRY)
            digits[0] = total
            yield carry
        if len(words) % 2:
            carry = ternary(emit, digits[0], *words[-1], both)
            digits[0] = ternary(emit, digits[0], *words[-1], parity)
            yield carry

    def _carry(
        self, emit: Emitter, digits: list[SSAValue], place: int, added: Iterator[SSAValue]
    ) -> Iterator[SSAValue]:
        """Add carries to the digit of a place; yields the carries of that."""
        for a in added:
            b, digit = next(added, None), digits[place]
            if b is None:
                digits[place] = emit.binary("xor", digit, a)
                yield emit.binary("and", digit, a)
            else:
                digits[place] = self.verbs.ternary(emit, digit, a, b, XOR3)
                yield self.verbs.ternary(emit, digit, a, b, MAJORITY)

    def _sum(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        *digits, eights = narrow
        low = _popcount(emit, digits.pop())
        while digits:
            low = emit.binary("add", low, low)
            low = emit.binary("add", low, _popcount(emit, digits.pop()))
        sum_bytes = self.verbs.sum_bytes
        pairs = emit.binary("add", sum_bytes(emit, eights, 8), sum_bytes(emit, low))
        lanes = self.verbs.sum_words(emit, pairs)
        return (emit.binary("sub" if negative else "add", wide[0], lanes),)


def _popcount(emit: Emitter, value: SSAValue) -> SSAValue:
    """The popcounts of the bytes of a vector, for which LLVM selects the nibble shuffle."""
    return emit.intrinsic("ctpop", emit.bitcast(value, vector(4 * lanes_of(value.type), i8)))


def entering(words: int) -> Counts:
    """Instructions that add a group of words to an accumulator."""
    if not words:
        return {}
    carries = -(-words // 2)
    adders = words // 2 * 3 + words % 2 * 2
    for _ in ("twos", "fours"):
        carries = -(-carries // 2)
        adders += 2 * carries
    return {"ternary": adders, "integer": 4, "shift": 1, "look_up": 2, "copy": words + 3}
