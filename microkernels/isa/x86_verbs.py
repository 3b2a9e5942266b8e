"""The verbs of x86, by its intrinsics."""

from __future__ import annotations

from itertools import zip_longest

from xdsl.dialects.builtin import IntegerType, i8, i16, i32, i64
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.isa.verbs import Verbs
from microkernels.llvm_types import bits_of, element_type, lanes_of, vector
from microkernels.target import Target

_NAMES = {
    "pmaddubsw": {
        128: "ssse3.pmadd.ub.sw.128",
        256: "avx2.pmadd.ub.sw",
        512: "avx512.pmaddubs.w.512",
    },
    "packssdw": {128: "sse2.packssdw.128", 256: "avx2.packssdw"},
    "packsswb": {128: "sse2.packsswb.128", 256: "avx2.packsswb"},
    "packuswb": {128: "sse2.packuswb.128", 256: "avx2.packuswb"},
    "pmaddwd": {128: "sse2.pmadd.wd", 256: "avx2.pmadd.wd", 512: "avx512.pmaddw.d.512"},
    "pmulhrsw": {128: "ssse3.pmul.hr.sw.128", 256: "avx2.pmul.hr.sw", 512: "avx512.pmul.hr.sw.512"},
    "vpdpbusd": {bits: f"avx512.vpdpbusd.{bits}" for bits in (128, 256, 512)},
    "vpternlogd": {256: "avx512.pternlog.d.256", 512: "avx512.pternlog.d.512"},
    "pshufb": {128: "ssse3.pshuf.b.128", 256: "avx2.pshuf.b", 512: "avx512.pshuf.b.512"},
    "vpermb": {512: "avx512.permvar.qi.512"},
}
"""The intrinsic of an instruction, behind `llvm.x86.`, by bits of a vector."""
_LOOK_UPS = {16: "pshufb", 64: "vpermb"}
"""The instruction that looks up in a table of so many entries."""


class X86Verbs(Verbs):
    """The verbs of x86, from SSE2 to AVX-512."""

    popcount_bytes = {"integer": 3, "shift": 1, "look_up": 2}
    fold_bytes = {"multiply": 2, "integer": 1}
    addresses = "after"
    reorders = True

    def __init__(self, target: Target):
        bits = target.simd_bits
        if bits == 128:  # below AVX a word is loaded and shuffled
            self.broadcast = {"load": 1, "look_up": 1}
        wide, has = bits >= 256, target.has
        vnni = has("avx512vnni") or has("avxvnni")
        found = {
            "simd": True,
            "vectors": wide,
            "words_64": True,
            "scalar_popcount": has("popcnt"),
            "popcount_words": wide and has("avx512vpopcntdq") and has("avx512vl"),
            "popcount_bytes": wide and has("avx512bitalg") and has("avx512vl"),
            "look_up_16": has("ssse3"),
            "look_up_64": bits == 512 and has("avx512vbmi") and has("avx512bitalg"),
            "ternary": wide and has("avx512vl"),
            "multiply_add_bytes": has("ssse3"),
            "dot_us": wide
            and ((has("avx512vnni") and has("avx512vl")) or (bits == 256 and has("avxvnni"))),
            "dot_pairs": wide and vnni,
            "widen": has("sse4.1"),
            "join_bytes": bits <= 256,
            "scale_halves": has("ssse3"),
            "round_to_integers": True,
            "fma": has("fma"),
        }
        self.can = frozenset(name for name, there in found.items() if there)

    def sum_bytes(self, emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
        return self.multiply_add_bytes(emit, values, emit.constant(factor, values.type))

    def sum_words(self, emit: Emitter, values: SSAValue) -> SSAValue:
        return self.multiply_add_words(emit, values, emit.constant(1, values.type))

    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        return emit.call(_name("pmaddwd", x), [x, y], vector(lanes_of(x.type) // 2, i32))

    def look_up(self, emit: Emitter, table: SSAValue, places: SSAValue, entries: int) -> SSAValue:
        return emit.call(_name(_LOOK_UPS[entries], table), [table, places], table.type)

    def ternary(
        self, emit: Emitter, a: SSAValue, b: SSAValue, c: SSAValue, function: int
    ) -> SSAValue:
        return emit.call(_name("vpternlogd", a), [a, b, c, emit.constant(function, i32)], a.type)

    def join_bytes(self, emit: Emitter, parts: list[SSAValue], *, signed: bool) -> SSAValue:
        # Packing goes by 128 bits: of those, each half of a part leaves four bytes, or eight.
        words, size, element = parts, 8, i64
        if element_type(parts[0].type) == i32:
            words, size, element = self._packed(emit, "packssdw", parts, i16), 4, i32
        halves = lanes_of(parts[0].type) // size
        places = [16 // size * half + part for part in range(len(parts)) for half in range(halves)]
        (bytes,) = self._packed(emit, "packsswb" if signed else "packuswb", words, i8)
        apart = emit.shuffle(emit.bitcast(bytes, vector(16 // size * halves, element)), places)
        return emit.bitcast(apart, vector(size * len(places), i8))

    def scale_halves(self, emit: Emitter, x: SSAValue, multiplier: SSAValue) -> SSAValue:
        if lanes_of(x.type) < 8 or "scale_halves" not in self.can:
            return super().scale_halves(emit, x, multiplier)
        return emit.call(_name("pmulhrsw", x), [x, multiplier], x.type)

    def _packed(
        self, emit: Emitter, name: str, parts: list[SSAValue], element: IntegerType
    ) -> list[SSAValue]:
        """Vectors packed by twos, the last with itself if it is alone."""
        type = vector(2 * lanes_of(parts[0].type), element)
        pairs = zip_longest(parts[::2], parts[1::2], fillvalue=parts[-1])
        return [emit.call(_name(name, low), [low, high], type) for low, high in pairs]

    def multiply_add_bytes(self, emit: Emitter, unsigned: SSAValue, signed: SSAValue) -> SSAValue:
        type = vector(lanes_of(signed.type) // 2, i16)
        return emit.call(_name("pmaddubsw", signed), [unsigned, signed], type)

    def add_dots(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, signs: str = "us"
    ) -> SSAValue:
        return emit.call(_name("vpdpbusd", total), [total, x, w], total.type)


def _name(instruction: str, value: SSAValue) -> str:
    bits = lanes_of(value.type) * bits_of(element_type(value.type))
    return f"llvm.x86.{_NAMES[instruction][bits]}"
