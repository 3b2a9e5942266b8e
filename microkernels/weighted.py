"""Popcounts of bytes that `vpdpbusd` multiplies by the weight of their pair of planes.

`and vpopcntb vpdpbusd`, three instructions a vector as with `popcount_32xV`, but the last adds four counts
of bytes times `c_i d_j`, so that all pairs of planes share one sum: no doubling between classes of pairs, no
subtraction for negative planes. The weight is a signed byte: 2^(i+j) up to 64, or down to -128.

Two of its three instructions run at most twice a cycle on Zen 5, where four others do, and 2 to 4 % slower
than `popcount_32xV` in layers of two bits by one and two: it is there for a schedule to name.

Registers of R pixels x NV vectors: R NV accumulators, NV weights, 1 broadcast, 1 product, 1 of the weight of
the pair; 8 x 2: 16 + 2 + 1 + 1 + 1 = 21 of 32. Layouts as for `popcount_32xV`.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import i8
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.algebra import PairAlgebra
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Instructions
from microkernels.interface import Values, Word
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import vector
from microkernels.popcount import Popcount


class WeightedPopcount(Popcount):
    """Popcounts of bytes, times the weights of their planes, in lanes of 32 bits."""

    weighs = True

    def __init__(self, verbs: Verbs, lanes: int):
        super().__init__(verbs, lanes)
        self.name = f"popcount_weighted_32x{lanes}"

    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        first, second = work.activation, work.weight
        if not isinstance(first, CodeType) or not isinstance(second, CodeType):
            return False
        weights = [weight for *_, weight in PairAlgebra(first, second).pairs]
        fit = min(weights) >= -128 and max(weights) <= 127
        return fit and super().accepts(work, accumulator)

    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        product = {"integer": 1, "popcount": 1, "multiply": 1}
        return Instructions(product, {"broadcast": 1}, {"load": 1}, "multiply")

    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.bitcast(super().load_input(emit, pointer), vector(4 * self.lanes, i8))

    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        return emit.load(pointer, vector(4 * self.lanes, i8), self.word_bytes)

    def accumulate(
        self, emit: Emitter, total: Values, words: Sequence[Word], *, xor: bool, weight: int
    ) -> Values:
        (sum,) = total
        signs = "us" if "dot_us" in self.verbs.can else "ss"  # counts are at most 8
        for x, w in words:
            counts = emit.intrinsic("ctpop", emit.binary("xor" if xor else "and", x, w))
            weights = emit.constant(weight, counts.type)
            sum = self.verbs.add_dots(emit, sum, counts, weights, signs=signs)
        return (sum,)
