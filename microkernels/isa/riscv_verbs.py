"""The verbs of RISC-V's vectors, by operations of LLVM on vectors of a fixed length."""

from __future__ import annotations

from xdsl.dialects.builtin import i16, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import lanes_of, vector
from microkernels.target import Target


class RiscvVerbs(Verbs):
    """The verbs of vectors without sums of neighbours: these are the halves of wider lanes."""

    popcount_bytes = {"integer": 9}
    fold_bytes = {"integer": 7}

    def __init__(self, target: Target):
        found = {"simd", "vectors", "words_64", "widen", "round_to_integers", "fma"}
        if target.has("zvbb"):
            found |= {"popcount_words", "popcount_bytes"}
        if target.has("zbb"):
            found.add("scalar_popcount")
        self.can = frozenset(found)

    def sum_bytes(self, emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
        words = emit.bitcast(values, vector(lanes_of(values.type) // 2, i16))
        low = emit.binary("and", words, emit.constant(255, words.type))
        sums = emit.binary("add", low, emit.binary("lshr", words, emit.constant(8, words.type)))
        return sums if factor == 1 else emit.binary("mul", sums, emit.constant(factor, sums.type))

    def sum_words(self, emit: Emitter, values: SSAValue) -> SSAValue:
        return emit.binary("add", *_halves(emit, values))

    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        pairs = zip(_halves(emit, x), _halves(emit, y))
        return emit.binary("add", *(emit.binary("mul", *pair) for pair in pairs))


def _halves(emit: Emitter, words: SSAValue) -> list[SSAValue]:
    """The lower and the upper words of i16 of lanes of i32."""
    both = emit.bitcast(words, vector(lanes_of(words.type) // 2, i32))
    half = emit.constant(16, both.type)
    return [emit.binary("ashr", one, half) for one in (emit.binary("shl", both, half), both)]
