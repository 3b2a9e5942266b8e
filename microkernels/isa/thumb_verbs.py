"""The verbs of the Cortex-M4 and M7: general registers of 32 bits, with the DSP instructions of ARM."""

from __future__ import annotations

from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.target import Target


class ThumbVerbs(Verbs):
    """The verbs of one lane of 32 bits: two words of i16, or four bytes."""

    popcount_bytes = {"scalar": 7}
    fold_bytes = {"scalar": 1}
    broadcast = {"load": 1}
    dots = {"multiply": 2}
    split_bytes = {"scalar": 2}
    addresses = "after"
    reach = 4096

    def __init__(self, target: Target):
        found = {"dot_pairs", "dot_us", "dot_ss", "dot_uu"}
        if target.has("vfp4d16sp"):
            found.add("fma")
        self.can = frozenset(found)

    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        return emit.call("llvm.arm.smuad", _words(emit, x, y), i32)

    def add_products(self, emit: Emitter, total: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
        return emit.call("llvm.arm.smlad", [*_words(emit, x, y), total], i32)

    def add_dots(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, signs: str = "us"
    ) -> SSAValue:
        for turn in (0, 8):
            words = [_every_second(emit, one, sign, turn) for one, sign in zip((x, w), signs)]
            total = emit.call("llvm.arm.smlad", [*words, total], i32)
        return total

    def add_differences(
        self, emit: Emitter, total: SSAValue, bytes: SSAValue, less: SSAValue
    ) -> SSAValue:
        if total is emit.constant(0, i32):
            return emit.call("llvm.arm.usad8", [bytes, less], i32)
        return emit.call("llvm.arm.usada8", [bytes, less, total], i32)


def _words(emit: Emitter, *pairs: SSAValue) -> list[SSAValue]:
    return [emit.bitcast(pair, i32) for pair in pairs]


def _every_second(emit: Emitter, bytes: SSAValue, sign: str, turn: int) -> SSAValue:
    """Two of four bytes as words; LLVM turns in the same instruction, and does so once for all products."""
    word = emit.bitcast(bytes, i32)
    if turn:
        word = emit.call("llvm.fshr.i32", [word, word, emit.constant(turn, i32)], i32)
    return emit.call(f"llvm.arm.{sign}xtb16", [word], i32)
