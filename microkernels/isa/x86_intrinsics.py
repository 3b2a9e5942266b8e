"""Instructions of x86 that no generic op of LLVM stands for, one function each."""

from __future__ import annotations

from xdsl.dialects.builtin import i16, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.llvm_ops import bits_of, element_type, lanes_of, vector

_NAMES = {
    "pmaddubsw": {
        128: "ssse3.pmadd.ub.sw.128",
        256: "avx2.pmadd.ub.sw",
        512: "avx512.pmaddubs.w.512",
    },
    "pmaddwd": {128: "sse2.pmadd.wd", 256: "avx2.pmadd.wd", 512: "avx512.pmaddw.d.512"},
    "vpdpbusd": {bits: f"avx512.vpdpbusd.{bits}" for bits in (128, 256, 512)},
    "vpternlogd": {256: "avx512.pternlog.d.256", 512: "avx512.pternlog.d.512"},
    "pshufb": {128: "ssse3.pshuf.b.128", 256: "avx2.pshuf.b", 512: "avx512.pshuf.b.512"},
    "vpermb": {512: "avx512.permvar.qi.512"},
}
"""The intrinsic of an instruction, behind `llvm.x86.`, by bits of a vector."""


def multiply_add_bytes(emit: Emitter, unsigned: SSAValue, signed: SSAValue) -> SSAValue:
    """Products of bytes, neighbours added in i16, which saturates."""
    type = vector(lanes_of(signed.type) // 2, i16)
    return emit.call(_name("pmaddubsw", signed), [unsigned, signed], type)


def multiply_add_words(emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
    """Products of i16, neighbours added in i32, which wraps for four times -2^15 alone."""
    return emit.call(_name("pmaddwd", x), [x, y], vector(lanes_of(x.type) // 2, i32))


def add_dots(emit: Emitter, total: SSAValue, unsigned: SSAValue, signed: SSAValue) -> SSAValue:
    """Lanes of i32 with four products of bytes added to each."""
    return emit.call(_name("vpdpbusd", total), [total, unsigned, signed], total.type)


def ternary(emit: Emitter, a: SSAValue, b: SSAValue, c: SSAValue, function: int) -> SSAValue:
    """Any function of three bits, in every bit; bit `4 a + 2 b + c` of `function` is its value."""
    return emit.call(_name("vpternlogd", a), [a, b, c, emit.constant(function, i32)], a.type)


def look_up(emit: Emitter, table: SSAValue, places: SSAValue, instruction: str) -> SSAValue:
    """Bytes of a table at the places in a second vector of bytes, by `pshufb` or `vpermb`."""
    return emit.call(_name(instruction, table), [table, places], table.type)


def sum_bytes(emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
    """`factor` times unsigned bytes, neighbours added in i16."""
    return multiply_add_bytes(emit, values, emit.constant(factor, values.type))


def sum_words(emit: Emitter, values: SSAValue) -> SSAValue:
    """Words of i16, neighbours added in i32."""
    return multiply_add_words(emit, values, emit.constant(1, values.type))


def _name(instruction: str, value: SSAValue) -> str:
    bits = lanes_of(value.type) * bits_of(element_type(value.type))
    return f"llvm.x86.{_NAMES[instruction][bits]}"
