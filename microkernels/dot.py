"""Dot products of bytes: four channels to a lane of i32, one operand unsigned, the other signed.

Activations are read as they lie (`[.., channels]`, one byte each; `[.., channels by 4, channels in 4]` where
their number is no multiple of 4), four channels broadcast to all lanes; weights are `[outputs by B, taps,
inputs by 4, outputs in B, inputs in 4]`, i8. `u8s8` takes activations without a sign, `s8u8` weights
without one; `s8s8` adds 128 to activations (one `vpxor` a broadcast), which `lowbit.corrections` takes off;
so does `s5s8` with 16 added to activations of at least -16, whose sums fit i16 for longer.

* `dot_u8s8xV` and so on: `vpmaddubsw` sums pairs of products in i16, which may not saturate, so the
  ranges of the elements decide: a lane takes `floor(32767 / max |x1 w1 + x2 w2|)` steps of two products,
  then `vpmaddwd` with ones widens it. That is 2 instructions for 4 V products with uint<4> x int<4> (136
  steps: 2 x 15 x 8 x 136 = 32640; int<5> x int<4> 66 with 16 added, 14 with 128), 2.5 with uint<7> x
  int<7> (2 steps), 3 with uint<8> x int<7> (1 step, 2 x 255 x 64 = 32640). They are subtracted, and their
  sums again: LLVM does not reorder subtractions, where it forms sums of products of three words at once and
  spills (C7 at 2 x 4 bits, 3 x 3 by 3 words: 0.80 of the time, Zen 3, 2026-11). Two products of uint<8> x
  int<8> do not fit; bytes split in nibbles or in 7 + 1 bits take 4.6 and 5 instructions, and `vpmaddwd` on
  i16 takes 4 for as many. Registers, 5 x 2: 10 accumulators, 2 weights, 1 broadcast, 1 product, ones = 15
  of 16; i32 sums are spilt while i16 ones fill up.
* `dot2_u8s8xV` and so on: two channels to a lane of i16, for products that an i16 sums from the first to
  the last. Nothing is widened, codes are made in lanes of i16 (`lowbit.rescale`), and a vector has twice
  as many outputs: 16 to 96 channels, int5 x int4, take 0.71 of the time (Zen 3, AVX2, 2026-11).
* `vnni_u8s8xV` and so on: `vpdpbusd` where the target has it sums four products in i32 exactly, for
  every pair of bytes. Registers, 6 x 4: 24 accumulators + 4 weights + 1 broadcast + 1 offset = 30 of 32.
* `dot4_s8s8xV` and so on: `sdot` and `udot` of bytes that both have a sign or both have none, `usdot` of
  others, without an offset. Registers, 6 x 4: 24 accumulators + 4 weights + 1 broadcast = 29 of 32.
  In general registers (Cortex-M) four bytes are two words of i16 (`sxtb16`, `uxtb16`) and their products
  two `smlad`: 2 x 2 take 20 instructions for 16 products, 21 with the loop. Registers: 4 sums + 4 words of
  weights + 2 of activations + 2 addresses + 1 bound = 13 of 13.
"""

from __future__ import annotations

from math import inf
from typing import TypeVar

from xdsl.dialects.builtin import IntegerType, i8, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.algebra import OFFSETS
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Counts, Instructions, total
from microkernels.interface import Microkernel, Narrow, Values, block_terms
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import vector

KINDS = ("u8s8", "s8u8", "s8s8")
T = TypeVar("T")


class Dot(Microkernel):
    """Products of bytes, summed in lanes of i32."""

    accumulator = i32
    channels_per_word = 4
    family = "dot"

    def __init__(self, verbs: Verbs, lanes: int, kind: str):
        self.name, self.verbs = f"{self.family}_{kind}x{lanes}", verbs
        self.lanes, self._kind = lanes, kind
        self.products = {"s8s8": "offset", "s5s8": "offset_16"}.get(kind, "multiply")
        self._offset = OFFSETS.get(self.products, 0)
        # Without an offset, or with a smaller one.
        kinds = {"s8u8": ("u8s8",), "s5s8": ("u8s8",), "s8s8": ("u8s8", "s5s8")}.get(kind, ())
        self.instead = tuple(f"{self.family}_{one}x{lanes}" for one in kinds)

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        elements = work.activation, work.weight
        if accumulator != i32 or not all(isinstance(e, CodeType) or e == i8 for e in elements):
            return False
        unsigned, signed = self._ordered(*self._ranges(*elements))
        # Sums wrap and corrections take it back, but these have to be i32 themselves.
        small = work.depth * max(OFFSETS.values()) * max(map(abs, signed)) < 2**31
        fits = unsigned[0] >= 0 and unsigned[1] <= 255 and signed[0] >= -128 and signed[1] <= 127
        return fits and small and self.steps(*elements) >= 1

    def _ranges(self, activation: Attribute, weight: Attribute) -> list[tuple[int, int]]:
        """The values of the bytes that are multiplied."""
        low, high = value_range(activation)
        return [(low + self._offset, high + self._offset), value_range(weight)]

    @property
    def _loading(self) -> Counts:
        """To load four activations."""
        offset = {"integer": 1} if self._offset else {}
        return total((1, self.verbs.broadcast), (1, offset), (1, self.verbs.split_bytes))

    def steps(self, activation: Attribute, weight: Attribute) -> float:
        """Words whose products a narrow accumulator holds; infinite without one."""
        return inf

    def input_layout(self, work: Contraction) -> Layout:
        channels = self.channels_per_word
        if work.inputs % channels == 0:
            return Layout(tuple(Term(axis) for axis in work.input_axes), i8)
        leading = [Term(axis) for axis in work.input_axes[:-1]]
        outer, inner = block_terms(work.input_axes[-1], work.groups, work.inputs, channels)
        return Layout((*leading, *outer, inner), i8)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        word = [Term(inputs, ((name, self.channels_per_word),)) for name in ("by", "in")]
        return Layout((*outer, *map(Term, taps), word[0], inner, word[1]), i8)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        channels = self.channels_per_word
        word = emit.splat(emit.load(pointer, IntegerType(8 * channels), 1), self.lanes)
        bytes = emit.bitcast(word, vector(channels * self.lanes, i8))
        if not self._offset:
            return bytes
        if self._offset == 128:
            return emit.binary("xor", bytes, emit.constant(-128, bytes.type))
        return emit.binary("add", bytes, emit.constant(self._offset, bytes.type))

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.weight_bytes, i8), 1)

    def _ordered(self, x: T, w: T) -> list[T]:
        """What has no sign, then what has one."""
        return [w, x] if self._kind == "s8u8" else [x, w]


class PairedDot(Dot):
    """Products of bytes, summed by pairs in i16 for as long as these hold them."""

    def __init__(self, verbs: Verbs, lanes: int, kind: str):
        super().__init__(verbs, lanes, kind)
        self.takes_weights = kind != "s8u8"  # what `vpmaddubsw` takes from memory has a sign

    def steps(self, activation: Attribute, weight: Attribute) -> float:
        first, second = self._ranges(activation, weight)
        # Of either sign: sums are negative, and corrections are not.
        largest = max(abs(a * b) for a in first for b in second)
        return 32767 // max(1, 2 * largest)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        folding = {"multiply": 1, "integer": 1}
        return Instructions(folding, self._loading, {"load": 1}, folds=(folding,))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        steps = int(self.steps(activation, weight))
        return (Narrow(steps, (vector(2 * self.lanes, i16),), self._widen),)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        products = self.verbs.multiply_add_bytes(emit, *self._ordered(x, w))
        return emit.binary("sub", total, products)

    def _widen(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        return (emit.binary("sub", wide[0], self.verbs.sum_words(emit, narrow[0])),)


class HalvesDot(PairedDot):
    """Products of bytes, summed by pairs in i16 from the first to the last."""

    channels_per_word, word_bytes = 2, 2
    family = "dot2"

    @property
    def weight_bytes(self) -> int:
        return 2 * self.lanes

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        return super().accepts(work, accumulator) and self.in_halves(work)

    def in_halves(self, work: Contraction) -> bool:
        words = work.depth // work.inputs * -(-work.inputs // 2)
        return words <= self.steps(work.activation, work.weight)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        # Below AVX2 another shuffle brings a word of 16 bits to all lanes.
        shuffle = {} if "broadcast" in self.verbs.broadcast else {"look_up": 1}
        folding = {"multiply": 1, "integer": 1}
        loading = total((1, self._loading), (1, shuffle))
        return Instructions(folding, loading, {"load": 1}, folds=({"integer": 1},))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(2**62, (vector(self.lanes, i16),), self._widen),)

    def _widen(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        return (emit.binary("sub", wide[0], emit.widen(narrow[0], i32, signed=True)),)


class VnniDot(Dot):
    """Products of bytes by `vpdpbusd`, which sums four of them in a lane."""

    family = "vnni"

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        weights = total((1, {"load": 1}), (1, self.verbs.split_bytes))
        held = 2 if self.pins else 3
        return Instructions(self.verbs.dots, self._loading, weights, "multiply", held=held)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        return self.verbs.add_dots(emit, total, *self._ordered(x, w))


class FourDot(VnniDot):
    """Products of bytes of any signs, where an instruction takes them as they are."""

    family = "dot4"

    def __init__(self, verbs: Verbs, lanes: int, kind: str):
        super().__init__(verbs, lanes, kind)
        self.products, self._offset, self.pins = "multiply", 0, lanes == 1
        self.instead = ()

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        elements = work.activation, work.weight
        if accumulator != i32 or not all(isinstance(e, CodeType) or e == i8 for e in elements):
            return False
        ends = {"u": (0, 255), "s": (-128, 127)}
        kinds = self._kind[0], self._kind[2]
        return all(
            ends[kind][0] <= low and high <= ends[kind][1]
            for kind, (low, high) in zip(kinds, map(value_range, elements))
        )

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        signs = "".join(sorted((self._kind[0], self._kind[2]), reverse=True))
        return self.verbs.add_dots(emit, total, *self._ordered(x, w), signs=signs)
