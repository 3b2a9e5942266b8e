"""Multiply-add kernels: the honest baselines, and the faster way from several planes on.

* `multiply_16xV`: products of i16 pairs summed in i32 (`pmaddwd`), exact for every code (|x w| <= 255^2,
  two of them below 2^31) and for i8. Activations as they lie (`[.., channels by 2, channels in 2]` where
  their number is odd), i16, a pair broadcast to all lanes; weights `[outputs by B, taps, inputs by 2,
  outputs in B, inputs in 2]`, i16. Two instructions for 2 V products. Registers, 5 x 2: 10 accumulators
  + 2 weights + 1 broadcast + 1 product = 14 of 16. On x86 they are subtracted, and the sum at the end once
  more: of more than two unrolled words LLVM would add the products to each other first, and spill (C9 at
  2 x 1 bits, SSE2, 2 x 4 by 4 words: 0.945 of the time, Zen 3, 2026-11).
* `multiply_16w8xV`: the same with weights of one byte that `vpmovsxbw` widens, for few pixels: there a layer
  takes as long as its weights take to arrive.
* `multiply_i32xV`: products of i16 by one lane of a vector, added to i32 in one instruction, `smlal` or
  `smlal2`. A load brings 8 activations of a pixel, none is broadcast. Registers, 5 x 2: 20 accumulators, 5
  words, 2 weights = 27 of 32, and 13 loads for 160 instructions on products.
* `multiply_f32xV`: `vfmadd` where the target has it. Activations as they lie, one element broadcast.
  Registers, 6 x 2: 12 accumulators + 2 weights + 1 broadcast = 15 of 16, 8 loads for 12 sums (two FMA and
  two loads a cycle); 14 x 2: 28 + 2 + 1 = 31 of 32. Fewer than 8 sums wait for their own latency.
* `multiply_16to64xV`: the pairs of i16 where the sum can wrap i32. An i32 takes them for as many steps as the
  ranges allow (i16 x i8: 255 of 2^23; i16 x i16: 1), then it is added to an i64: 8 instructions for 2 V
  products of i16 by i16, 5.0 ms for C6. Registers, 4 x 1: 8 of accumulators, weights, broadcast, pairs, 3
  temporaries = 14 of 16.
* `multiply_i64xV`: any integers, summed in i64, one product a lane: 8.9 ms for C6 in i16. Portable.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import Float32Type, IntegerType, f32, i8, i16, i32, i64
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Counts, Instructions, total
from microkernels.interface import Microkernel, Narrow, Values, block_terms
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import vector


class MultiplyPairs(Microkernel):
    """Products of pairs of i16 in lanes of i32."""

    accumulator = i32
    channels_per_word = 2

    def __init__(self, verbs: Verbs, lanes: int):
        self.name, self.verbs, self.lanes = f"multiply_16x{lanes}", verbs, lanes
        self.pins = lanes == 1
        self._subtracts = verbs.reorders and "dot_pairs" not in verbs.can

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        if accumulator != i32 or isinstance(work.activation, Float32Type):
            return False
        bounds = [max(map(abs, value_range(e))) for e in (work.activation, work.weight)]
        return min(2, work.inputs) * bounds[0] * bounds[1] < 2**31

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        if self.pins:  # `smlad` adds to the sum that barriers keep in its register
            products = self.verbs.multiply_pairs
            return Instructions(products, self.verbs.broadcast, {"load": 1}, "multiply", held=1)
        # LLVM sums the products of two words first, by `vpdpwssd` where there is one.
        adding = {"integer": 0.5 if "dot_pairs" in self.verbs.can else 1.0}
        product = total((1, self.verbs.multiply_pairs), (1, adding))
        folds = ({"integer": 1},) if self._subtracts else ()
        return Instructions(product, self.verbs.broadcast, {"load": 1}, folds=folds)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        if not self._subtracts:
            return ()

        def fold(emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
            return (emit.binary("add" if negative else "sub", wide[0], narrow[0]),)

        return (Narrow(2**62, (vector(self.lanes, i32),), fold),)

    def input_layout(self, work: Contraction) -> Layout:
        if work.inputs % 2 == 0:
            return Layout(tuple(Term(axis) for axis in work.input_axes), i16)
        leading = [Term(axis) for axis in work.input_axes[:-1]]
        outer, inner = block_terms(work.input_axes[-1], work.groups, work.inputs, 2)
        return Layout((*leading, *outer, inner), i16)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        pairs = Term(inputs, (("by", 2),)), Term(inputs, (("in", 2),))
        return Layout((*outer, *map(Term, taps), pairs[0], inner, pairs[1]), i16)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        pair = emit.splat(emit.load(pointer, i32, 2), self.lanes)
        return emit.bitcast(pair, vector(2 * self.lanes, i16))

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(2 * self.lanes, i16), 2)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        if self._subtracts:
            return emit.binary("sub", total, self.verbs.multiply_add_words(emit, x, w))
        return self.verbs.add_products(emit, total, x, w)


class MultiplyBytePairs(MultiplyPairs):
    """Products of pairs of i16, weights stored as i8."""

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"multiply_16w8x{lanes}"

    @property
    def weight_bytes(self) -> int:
        return 2 * self.lanes

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        fits = super().accepts(work, accumulator)
        return fits and value_range(work.weight)[0] >= -128 and value_range(work.weight)[1] <= 127

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        widening: Counts = {"look_up": 1, "shift": 1}
        if "widen" in self.verbs.can:
            widening = {"widening": 1}
        return replace(
            super().instructions(work, row), weights=total((1, {"load": 1}), (1, widening))
        )

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        return Layout(super().weight_layout(work, vectors).terms, i8)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.widen(emit.load(pointer, vector(2 * self.lanes, i8), 1), i16, signed=True)


class MultiplyWidePairs(MultiplyPairs):
    """Products of pairs of i16 in i32, which go to i64 before they wrap."""

    accumulator = i64

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name, self._subtracts = f"multiply_16to64x{lanes}", False

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        elements = work.activation, work.weight
        plain = not any(isinstance(element, Float32Type) for element in elements)
        return plain and accumulator == i64

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        wraps = _largest_pair(work.activation, work.weight) >= 2**31
        widening = {"integer": 5 if wraps else 3, "look_up": 2}
        sorting = {"look_up": 4, "integer": 2}
        product = {"multiply": 1, "integer": 1}
        return replace(super().instructions(work, row), product=product, folds=(widening, sorting))

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        wraps = _largest_pair(activation, weight) >= 2**31

        def widen(emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
            (pairs,) = narrow
            high = emit.binary("ashr", pairs, emit.constant(31, pairs.type))
            if wraps:
                # Four times -2^15 is +2^31, which is the only way to the bits of -2^31.
                least = emit.compare("eq", pairs, emit.constant(-(2**31), pairs.type))
                high = emit.binary("sub", high, emit.widen(least, i32, signed=True))
            both = emit.shuffle(pairs, self._interleaved, high)
            return (emit.binary("add", wide[0], emit.bitcast(both, wide[0].type)),)

        def sort(emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
            order = self._interleaved[::2]
            in_order = emit.shuffle(narrow[0], [order.index(lane) for lane in range(self.lanes)])
            return (emit.binary("add", wide[0], in_order),)

        steps = _steps_in_i32(activation, weight)
        return (
            Narrow(steps, (vector(self.lanes, i32),), widen),
            Narrow(2**62, (vector(self.lanes, i64),), sort),
        )

    @property
    def _interleaved(self) -> list[int]:
        """Lanes of pairs and of their upper halves in turn, as `vpunpck` leaves them."""
        quarters = range(0, self.lanes, 4)
        halves = [[q + at for q in quarters for at in (first, first + 1)] for first in (0, 2)]
        return [lane + half for lane in halves[0] + halves[1] for half in (0, self.lanes)]


def _largest_pair(activation: Attribute, weight: Attribute) -> int:
    """The largest absolute value of two products."""
    first, second = (max(map(abs, value_range(e))) for e in (activation, weight))
    return 2 * first * second


def _steps_in_i32(activation: Attribute, weight: Attribute) -> int:
    """Words of two products that an i32 holds; one may be +2^31, which `MultiplyWidePairs` knows."""
    return max(1, (2**31 - 1) // _largest_pair(activation, weight))


class MultiplyElements(Microkernel):
    """One product a lane: f32, or integers in i64."""

    def __init__(self, verbs: Verbs, lanes: int, element: Attribute):
        self.name, self.verbs, self.lanes = f"multiply_{element}x{lanes}", verbs, lanes
        self.accumulator = element
        self._fused = element == f32 and "fma" in verbs.can

    @property
    def word_type(self) -> IntegerType | Float32Type:
        """Type of a stored element: f32, or i16, which holds every integer operand."""
        return f32 if self.accumulator == f32 else i16

    @property
    def word_bytes(self) -> int:  # pyright: ignore
        return 4 if self.accumulator == f32 else 2

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        return accumulator == self.accumulator

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        if self.accumulator == f32:
            product = {"float": 1 if self._fused else 2}
            return Instructions(product, self.verbs.broadcast, {"load": 1}, "float")
        # i64 by i64: three products of halves, shifted and added, where there is no `vpmullq`.
        product = {"multiply": 3, "integer": 5}
        widened = {"broadcast": 1, "scalar": 1}
        return Instructions(product, widened, {"load": 1, "widening": 1})

    def input_layout(self, work: Contraction) -> Layout:
        return Layout(tuple(Term(axis) for axis in work.input_axes), self.word_type)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, work.groups, work.outputs, self.lanes * vectors)
        return Layout((*outer, *map(Term, taps), Term(inputs), inner), self.word_type)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        one = emit.load(pointer, self.word_type, self.word_bytes)
        return emit.splat(self._wide(emit, one), self.lanes)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        words = emit.load(pointer, vector(self.lanes, self.word_type), self.word_bytes)
        return self._wide(emit, words)

    def _wide(self, emit: Emitter, value: SSAValue) -> SSAValue:
        return value if self.accumulator == f32 else emit.widen(value, i64, signed=True)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        if self._fused:
            return emit.intrinsic("fma", x, w, total)
        add, multiply = ("fadd", "fmul") if self.accumulator == f32 else ("add", "mul")
        return emit.binary(add, total, emit.binary(multiply, x, w))


class MultiplyByLane(MultiplyElements):
    """One product a lane: any integers in i32, by lanes of vectors of i16."""

    together = 8

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes, i32)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        row = row or self.together
        loads = row // self.together + row % self.together
        return Instructions({"multiply": 2}, {"load": loads / row}, {"load": 1}, "multiply")

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.splat(emit.load(pointer, i16, self.word_bytes), self.lanes)

    def load_inputs(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        loaded = emit.load(pointer, vector(self.together, i16), self.word_bytes)
        return [emit.shuffle(loaded, [lane] * self.lanes) for lane in range(words)]

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes, i16), self.word_bytes)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        return emit.binary("add", total, self.verbs.multiply_words(emit, w, x))
