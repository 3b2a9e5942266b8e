"""The verbs of ARMv7, by intrinsics of NEON."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, i8, i16, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import mangled, vector
from microkernels.target import Target


class ArmVerbs(Verbs):
    """The verbs of NEON with 16 registers, halves of which some instructions take alone."""

    popcount_bytes = {"popcount": 1}
    fold_bytes = {"multiply": 2}

    def __init__(self, target: Target):
        found = {
            "simd",
            "vectors",
            "popcount_bytes",
            "look_up_16",
            "add_pairs",
            "broadcast_lanes",
            "insert_bits",
            "join_masks",
            "widen",
        }
        if target.has("vfp4"):
            found.add("fma")
        self.can = frozenset(found)

    def sum_bytes(self, emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
        sums = emit.call(_named("vpaddlu.v8i16.v16i8"), [values], vector(8, i16))
        return sums if factor == 1 else emit.binary("mul", sums, emit.constant(factor, sums.type))

    def add_bytes(self, emit: Emitter, total: SSAValue, values: SSAValue) -> SSAValue:
        # LLVM does not form it of an addition and `vpaddl`, as it does on AArch64.
        return emit.call(_named("vpadalu.v8i16.v16i8"), [total, values], total.type)

    def sum_words(self, emit: Emitter, values: SSAValue) -> SSAValue:
        return emit.call(_named("vpaddls.v4i32.v8i16"), [values], vector(4, i32))

    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        sums = [self._half_sums(emit, x, y, first) for first in (0, 4)]
        return emit.shuffle(sums[0], range(4), sums[1])

    def _half_sums(self, emit: Emitter, x: SSAValue, y: SSAValue, first: int) -> SSAValue:
        """Products of four words from one on, neighbours added."""
        half = [emit.shuffle(value, range(first, first + 4)) for value in (x, y)]
        products = emit.call(_named("vmulls.v4i32"), half, vector(4, i32))
        pairs = [emit.shuffle(products, lanes) for lanes in ((0, 1), (2, 3))]
        return emit.call(_named("vpadd.v2i32"), pairs, vector(2, i32))

    def broadcast_lanes(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        every = emit.load(pointer, vector(words, i16), 2)
        return [emit.shuffle(every, [word] * 8) for word in range(words)]

    def load_two(self, emit: Emitter, pointer: SSAValue, lanes: int) -> list[SSAValue]:
        types = [vector(lanes, i8)] * 2
        return emit.call_for(_named(f"vld1x2.v{lanes}i8.p0"), [pointer], types)

    def load_fours(
        self, emit: Emitter, pointer: SSAValue, lanes: int, together: int = 1
    ) -> list[SSAValue]:
        dealt, aligned = vector(lanes // together, IntegerType(8 * together)), emit.constant(1, i32)
        found = emit.call_for(_named(f"vld4.{mangled(dealt)}.p0"), [pointer, aligned], [dealt] * 4)
        return [emit.bitcast(one, vector(lanes, i8)) for one in found]

    def insert_above(self, emit: Emitter, low: SSAValue, high: SSAValue, shift: int) -> SSAValue:
        return _insert(emit, low, high, shift)

    def insert_below(self, emit: Emitter, high: SSAValue, low: SSAValue, shift: int) -> SSAValue:
        return _insert(emit, high, low, -shift)

    def look_up(self, emit: Emitter, table: SSAValue, places: SSAValue, entries: int) -> SSAValue:
        low, high = (emit.shuffle(table, range(first, first + 8)) for first in (0, 8))
        halves = [emit.shuffle(places, range(first, first + 8)) for first in (0, 8)]
        found = [emit.call(_named("vtbl2"), [low, high, half], half.type) for half in halves]
        return emit.shuffle(found[0], range(16), found[1])


def _insert(emit: Emitter, kept: SSAValue, moved: SSAValue, shift: int) -> SSAValue:
    """`vsli`, or with a negative shift `vsri`."""
    args = [kept, moved, emit.constant(shift, kept.type)]
    return emit.call(f"{_named('vshiftins')}.{mangled(kept.type)}", args, kept.type)


def _named(intrinsic: str) -> str:
    return f"llvm.arm.neon.{intrinsic}"
