"""Loops of one class of instructions in inline assembly: how many a core issues, and how long one takes.

Names are the classes of `microkernels.instructions`. `several` chains side by side measure throughput, `one`
chain latency: each instruction then waits for the one before. Loads read the 4 KB behind a pointer, in order;
stores write them. A body has 48 instructions, and the loop's own counting is two more.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from lowering.backend.probe import compiled, function, loop
from microkernels.target import Target

BODY = 48
"""Instructions of a round: whole numbers of rounds of 1 to 4, 6, 8 and 12 chains."""
CHAINS = 12
HELD = 4096
"""Bytes that loads and stores touch."""


def probed(target: Target) -> tuple[str, ...]:
    """The classes of instructions that a target has."""
    return tuple(name for name, line in _LINES.items() if line(target, 0, 1) is not None)


def instruction_probe(
    target: Target, kind: str, *, chained: bool = False
) -> Callable[[int, int], int]:
    """Compile a loop of `BODY` instructions of a class of `probed`, in one chain or in several.

    It takes how many times to run it, at least once, and an address. Raises `BackendError` if this
    machine cannot run the target.
    """
    line, chains = _LINES[kind], 1 if chained else CHAINS
    body = [text for n in range(BODY) if (text := line(target, n % chains, n))]
    lines = [*loop("1", "rcx", body), "xorl %eax, %eax"]
    if target.vector_bits > 64:
        lines.append("vzeroupper")
    return compiled(function(target, lines, ("address",)), target, *[ctypes.c_uint64] * 2)


def mixed_probe(target: Target) -> Callable[[int, int], int]:
    """The same for products of which each is added to a sum: `BODY` products and as many additions."""
    name, legacy = _register(target)[0], target.vector_bits == 64
    body: list[str] = []
    for n in range(BODY):
        product, total = f"%{name}{8 + n % 4}", f"%{name}{n % 8}"
        if legacy:
            body += [f"movdqa %xmm14, {product}", f"pmaddwd %xmm15, {product}"]
            body.append(f"paddd {product}, {total}")
        else:
            body.append(f"vpmaddwd %{name}15, %{name}14, {product}")
            body.append(f"vpaddd {product}, {total}, {total}")
    lines = [*loop("1", "rcx", body), "xorl %eax, %eax", *(() if legacy else ("vzeroupper",))]
    return compiled(function(target, lines, ("address",)), target, *[ctypes.c_uint64] * 2)


Line = Callable[[Target, int, int], str | None]
"""Instruction number `n` on the chain of a register; None if the target has none such."""


def _register(target: Target) -> tuple[str, int]:
    """The name and bytes of a full register."""
    return {512: ("zmm", 64), 256: ("ymm", 32), 128: ("xmm", 16)}[target.simd_bits]


def _vector(legacy: str, vex: str, feature: str = "") -> Line:
    """`register = register OP operand`, where the target has `feature`."""

    def line(target: Target, chain: int, n: int) -> str | None:
        name, _ = _register(target)
        if feature and not target.has(feature):
            return None
        if target.vector_bits == 64:
            return f"{legacy} %xmm15, %xmm{chain}" if legacy else None
        return f"{vex} %{name}15, %{name}{chain}, %{name}{chain}"

    return line


def _unary(legacy: str, vex: str, feature: str = "") -> Line:
    """`register = OP register`, or of its lower half where lanes are widened."""

    def line(target: Target, chain: int, n: int) -> str | None:
        name, _ = _register(target)
        if feature and not target.has(feature):
            return None
        if target.vector_bits == 64:
            return f"{legacy} %xmm{chain}, %xmm{chain}" if legacy else None
        half = {"zmm": "ymm", "ymm": "xmm"}[name] if "pmov" in vex else name
        return f"{vex} %{half}{chain}, %{name}{chain}"

    return line


def _ternary(target: Target, chain: int, n: int) -> str | None:
    if not target.has("avx512vl"):
        return None
    name, _ = _register(target)
    return f"vpternlogd $150, %{name}15, %{name}14, %{name}{chain}"


def _load(target: Target, chain: int, n: int) -> str | None:
    name, size = _register(target)
    move = "movdqu" if target.vector_bits == 64 else "vmovdqu64" if name == "zmm" else "vmovdqu"
    return f"{move} {size * n}(%rsi), %{name}{chain}"


def _broadcast(target: Target, chain: int, n: int) -> str | None:
    name, _ = _register(target)
    if target.vector_bits == 64:
        return None
    return f"vpbroadcastd {4 * n}(%rsi), %{name}{chain}"


def _store(target: Target, chain: int, n: int) -> str | None:
    name, size = _register(target)
    move = "movdqu" if target.vector_bits == 64 else "vmovdqu64" if name == "zmm" else "vmovdqu"
    return f"{move} %{name}{chain}, {size * n}(%rsi)"


_GENERAL = ("rax", "rbx", "rdx", "rdi", *(f"r{n}" for n in range(8, 16)))


def _scalar(mnemonic: str, feature: str = "") -> Line:
    def line(target: Target, chain: int, n: int) -> str | None:
        if feature and not target.has(feature):
            return None
        register = _GENERAL[chain]
        return f"{mnemonic} %{register if 'popcnt' in mnemonic else 'rsi'}, %{register}"

    return line


_LINES: dict[str, Line] = {
    "load": _load,
    "broadcast": _broadcast,
    "store": _store,
    "integer": _vector("paddd", "vpaddd"),
    "ternary": _ternary,
    "popcount": _unary("", "vpopcntd", "avx512vpopcntdq"),
    "look_up": _vector("pshufb", "vpshufb", "ssse3"),
    "widening": _unary("pmovzxbw", "vpmovzxbw", "sse4.1"),
    "multiply": _vector("pmaddwd", "vpmaddwd"),
    "float": _vector("addps", "vaddps"),
    "scalar": _scalar("addq"),
    "scalar_popcount": _scalar("popcntq", "popcnt"),
    "scalar_multiply": _scalar("imulq"),
}
