"""The verbs of AArch64, by intrinsics of NEON."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, i8, i16, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import mangled, vector
from microkernels.target import Target

_DOTS = {"us": "usdot", "ss": "sdot", "uu": "udot"}


class AArch64Verbs(Verbs):
    """The verbs of NEON; an addition to a sum of neighbours becomes one instruction with it."""

    popcount_bytes = {"popcount": 1}
    fold_bytes = {"multiply": 2}
    multiply_pairs = {"multiply": 3}

    def __init__(self, target: Target):
        found = {
            "simd",
            "vectors",
            "words_64",
            "popcount_bytes",
            "look_up_16",
            "look_up_64",
            "add_pairs",
            "broadcast_words",
            "insert_bits",
            "join_masks",
            "multiply_by_lane",
            "widen",
            "round_to_integers",
            "fma",
        }
        if target.has("dotprod"):
            found |= {"dot_ss", "dot_uu"}
        if target.has("i8mm"):
            found.add("dot_us")
        self.can = frozenset(found)

    def sum_bytes(self, emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
        sums = emit.call(_named("uaddlp.v8i16.v16i8"), [values], vector(8, i16))
        return sums if factor == 1 else emit.binary("mul", sums, emit.constant(factor, sums.type))

    def sum_words(self, emit: Emitter, values: SSAValue) -> SSAValue:
        return emit.call(_named("saddlp.v4i32.v8i16"), [values], vector(4, i32))

    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        return emit.call(_named("addp.v4i32"), self._products(emit, x, y), vector(4, i32))

    def multiply_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        low, high = self._products(emit, x, y)
        return emit.shuffle(low, range(8), high)

    def _products(self, emit: Emitter, x: SSAValue, y: SSAValue) -> list[SSAValue]:
        """Of the lower and the upper halves of two vectors of i16."""
        halves = [
            [emit.shuffle(value, range(first, first + 4)) for value in (x, y)] for first in (0, 4)
        ]
        return [emit.call(_named("smull.v4i32"), half, vector(4, i32)) for half in halves]

    def broadcast_words(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        types = [vector(8, i16)] * words
        return emit.call_for(_named(f"ld{words}r.v8i16.p0"), [pointer], types)

    def load_fours(
        self, emit: Emitter, pointer: SSAValue, lanes: int, together: int = 1
    ) -> list[SSAValue]:
        dealt = vector(lanes // together, IntegerType(8 * together))
        found = emit.call_for(_named(f"ld4.{mangled(dealt)}.p0"), [pointer], [dealt] * 4)
        return [emit.bitcast(one, vector(lanes, i8)) for one in found]

    def insert_above(self, emit: Emitter, low: SSAValue, high: SSAValue, shift: int) -> SSAValue:
        return self._insert("vsli", emit, low, high, shift)

    def insert_below(self, emit: Emitter, high: SSAValue, low: SSAValue, shift: int) -> SSAValue:
        return self._insert("vsri", emit, high, low, shift)

    def _insert(
        self, name: str, emit: Emitter, kept: SSAValue, moved: SSAValue, shift: int
    ) -> SSAValue:
        args = [kept, moved, emit.constant(shift, i32)]
        return emit.call(f"{_named(name)}.{mangled(kept.type)}", args, kept.type)

    def load_table(self, emit: Emitter, pointer: SSAValue, lanes: int) -> SSAValue:
        parts = emit.call_for(_named(f"ld1x4.v{lanes}i8.p0"), [pointer], [vector(lanes, i8)] * 4)
        low, high = (emit.shuffle(a, range(2 * lanes), b) for a, b in (parts[:2], parts[2:]))
        return emit.shuffle(low, range(4 * lanes), high)

    def look_up(self, emit: Emitter, table: SSAValue, places: SSAValue, entries: int) -> SSAValue:
        parts = [emit.shuffle(table, range(n, n + 16)) for n in range(0, entries, 16)]
        return emit.call(_named(f"tbl{len(parts)}.v16i8"), [*parts, places], places.type)

    def add_dots(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, signs: str = "us"
    ) -> SSAValue:
        name = _named(f"{_DOTS[signs]}.v4i32.v16i8")
        return emit.call(name, [total, x, w], total.type)


def _named(intrinsic: str) -> str:
    return f"llvm.aarch64.neon.{intrinsic}"
