"""Table look-up kernels: weight bits are the index, activations the table.

A byte lane holds the bits of one plane of the weights of `B` input channels of one output channel; the
table of a pixel holds minus the sums of its `B` activations over all subsets (`sums`), or of codes and
complements (`choices`, the counterpart of XOR). One look-up and one subtraction of bytes do `B` products a
lane whatever the number of activation bits: `raw` as popcounts give it, exactly.

* `lookup_4xV`: 16 entries, `pshufb` of SSSE3 and later; tables are broadcast to all 128-bit lanes by the
  load.
* `lookup_6x64`: 64 entries, `vpermb` (AVX512-VBMI).
* `lookup_6x16`: the same by `tbl` of four registers (AArch64). Sums are pinned after each pixel, or LLVM
  loads tables early and spills: uint2 x odd1, C9, 4 x 4 by 14 words, 0.80 of 6 instructions per 128 products
  where popcounts take 1.12. The Cortex-A53 then waits for tables and sums: 1.62 cycles, popcounts 1.20
  (llvm-mca, 2026-11).

Bytes hold 255 // (B (2^a - 1)) look-ups: 63, 21, 9, 4 for a = 1 to 4 bits and B = 4; 42, 14, 6, 2 for
B = 6. Then `even += x; odd += x >> 8` in 16-bit lanes, which hold 65,535 // (B (2^a - 1)) look-ups, and
are told apart at the end, `even - (odd << 8)`: all of it modulo 2^16, where the sums fit.
Tables are negative since LLVM reorders chains of additions, not of subtractions, and spills what it then
holds (C6 at 1 bit, SSSE3: 506 us, so 431, Zen 3; 5 x 2 by 3 words, AVX2: 14 accesses to the stack in 92
instructions, so none in 85; 7 x 3 by 4, AVX-512: 26 in 226, so none in 213; 2026-11). Positive ones had to be
negated where bytes are folded: C2 and C12, uint4 x odd1, 4 x 2 by 2, took 5 % more (Zen 3, 2026-11).

Blocks of short single taps are 1 x 8, with weights as operands in memory: C8 at 2 bits 33 us, not 41; from
1024 channels on, where those of a block do not stay in L1, 4 x 2 is faster (200 us, not 152).

Layouts: activations `[batch, rows, columns, channels by B, sums], i8`; weights `[outputs by V, planes,
kernel rows, kernel columns, inputs by B, outputs in V], i8`. Registers of a block of R pixels x NV vectors:
R NV accumulators, NV weights, 1 table, 1 product; 4 x 2: 8 + 2 + 1 + 1 = 12 of 16. The 2 R NV registers of
16-bit sums are spilled around the loop that fills the bytes.
"""

from __future__ import annotations

from xdsl.dialects.builtin import i8, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import CHOICES, PLANES, SUMS, Layout, Term
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Instructions
from microkernels.interface import Microkernel, Narrow, Values, block_terms, whole_words
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import vector

MOST_BITS = 4
"""Activation bits above which bytes hold too few look-ups."""


class Lookup(Microkernel):
    """Look-ups of subset sums in byte lanes."""

    accumulator = i32
    word_bytes = 1

    def __init__(self, verbs: Verbs, lanes: int, channels: int = 4):
        self.name, self.verbs, self.lanes = f"lookup_{channels}x{lanes}", verbs, lanes
        self.channels_per_word = channels
        self.pins = lanes < 1 << channels

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        code = work.activation
        return (
            work.bitserial
            and accumulator == i32
            and whole_words(work, self.channels_per_word)
            and isinstance(code, CodeType)
            and code.planes <= MOST_BITS
            and min(code.plane_weights) > 0
        )

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        entries = 1 << self.channels_per_word
        table = {"spread": 1} if self.lanes > entries else {"load": entries // self.lanes}
        halving = {"integer": 2, "shift": 1}
        joining = {"integer": 5, "shift": 1, "look_up": 2, "widening": 4}
        return Instructions(
            {"look_up" if self.channels_per_word == 4 else "permute": 1, "integer": 1},
            table,
            {"load": 1},
            folds=(halving, joining),
            held=2 + max(1, entries // self.lanes),
        )

    def input_layout(self, work: Contraction) -> Layout:
        assert isinstance(work.weight, CodeType)
        *leading, channels = work.input_axes
        outer = Term(channels, (("by", self.channels_per_word),))
        table = CHOICES if work.weight.is_odd else SUMS
        return Layout((*map(Term, leading), outer, table), i8)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        words = Term(inputs, (("by", self.channels_per_word),))
        return Layout((*outer, PLANES, *map(Term, taps), words, inner), i8)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        assert isinstance(activation, CodeType)
        largest = self.channels_per_word * ((1 << activation.planes) - 1)
        halves = vector(self.lanes // 2, i16)
        return (
            Narrow(255 // largest, (vector(self.lanes, i8),), self._halve),
            Narrow(65535 // largest, (halves, halves), self._join),
        )

    def _halve(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        both = emit.bitcast(narrow[0], wide[0].type)
        odd = emit.binary("lshr", both, emit.constant(8, both.type))
        return emit.binary("add", wide[0], both), emit.binary("add", wide[1], odd)

    def _join(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        even, odd = narrow
        above = emit.binary("shl", odd, emit.constant(8, odd.type))
        half = self.lanes // 2
        order = [lane for pair in zip(range(half), range(half, self.lanes)) for lane in pair]
        lanes = emit.shuffle(emit.binary("sub", even, above), order, odd)
        sums = emit.widen(lanes, i32, signed=False)
        return (emit.binary("sub" if negative else "add", wide[0], sums),)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        entries = 1 << self.channels_per_word
        if self.lanes < entries:
            return self.verbs.load_table(emit, pointer, self.lanes)
        table = emit.load(pointer, vector(entries, i8), self.word_bytes)
        return emit.shuffle(table, list(range(entries)) * (self.lanes // entries))

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes, i8), self.word_bytes)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        found = self.verbs.look_up(emit, x, w, 1 << self.channels_per_word)
        return emit.binary("sub", total, found)
