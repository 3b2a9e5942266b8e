"""Depthwise kernels: each output channel reads one input channel, so channels are lanes on both sides.

Activations `[.., channels by V, channels in V]` (as they lie where V divides their number), a vector a pixel
and tap; weights `[outputs by B, taps, 1, outputs in B]`.

* `depthwise_i32xV`, `depthwise_f32xV`: operands of i16, or f32. Integers are widened by the load and
  multiplied by `pmaddwd` with zeros above: four instructions for V products with the widening of
  activations. Registers, 4 x 2: 8 accumulators, 2 weights, 1 vector of activations, 1 product = 12 of 16.
* `depthwise_u8xV`, `depthwise_s8xV`: activations of bytes as other layers leave them, widened by the load,
  weights of i16, products and sums in lanes of i16 for as long as these hold them: three instructions for
  twice as many products. A lane takes `32767 // max |x w|` steps: 273 of uint<4> x int<4>, 2 of uint<7> x
  int<8>, 1 of uint<8> x int<8>. Registers, 7 x 1: 7 accumulators, 3 vectors of weights of a row, and 6
  of activations, which neighbouring pixels share, and products = 16 of 16 (10 x 1: 1.1 of the time).
"""

from __future__ import annotations

from xdsl.dialects.builtin import Float32Type, f32, i8, i16, i32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.common import value_range
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Instructions
from microkernels.interface import Microkernel, Narrow, Values, block_terms
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import vector


class Depthwise(Microkernel):
    """Products of neighbouring channels in lanes of i32 or f32."""

    lanewise = True

    def __init__(self, verbs: Verbs, lanes: int, element: Attribute):
        self.name, self.verbs, self.lanes = f"depthwise_{element}x{lanes}", verbs, lanes
        self.accumulator, self._fused = element, "fma" in verbs.can
        self.stored = f32 if element == f32 else i16
        self.word_bytes = 4 if element == f32 else 2

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        if accumulator != self.accumulator or (work.inputs, work.outputs) != (1, 1):
            return False
        floats = isinstance(work.activation, Float32Type)
        ends = () if floats else (*value_range(work.activation), *value_range(work.weight))
        return work.groups > 1 and all(-(2**15) <= end < 2**15 for end in ends)

    def channels(self, work: Contraction) -> tuple[int, int]:
        return 1, work.groups

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        if self.stored == f32:
            product = {"float": 1 if self._fused else 2}
            return Instructions(product, {"load": 1}, {"load": 1}, "float")
        loading = {"load": 1, "widening": 1}
        return Instructions({"multiply": 1, "integer": 1}, loading, loading)

    def input_layout(self, work: Contraction) -> Layout:
        *leading, channels = work.input_axes
        if work.groups % self.lanes == 0:
            return Layout(tuple(map(Term, work.input_axes)), self.stored)
        outer, inner = block_terms(channels, 1, work.groups, self.lanes)
        return Layout((*map(Term, leading), *outer, inner), self.stored)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        *taps, inputs, outputs = work.weight_axes
        outer, inner = block_terms(outputs, 1, work.groups, self.lanes * vectors)
        return Layout((*outer, *map(Term, taps), Term(inputs), inner), self.stored)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return self._load(emit, pointer)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return self._load(emit, pointer)

    def _load(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        loaded = emit.load(pointer, vector(self.lanes, self.stored), self.word_bytes)
        return loaded if self.stored == f32 else emit.widen(loaded, i32, signed=False)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        if self.stored == f32:
            if self._fused:
                return emit.intrinsic("fma", x, w, total)
            return emit.binary("fadd", total, emit.binary("fmul", x, w))
        pairs = vector(2 * self.lanes, i16)
        return self.verbs.add_products(emit, total, emit.bitcast(x, pairs), emit.bitcast(w, pairs))


class DepthwiseBytes(Depthwise):
    """Products of neighbouring channels, from bytes, summed in lanes of i16 and then of i32."""

    def __init__(self, verbs: Verbs, lanes: int, signed: bool):
        super().__init__(verbs, lanes, i32)
        self.name, self._signed = f"depthwise_{'s' if signed else 'u'}8x{lanes}", signed
        self.stored, self.word_bytes = i8, 1

    @property
    def weight_bytes(self) -> int:
        return 2 * self.lanes

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        activation = work.activation
        if not super().accepts(work, accumulator) or isinstance(activation, Float32Type):
            return False
        low, high = value_range(activation)
        fits = -128 <= low < 0 and high <= 127 if self._signed else low >= 0 and high <= 255
        bytes = isinstance(activation, CodeType) or activation == i8
        return bytes and fits and _steps(activation, work.weight) >= 1

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        loading, fold = {"load": 1, "widening": 1}, {"widening": 2, "integer": 2}
        product = {"multiply": 1, "integer": 1}
        return Instructions(product, loading, {"load": 1}, folds=(fold,), held=8)

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        return (Narrow(_steps(activation, weight), (vector(self.lanes, i16),), self._widen),)

    def in_halves(self, work: Contraction) -> bool:
        return self.lanes >= 8 and work.depth <= _steps(work.activation, work.weight)

    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        return Layout(super().weight_layout(work, vectors).terms, i16)

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.widen(emit.load(pointer, vector(self.lanes, i8), 1), i16, signed=self._signed)

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(self.lanes, i16), 2)

    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        return emit.binary("add", total, emit.binary("mul", x, w))

    def _widen(self, emit: Emitter, wide: Values, narrow: Values, negative: bool) -> Values:
        return (emit.binary("add", wide[0], emit.widen(narrow[0], i32, signed=True)),)


def _steps(activation: Attribute, weight: Attribute) -> int:
    """Products that an i16 holds."""
    first, second = (max(map(abs, value_range(e))) for e in (activation, weight))
    return (2**15 - 1) // max(1, first * second)
