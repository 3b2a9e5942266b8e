"""Loops of products in inline assembly: what dot products and multiply-adds can do at best.

- `i8`: `vpdpbusd` where the target has it (4 products a lane, u8 by i8); else `vpmaddubsw, vpmaddwd,
  vpaddd`, which sums pairs in i16 first and so bounds even kernels that may saturate;
- `i16`: `vpdpwssd`, else `vpmaddwd, vpaddd`. Below AVX2 also for i8;
- `f32`: `vfmadd231ps`, else `mulps, addps`.

Chains hide the latency of 4 to 5 cycles at two a cycle. The loop's own counting is one instruction in 25
to 49. A probe returns the sum of its lanes modulo 2^32, so that it can be checked. A Zen 3 core of 3.24 GHz
does 99 G products a second of i8, 87 of i16 and 52 of f32 (`autotune.machine` compares them with C).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from lowering.backend.probe import A, B, Probe, broadcast, compiled, function, loop
from microkernels.target import Target

KINDS = ("i8", "i16", "f32")
U8 = A & 0x7F7F7F7F_7F7F7F7F
"""Bytes whose products with those of `B`, in pairs, stay within i16."""
F32 = (1.0, 3.0, -2.0)
"""`x, y, z` of `sum += x y; sum += x z`: a lane gains 1, exact up to 2^24 rounds."""
_BITS = {1.0: 0x3F800000, 3.0: 0x40400000, -2.0: 0xC0000000}
_REGISTERS = {512: "zmm", 256: "ymm", 64: "xmm"}
_PRODUCTS, _FIRST, _SECOND, _ONES = (8, 9, 10, 11), 12, 13, 14


def product_probe(target: Target, kind: str) -> Probe:
    """Compile the probe of a kind of products; raise `BackendError` if it cannot run here."""
    ir, macs = product_ir(target, kind)
    return Probe(compiled(ir, target, ctypes.c_uint64), macs)


def product_ir(target: Target, kind: str) -> tuple[str, int]:
    """Write the probe of a kind of `KINDS` as LLVM IR, and the products of a round of it."""
    bits = target.simd_bits
    register = _REGISTERS[target.vector_bits]
    if kind == "f32":
        if register == "xmm":
            return function(target, _multiply_add()), 16 * 4
        return function(target, _fused(register)), 24 * bits // 32
    narrow = kind == "i8" and register != "xmm"
    vnni = _vnni(target)
    if vnni is not None and register != "xmm":
        name = f"{vnni}vpdpbusd" if narrow else f"{vnni}vpdpwssd"
        body = [f"{name} %{register}13, %{register}12, %{register}{n}" for n in range(12)]
        operands = (U8 if narrow else A, B)
        lines = _integers(register, 12, body * 2, operands)
        return function(target, lines), 24 * bits // (8 if narrow else 16)
    if register == "xmm":
        lines = _integers(register, 8, _legacy_pairs() * 2, (A, B))
    elif narrow:
        lines = _integers(register, 8, _bytes(register) * 2, (U8, B))
    else:
        return function(
            target, _integers(register, 6, _pairs(register) * 4, (A, B))
        ), 24 * bits // 16
    return function(target, lines), 16 * bits // (8 if narrow else 16)


def _vnni(target: Target) -> str | None:
    """The prefix of the target's dot product instructions; None without them."""
    if target.has("avx512vnni") and target.has("avx512vl"):
        return ""
    return "{vex} " if target.has("avxvnni") and target.vector_bits == 256 else None


def _pairs(kind: str) -> list[str]:
    """Registers: 6 accumulators + 6 products + 2 operands = 14 of 16.

    Products first and then sums: 87 GMAC/s on a Zen 3 core, against 82 for each sum after its product.
    """
    products = [f"%{kind}{n}" for n in range(6, 12)]
    return [
        *(f"vpmaddwd %{kind}{_SECOND}, %{kind}{_FIRST}, {product}" for product in products),
        *(f"vpaddd {product}, %{kind}{n}, %{kind}{n}" for n, product in enumerate(products)),
    ]


def _bytes(kind: str) -> list[str]:
    """Registers: 8 accumulators + 4 products + 2 operands + ones = 15 of 16."""
    return [
        line
        for n in range(8)
        for product in (f"%{kind}{_PRODUCTS[n % 4]}",)
        for line in (
            f"vpmaddubsw %{kind}{_SECOND}, %{kind}{_FIRST}, {product}",
            f"vpmaddwd %{kind}{_ONES}, {product}, {product}",
            f"vpaddd {product}, %{kind}{n}, %{kind}{n}",
        )
    ]


def _legacy_pairs() -> list[str]:
    return [
        line
        for n in range(8)
        for product in (f"%xmm{_PRODUCTS[n % 4]}",)
        for line in (
            f"movdqa %xmm{_FIRST}, {product}",
            f"pmaddwd %xmm{_SECOND}, {product}",
            f"paddd {product}, %xmm{n}",
        )
    ]


def _integers(kind: str, chains: int, body: list[str], operands: Sequence[int]) -> list[str]:
    legacy = kind == "xmm"
    table = dict(zip((_FIRST, _SECOND, _ONES), (*operands, 0x0001_0001_0001_0001)))
    sums = [
        f"paddd %xmm{n}, %xmm0" if legacy else f"vpaddd %{kind}{n}, %{kind}0, %{kind}0"
        for n in range(1, chains)
    ]
    return [
        *(line for at, value in table.items() for line in _fill(value, at, kind)),
        *_zeros(kind, chains),
        *loop("1", "rcx", body),
        *sums,
        *_sum_lanes(kind),
    ]


def _fused(kind: str) -> list[str]:
    """Registers: 12 accumulators + 3 operands = 15 of 16."""
    body = [
        f"vfmadd231ps %{kind}{operand}, %{kind}12, %{kind}{n}"
        for operand in (13, 14)
        for n in range(12)
    ]
    return _floats(kind, 12, body)


def _multiply_add() -> list[str]:
    """Registers: 8 accumulators + 4 products + 3 operands = 15 of 16."""
    body = [
        line
        for step in range(16)
        for product in (f"%xmm{_PRODUCTS[step % 4]}",)
        for line in (
            f"movaps %xmm12, {product}",
            f"mulps %xmm{13 + step // 8}, {product}",
            f"addps {product}, %xmm{step % 8}",
        )
    ]
    return _floats("xmm", 8, body)


def _floats(kind: str, chains: int, body: list[str]) -> list[str]:
    legacy = kind == "xmm"
    tables = (value << 32 | value for value in map(_BITS.__getitem__, F32))
    sums = [
        f"addps %xmm{n}, %xmm0" if legacy else f"vaddps %{kind}{n}, %{kind}0, %{kind}0"
        for n in range(1, chains)
    ]
    return [
        *(line for n, value in enumerate(tables) for line in _fill(value, 12 + n, kind)),
        *_zeros(kind, chains),
        *loop("1", "rcx", body),
        *sums,
        "cvttps2dq %xmm0, %xmm0" if legacy else f"vcvttps2dq %{kind}0, %{kind}0",
        *_sum_lanes(kind),
    ]


def _fill(value: int, at: int, kind: str) -> list[str]:
    if kind != "xmm":
        return broadcast(value, at, kind)
    return [f"movabsq ${value}, %rax", f"movq %rax, %xmm{at}", f"punpcklqdq %xmm{at}, %xmm{at}"]


def _zeros(kind: str, count: int) -> list[str]:
    if kind == "xmm":
        return [f"pxor %xmm{n}, %xmm{n}" for n in range(count)]
    return [f"vpxor %xmm{n}, %xmm{n}, %xmm{n}" for n in range(count)]


def _sum_lanes(kind: str) -> list[str]:
    """Add the 32-bit lanes of register 0 into rax, modulo 2^32."""
    halves = {
        "zmm": ["vextracti64x4 $1, %zmm0, %ymm1", "vpaddd %ymm1, %ymm0, %ymm0"],
        "ymm": ["vextracti128 $1, %ymm0, %xmm1", "vpaddd %xmm1, %xmm0, %xmm0", "vzeroupper"],
    }
    return [
        *(halves["zmm"] if kind == "zmm" else ()),
        *(halves["ymm"] if kind != "xmm" else ()),
        *("pshufd $0x4E, %xmm0, %xmm1", "paddd %xmm1, %xmm0"),
        *("pshufd $0xB1, %xmm0, %xmm1", "paddd %xmm1, %xmm0"),
        "movd %xmm0, %eax",
    ]
