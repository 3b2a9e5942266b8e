"""C that asks the processor, and the system, for what generated code uses."""

from __future__ import annotations

from microkernels.isa.x86 import CPUID, X86_64
from microkernels.target import Target


def supported(symbol: str, target: Target) -> list[str]:
    """The lines of `SYMBOL_supported()`; raises ValueError for a feature that no bit is known to tell."""
    if target.architecture != X86_64:
        raise ValueError(f"no check is known for {target.arch} processors: leave out the check")
    unknown = [feature for feature in target.features if feature not in CPUID]
    if unknown:
        raise ValueError(
            f"no check is known for {unknown[0]}: leave out the check, or -{unknown[0]} from the target"
        )
    masks: dict[tuple[int, int], dict[str, int]] = {}
    for leaf, subleaf, register, bit in map(CPUID.__getitem__, target.features):
        found = masks.setdefault((leaf, subleaf), {})
        found[register] = found.get(register, 0) | 1 << bit
    state = 0xE6 if target.has("avx512f") else 0x6 if target.has("avx") else 0
    lines = [
        "#include <cpuid.h>",
        "",
        "/* 1 if this processor and system have all that the code may use, else 0. */",
        f"static inline int {symbol}_supported(void) {{",
        "    unsigned a, b, c, d;",
    ]
    for (leaf, subleaf), found in sorted(masks.items()):
        wrong = [f"({name} & {mask:#x}u) != {mask:#x}u" for name, mask in sorted(found.items())]
        called = f"!__get_cpuid_count({leaf:#x}u, {subleaf}u, &a, &b, &c, &d)"
        lines.append(f"    if ({' || '.join([called, *wrong])}) return 0;")
    if state:  # xgetbv is there, and the system saves the registers that the code uses
        lines += [
            "    if (!__get_cpuid(1u, &a, &b, &c, &d) || !(c & (1u << 27))) return 0;",
            '    __asm__ volatile ("xgetbv" : "=a"(a), "=d"(d) : "c"(0));',
            f"    if ((a & {state:#x}u) != {state:#x}u) return 0;",
        ]
    return [*lines, "    return 1;", "}", ""]
