"""Loops over a buffer in inline assembly: how fast a core reads and writes what some level holds.

`read` adds full vectors of memory into 8 chains: the addition costs nothing beside the load, and lets
the sum be checked. `write` stores a register of ones, by ordinary stores, as kernels do. A step is 8
vectors; the loop's own counting is 3 instructions a step. `autotune.bandwidth` has what they measure.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from lowering.backend.probe import compiled, function, loop, sum_lanes
from microkernels.target import Target

KINDS = ("read", "write")
STEP = 512
"""Bytes of a step of the widest vectors: sizes of buffers are multiples of it."""
_VECTORS = 8


def memory_probe(target: Target, kind: str) -> Callable[[int, int, int], int]:
    """Compile a probe of `KINDS`; raise `BackendError` if it cannot run here.

    It takes how many times to pass over a buffer, at least once, the buffer's address, a multiple of 64,
    and its bytes, a positive multiple of `STEP`. A read returns the sum of all 64-bit words it saw,
    modulo 2^64; a write sets every bit and returns 0.
    """
    return compiled(memory_ir(target, kind), target, *[ctypes.c_uint64] * 3)


def memory_ir(target: Target, kind: str) -> str:
    """Write a probe of `KINDS` as LLVM IR."""
    legacy, bits = target.vector_bits == 64, target.simd_bits
    register = {512: "zmm", 256: "ymm", 128: "xmm"}[bits]
    access = _read(register) if kind == "read" else _write(register)
    shift = (_VECTORS * bits // 8).bit_length() - 1
    steps = [*access, f"addq ${1 << shift}, %rdx"]
    start = ["movq %rsi, %rdx", "movq %rdi, %r8", f"shrq ${shift}, %r8"]
    lines = [
        *(_zero(n, legacy) for n in range(_VECTORS)),
        *(["pcmpeqd %xmm8, %xmm8"] if legacy else _ones(register)),
        *loop("1", "rcx", [*start, *loop("2", "r8", steps)]),
        *_total(register),
    ]
    return function(target, lines, ("address", "bytes"))


def _zero(register: int, legacy: bool) -> str:
    name = f"%xmm{register}"
    return f"pxor {name}, {name}" if legacy else f"vpxor {name}, {name}, {name}"


def _ones(kind: str) -> list[str]:
    if kind == "zmm":
        return ["vpternlogd $255, %zmm8, %zmm8, %zmm8"]
    return ["vpcmpeqd %ymm8, %ymm8, %ymm8"]


def _read(kind: str) -> list[str]:
    if kind == "xmm":
        return [f"paddq {16 * n}(%rdx), %xmm{n}" for n in range(_VECTORS)]
    width = 64 if kind == "zmm" else 32
    return [f"vpaddq {width * n}(%rdx), %{kind}{n}, %{kind}{n}" for n in range(_VECTORS)]


def _write(kind: str) -> list[str]:
    if kind == "xmm":
        return [f"movdqa %xmm8, {16 * n}(%rdx)" for n in range(_VECTORS)]
    name, width = ("vmovdqa64", 64) if kind == "zmm" else ("vmovdqa", 32)
    return [f"{name} %{kind}8, {width * n}(%rdx)" for n in range(_VECTORS)]


def _total(kind: str) -> list[str]:
    if kind != "xmm":
        chains = [f"vpaddq %{kind}{n}, %{kind}0, %{kind}0" for n in range(1, _VECTORS)]
        return [*chains, *sum_lanes(kind)]
    chains = [f"paddq %xmm{n}, %xmm0" for n in range(1, _VECTORS)]
    return [*chains, "pshufd $0x4E, %xmm0, %xmm1", "paddq %xmm1, %xmm0", "movq %xmm0, %rax"]
