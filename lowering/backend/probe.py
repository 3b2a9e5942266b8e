"""Loops of known work in inline assembly, to measure what a processor can do at best.

Each counts bits of ANDed words in registers, as its tier of machines does it fastest:

- with vector popcount: `and, popcnt, add` on 512 bits, in 8 chains;
- without: on operands split into nibbles beforehand, `and, pshufb, add` for the low and for the high
  ones; bytes hold 31 steps of at most 8, and are widened by `psadbw` after that; in 6 chains of 512
  or 256 bits;
- scalar: `and, popcnt, add` on 64 bits, in 4 chains;
- without `popcnt`: the same with the usual shifts, masks and multiplication.

The loop's own counting is one instruction in 25 to 137. A probe returns how many bits it has counted,
so that it can be checked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lowering.backend.jit import Jit
from lowering.backend.machine import BackendError
from lowering.backend.translate import Translated
from microkernels.target import Target

A, B = 0x0F5A3C69_96C3A5F0, 0x5566_33CC_0FF0_AA99
"""The words whose common bits are counted, in every lane."""
_LOW = 0x0F0F0F0F_0F0F0F0F
_NIBBLE_COUNTS = (0x03020201_02010100, 0x04030302_03020201)
_STEPS = 31


@dataclass(frozen=True)
class Probe:
    """A compiled loop."""

    run: Callable[[int], int]
    """Do so many rounds, at least one, and return what was counted or summed."""
    macs: int
    """Multiply-accumulates of one round; binary ones, pairs of bits, where bits are counted."""


def popcount_probe(target: Target) -> Probe:
    """Compile the probe of the popcount tier of `target`; raise `BackendError` if it cannot run here."""
    ir, macs = popcount_ir(target)
    return Probe(compiled(ir, target, ctypes.c_uint64), macs)


def compiled(ir: str, target: Target, *arguments: Any) -> Callable[..., int]:
    """Compile `@probe`, which returns 64 bits; raise `BackendError` if it cannot run here."""
    if target.arch != "x86_64":
        raise BackendError(
            f"what a machine does at best is measured on x86_64, not on {target.arch}"
        )
    return Jit(Translated(ir, {}), target).function("probe", ctypes.c_uint64, *arguments)


def popcount_ir(target: Target) -> tuple[str, int]:
    """Write the probe of a target's popcount tier as LLVM IR, and the binary MACs of a round of it."""
    if target.vector_bits == 512 and target.has("avx512vpopcntdq"):
        return function(target, _vector_popcount()), 8 * 512
    if target.vector_bits == 512:
        return function(target, _nibbles("zmm")), _STEPS * 6 * 512
    if target.vector_bits == 256:
        return function(target, _nibbles("ymm")), _STEPS * 6 * 256
    if target.has("popcnt"):
        return function(target, _scalar()), 8 * 4 * 64
    return function(target, _shifts()), 8 * 64


def function(target: Target, lines: Iterable[str], arguments: Sequence[str] = ()) -> str:
    """Wrap assembly that takes a count above 0 in rcx and returns its result in rax.

    Further `arguments` come in rsi and rdi, which it then leaves as they are.
    """
    text = "\\0A".join(lines).replace("$", "$$")
    given = dict(zip(("rsi", "rdi"), arguments))
    vectors = (f"xmm{n}" for n in range(32 if target.vector_bits == 512 else 16))
    scratch = ("rbx", "rdx", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)), *vectors, "flags")
    clobbers = (f"~{{{name}}}" for name in scratch if name not in given)
    inputs = (f"{{{name}}}" for name in ("rcx", *given))
    constraints = ",".join(["={rax},={rcx}", *inputs, *clobbers])
    parameters = ", ".join(f"i64 %{name}" for name in ("rounds", *arguments))
    return f"""target triple = "{target.triple}"
define i64 @probe({parameters}) nounwind {{
  %counts = call {{i64, i64}} asm sideeffect "{text}", "{constraints}"({parameters})
  %total = extractvalue {{i64, i64}} %counts, 0
  ret i64 %total
}}"""


def broadcast(value: int, register: int, kind: str) -> list[str]:
    """Put 64 bits into every lane of a register."""
    return [
        f"movabsq ${value}, %rax",
        f"vmovq %rax, %xmm{register}",
        f"vpbroadcastq %xmm{register}, %{kind}{register}",
    ]


def sum_lanes(kind: str) -> list[str]:
    """Add the 64-bit lanes of register 0 into rax."""
    halves = ["vextracti64x4 $1, %zmm0, %ymm1", "vpaddq %ymm1, %ymm0, %ymm0"]
    return [
        *(halves if kind == "zmm" else ()),
        "vextracti128 $1, %ymm0, %xmm1",
        "vpaddq %xmm1, %xmm0, %xmm0",
        "vpunpckhqdq %xmm0, %xmm0, %xmm1",
        "vpaddq %xmm1, %xmm0, %xmm0",
        "vmovq %xmm0, %rax",
        "vzeroupper",
    ]


def _vector_popcount() -> list[str]:
    """Registers: 8 accumulators + 8 products + 2 operands = 18 of 32."""
    chains = range(8)
    body = [
        line
        for n in chains
        for line in (
            f"vpandq %zmm16, %zmm17, %zmm{8 + n}",
            f"vpopcntq %zmm{8 + n}, %zmm{8 + n}",
            f"vpaddq %zmm{8 + n}, %zmm{n}, %zmm{n}",
        )
    ]
    return [
        *broadcast(A, 16, "zmm"),
        *broadcast(B, 17, "zmm"),
        *(f"vpxorq %zmm{n}, %zmm{n}, %zmm{n}" for n in chains),
        *loop("1", "rcx", body),
        *(f"vpaddq %zmm{n}, %zmm0, %zmm0" for n in chains[1:]),
        *sum_lanes("zmm"),
    ]


def _nibbles(kind: str) -> list[str]:
    """Registers: 6 byte accumulators + total + zero + table + 4 operands + 3 products = 16 of 16."""
    total, table, zero = 0, 7, 8
    chains, operands, products = range(1, 7), (9, 10, 11, 12), (13, 14, 15)
    values = (A & _LOW, B & _LOW, A >> 4 & _LOW, B >> 4 & _LOW)
    and_, xor = ("vpandq", "vpxorq") if kind == "zmm" else ("vpand", "vpxor")
    body: list[str] = []
    for index in range(2 * len(chains)):
        chain, product = chains[index // 2], products[index % 3]
        first, second = operands[2 * (index % 2) :][:2]
        body += [
            f"{and_} %{kind}{first}, %{kind}{second}, %{kind}{product}",
            f"vpshufb %{kind}{product}, %{kind}{table}, %{kind}{product}",
            f"vpaddb %{kind}{product}, %{kind}{chain}, %{kind}{chain}",
        ]
    widen = [
        line
        for n in chains
        for line in (
            f"vpsadbw %{kind}{zero}, %{kind}{n}, %{kind}13",
            f"vpaddq %{kind}13, %{kind}{total}, %{kind}{total}",
            f"{xor} %{kind}{n}, %{kind}{n}, %{kind}{n}",
        )
    ]
    broadcasts = [broadcast(value, at, kind) for at, value in zip(operands, values, strict=True)]
    return [
        *_table(table, kind),
        *(line for lines in broadcasts for line in lines),
        *(f"{xor} %{kind}{n}, %{kind}{n}, %{kind}{n}" for n in (total, zero, *chains)),
        *loop("1", "rcx", [f"movl ${_STEPS}, %edx", *loop("2", "rdx", body), *widen]),
        *sum_lanes(kind),
    ]


def _table(register: int, kind: str) -> list[str]:
    """Put the bit counts of 0 to 15 into every 128 bits of a register."""
    low, high = _NIBBLE_COUNTS
    lines = [
        f"movabsq ${low}, %rax",
        f"vmovq %rax, %xmm{register}",
        f"movabsq ${high}, %rax",
        f"vpinsrq $1, %rax, %xmm{register}, %xmm{register}",
    ]
    if kind == "zmm":
        return [*lines, f"vshufi64x2 $0, %zmm{register}, %zmm{register}, %zmm{register}"]
    return [*lines, f"vinserti128 $1, %xmm{register}, %ymm{register}, %ymm{register}"]


def _scalar() -> list[str]:
    """Count into separate registers: some processors make `popcnt` wait for its result's old value."""
    words, counts = ("rsi", "rdi", "r8", "r9"), ("r10", "r11", "r12", "r13")
    totals, mask = ("rax", "rbx", "rdx", "r14"), "r15"
    step = [
        line
        for word, count, total in zip(words, counts, totals, strict=True)
        for line in (
            f"andq %{mask}, %{word}",
            f"popcntq %{word}, %{count}",
            f"addq %{count}, %{total}",
        )
    ]
    return [
        f"movabsq ${A}, %{mask}",
        *(f"movabsq ${B}, %{word}" for word in words),
        *(f"xorl %{total}, %{total}" for total in ("eax", "ebx", "edx", "r14d")),
        *loop("1", "rcx", step * 8),
        *(f"addq %{total}, %rax" for total in totals[1:]),
    ]


def _shifts() -> list[str]:
    """Add up bits in pairs, nibbles and bytes, then bytes by a multiplication."""
    masks = {"r8": 0x5555_5555_5555_5555, "r9": 0x3333_3333_3333_3333, "r10": _LOW}
    step = [
        *("movq %r12, %rsi", "andq %r13, %rsi"),
        *("movq %rsi, %rdi", "shrq $1, %rdi", "andq %r8, %rdi", "subq %rdi, %rsi"),
        *(
            "movq %rsi, %rdi",
            "shrq $2, %rdi",
            "andq %r9, %rdi",
            "andq %r9, %rsi",
            "addq %rdi, %rsi",
        ),
        *("movq %rsi, %rdi", "shrq $4, %rdi", "addq %rdi, %rsi", "andq %r10, %rsi"),
        *("imulq %r11, %rsi", "shrq $56, %rsi", "addq %rsi, %rax"),
    ]
    constants = {**masks, "r11": 0x0101_0101_0101_0101, "r12": A, "r13": B}
    return [
        *(f"movabsq ${value}, %{register}" for register, value in constants.items()),
        "xorl %eax, %eax",
        *loop("1", "rcx", step * 8),
    ]


def loop(label: str, counter: str, body: list[str]) -> list[str]:
    """Repeat as often as a register says, at least once."""
    return [".p2align 5", f"{label}:", *body, f"decq %{counter}", f"jnz {label}b"]
