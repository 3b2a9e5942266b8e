"""Popcount kernels: `raw += popcount(x OP w)` on words of one bit plane, OP being AND or XOR.

Layouts: activations `[batch, rows, columns, planes, channels by W]`, one word of W channels broadcast to
all lanes; weights `[outputs by B, planes, kernel rows, kernel columns, inputs by W, outputs in B]`, so
that one vector holds the same W inputs of neighbouring output channels and the stream is linear.

* `popcount_32xV` with a vector popcount (VPOPCNTDQ): 32-bit lanes, `and vpopcntd vpaddd`, three
  instructions a vector, no widening. Registers of a block of R pixels x NV vectors: R NV accumulators,
  NV weights, 1 broadcast, 1 product; 7 x 2: 14 + 2 + 1 + 1 = 18 of 32.
* `popcount_bytes_32xV` without: LLVM selects the nibble shuffle for a popcount of bytes (and, and, shift,
  and, two shuffles, add), one more add accumulates bytes. A byte holds 255 // 8 = 31 steps; then
  `vpmaddubsw` and `vpmaddwd` with ones give 32-bit lanes. Bytes are taken from zero: LLVM reorders chains of
  additions, not of subtractions, and spills what it then holds (nibbles, 4 x 2 by 4 words: 10 accesses to
  the stack in 130 instructions, so none in 124). Registers, 2 x 2: 4 accumulators, 2 constants, 1 broadcast,
  4 temporaries = 11 of 16.
* `popcount_pairs_16xV` where one instruction adds neighbouring bytes to lanes of i16 (`and cnt uadalp`):
  three instructions for 16 channels of V outputs, and nothing to widen before 65,535 // 16 = 4,095 steps.
  Words are halves of those of `popcount_32xV`; `ld4r` loads four of a pixel, which are taken in turns
  (`reduction/turns.py`). Registers, 7 x 2 by 4 words: 14 accumulators, 8 weights, 8 words and products = 30
  of 32. ARMv7 has 16 and no such load: `reduction/word_turns.py`.
* `popcount_nibbles_16xV`: operands stored with four channels a byte (`channels by 16, channels in 16 by
  4`, twice the bytes), so that `and vpshufb add` is all: three instructions for 16 channels a lane, 3.5
  slots as measured. The table is negative, so that no sum is negated where bytes are folded: C3 and C8 at
  uint1 x uint2, 1 x 8 by 2, take 0.94 and 0.96 of the time (Zen 3, 2026-11). A byte holds 255 // 4 = 63
  steps. Registers, 4 x 2: 8 accumulators, 1 table, 2 weights, 1 broadcast, 1 product = 13 of 16.
* `popcount_64x1`, the scalar tier: `and popcnt sub` on 64-bit words. Registers, 1 x 8: 8 accumulators,
  1 word, 1 product, 2 addresses and the next 2, 1 counter = 15 of 16.
"""

from __future__ import annotations

from math import gcd

from xdsl.dialects.builtin import IntegerType, i8, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.layout import PLANES, Layout, Term
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Counts, Instructions, total
from microkernels.interface import Microkernel, Narrow, Values, block_terms, whole_words
from microkernels.isa.verbs import Addresses, Verbs
from microkernels.llvm_types import vector

NEAR = 8
"""Words of weights in straight code whose loads move the address on: LLVM looks no further (ARMv7)."""


def word_channels(work: Contraction, width: int) -> int:
    """Channels of a word: all of its bits, fewer where a group is no multiple of them."""
    if work.groups == 1 or work.inputs % width == 0:
        return width
    return work.inputs if work.inputs < width else gcd(work.inputs, width)


class Popcount(Microkernel):
    """Popcounts in lanes of one word."""

    accumulator = i32

    def __init__(self, verbs: Verbs, lanes: int, width: int = 32):
        self.name, self.verbs = f"popcount_{width}x{lanes}", verbs
        self.width, self.lanes, self.word_bytes = width, lanes, width // 8
        self.alignment = self.word_bytes
        self.channels_per_word = width
        self.word = IntegerType(width)
        """Type of a word."""

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        return work.bitserial and accumulator == i32

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        return Instructions({"integer": 2, "popcount": 1}, {"broadcast": 1}, {"load": 1})

    def input_layout(self, work: Contraction) -> Layout:
        leading = [Term(axis) for axis in work.input_axes[:-1]]
        block = word_channels(work, self.width)
        outer, _ = block_terms(work.input_axes[-1], work.groups, work.inputs, block)
        return Layout((*leading, PLANES, *outer), self.word)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        words = Term(inputs, (("by", word_channels(work, self.width)),))
        return Layout((*outer, PLANES, *map(Term, taps), words, inner), self.word)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.splat(emit.load(pointer, self.word, self.alignment), self.lanes)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes, self.word), self.alignment)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        both = emit.binary("xor" if xor else "and", x, w)
        count = emit.intrinsic("ctpop", both)
        return emit.binary("sub" if negative else "add", total, count)


class ScalarPopcount(Popcount):
    """Popcounts of 64-bit words, taken from zero in 64 bits.

    Chains of additions are reordered by LLVM, which spills them; those of subtractions are not (C6: 547 us,
    so 494). All four ALUs are busy, with a queue before each: an address formed last, as LLVM would,
    is known 5 cycles late, and formed first it is free (C6: 474 us, 1.15 of its limit; Zen 3, 2026-11).
    """

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes, width=64)

    @property
    def addresses(self) -> Addresses:
        """Formed early, as LLVM would not."""
        return "before"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        product = {"scalar": 13, "scalar_multiply": 1}
        if "scalar_popcount" in self.verbs.can:
            product = {"scalar": 2, "scalar_popcount": 1}
        return Instructions(product, {"load": 1}, {"load": 1}, "scalar", ({"scalar": 1},))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(2**31 // 64, (self.word,), self._truncate),)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        both = emit.binary("xor" if xor else "and", x, w)
        return emit.binary("sub", total, emit.intrinsic("ctpop", both))

    def _truncate(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        count = emit.widen(narrow[0], i32, signed=True)
        return (emit.binary("add" if negative else "sub", wide[0], count),)


class BytePopcount(Popcount):
    """Popcounts of bytes, four to a lane, widened after at most 31 steps."""

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_bytes_32x{lanes}"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        product = total((1, {"integer": 2}), (1, self.verbs.popcount_bytes))
        # By nibbles: a mask, a table, a word, three steps (counted on AVX2: 5 x 2 lacks a register).
        held = 6 if "look_up" in self.verbs.popcount_bytes else 3
        return Instructions(
            product, {"broadcast": 1}, {"load": 1}, folds=(self._folding,), held=held
        )

    @property
    def _folding(self) -> Counts:
        return total((1, self.verbs.fold_bytes), (1, {"integer": 1}))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(255 // 8, (vector(self.lanes * 4, i8),), self._widen),)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        word = super().load_input(emit, pointer)
        return emit.bitcast(word, vector(self.lanes * 4, i8))

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        return super().product(emit, total, x, w, xor=xor, negative=True)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes * 4, i8), self.alignment)

    def _widen(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        counts = self._counts(emit, narrow[0])
        lanes = self.verbs.sum_words(emit, self.verbs.sum_bytes(emit, counts))
        return (emit.binary("sub" if negative else "add", wide[0], lanes),)

    def _counts(self, emit: Emitter, bytes: SSAValue) -> SSAValue:
        """What was counted, of bytes from which it was taken."""
        return emit.binary("sub", emit.constant(0, bytes.type), bytes)


class PairPopcount(BytePopcount):
    """Popcounts of bytes, whose neighbours are added to lanes of 16 bits as they are counted."""

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_pairs_16x{lanes}"
        self.word, self.width, self.word_bytes, self.alignment = i16, 16, 2, 2
        self.channels_per_word = 16
        if verbs.can & {"broadcast_words", "broadcast_lanes"}:
            self.together, self.in_turns = 4, True
            self.by_word = "broadcast_words" not in verbs.can

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        return whole_words(work, self.channels_per_word) and super().accepts(work, accumulator)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        product = total((1, {"integer": 1, "multiply": 1}), (1, self.verbs.popcount_bytes))
        folds = ({"widening": 2, "integer": 2},)
        row, columns = row or self.together, work.window.columns
        loads = -(-row // self.together) / row
        if self.by_word:
            far = max(0.0, 1 - NEAR / (row * columns.kernel))
            weights = {"load": 0.5, "scalar": 0.5 * far}
            return Instructions(
                product, {"broadcast": 1, "load": loads}, weights, "multiply", folds
            )
        # An address for each, which takes no distance of its own; neighbouring pixels share them.
        shared = min(1.0, columns.stride / columns.kernel)
        loading = {"broadcast": loads, "scalar": loads * shared}
        return Instructions(product, loading, {"load": 1}, "multiply", folds)

    def input_layout(self, work: Contraction) -> Layout:
        # Words of 32 channels as other kernels read them, of which these are halves.
        return Popcount(self.verbs, self.lanes).input_layout(work)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(65535 // 16, (vector(self.lanes, i16),), self._widen, doubles=True),)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        word = emit.splat(emit.load(pointer, i16, self.alignment), self.lanes)
        return emit.bitcast(word, vector(self.lanes * 2, i8))

    def load_inputs(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        broadcast = self.verbs.broadcast_lanes if self.by_word else self.verbs.broadcast_words
        loaded = broadcast(emit, pointer, words)
        return [emit.bitcast(word, vector(self.lanes * 2, i8)) for word in loaded]

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes * 2, i8), self.alignment)

    def load_two_weights(self, emit: Emitter, pointer: SSAValue) -> list[SSAValue]:
        return self.verbs.load_two(emit, pointer, self.lanes * 2)

    def meet(self, emit: Emitter, x: SSAValue, w: SSAValue, *, xor: bool) -> SSAValue:
        return emit.binary("xor" if xor else "and", x, w)

    def count(self, emit: Emitter, met: SSAValue) -> SSAValue:
        return emit.intrinsic("ctpop", met)

    def add(self, emit: Emitter, total: SSAValue, count: SSAValue) -> SSAValue:
        return self.verbs.add_bytes(emit, total, count)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        return self.add(emit, total, self.count(emit, self.meet(emit, x, w, xor=xor)))

    def _widen(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        lanes = emit.widen(narrow[0], i32, signed=False)
        return (emit.binary("sub" if negative else "add", wide[0], lanes),)


class NibblePopcount(BytePopcount):
    """Popcounts of bytes of four channels each, by table.

    Blocks of single taps are 1 x 8: 8 loads a word where 4 x 2 has 6, but all in operands. 28 x 28 x 512 to
    128: 107 us, not 115; C8 17.7, not 23.3; dense 64 x 1024 x 1024 138, not 153 (Zen 3, 2026-11).
    """

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_nibbles_16x{lanes}"
        self.alignment = 1
        self.channels_per_word = 16

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        return whole_words(work, self.channels_per_word) and super().accepts(work, accumulator)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        product = {"integer": 2, "look_up": 1}
        # A table, a word and two products (counted on AVX2: 6 x 2 lacks a register).
        folds = (self.verbs.fold_bytes,)
        return Instructions(product, {"broadcast": 1}, {"load": 1}, folds=folds, held=4)

    def input_layout(self, work: Contraction) -> Layout:
        *leading, channels = work.input_axes
        words, nibbles = _nibbles(channels)
        return Layout((*map(Term, leading), PLANES, words, nibbles), i8)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        words, nibbles = _nibbles(inputs)
        return Layout((*outer, PLANES, *map(Term, taps), words, inner, nibbles), i8)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(255 // 4, (vector(self.lanes * 4, i8),), self._widen),)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        both = emit.binary("xor" if xor else "and", x, w)
        counts = emit.constants([-n.bit_count() for n in range(16)] * (self.lanes // 4), i8)
        return emit.binary("sub", total, self.verbs.look_up(emit, counts, both, 16))

    def _counts(self, emit: Emitter, bytes: SSAValue) -> SSAValue:
        return bytes  # those of the table are negative


def _nibbles(axis: int) -> tuple[Term, Term]:
    """Words of 16 channels of an axis, and the bytes of four in them."""
    return Term(axis, (("by", 16),)), Term(axis, (("in", 16), ("by", 4)))
