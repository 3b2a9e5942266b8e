"""Read x86-64 assembly: the instructions of a loop, by class as `microkernels.instructions` has them."""

import re
from collections import Counter

PATTERNS = (
    ("ternary", r"vpternlog"),
    ("popcount", r"vpopcnt"),
    ("scalar_popcount", r"popcnt"),
    ("spread", r"vbroadcast[if](128|32x4|64x2)"),
    ("broadcast", r"v?(p?broadcast|movddup)"),
    ("widening", r"v?pmov[sz]x"),
    ("permute", r"vpermb"),
    ("look_up", r"v?(pshuf|perm|punpck|shuf|insert|extract|vpack|pack|unpck|alignr|pextr|pinsr)"),
    ("multiply", r"v?(pmadd|pmul|pdp)"),
    ("float", r"v?(fm?n?(add|sub)\d*[ps]s|(add|mul|sub)[ps]s)"),
    ("shift", r"v?ps(ll|rl|ra)v?[wdq]$"),
    ("integer", r"v?p(add|sub|and|or|xor|andn|cmp|abs|s[lr]ldq)"),
    ("integer", r"v?(andp|orp|xorp|pxor|andnp)"),
    ("scalar_multiply", r"i?mul"),
    ("branch", r"j(?!mp)"),
    ("move", r"v?(mov|pmov)"),
    ("scalar", r"(add|sub|and|or|xor|shl|shr|sar|lea|inc|dec|neg|not|cmp|test|sbb|cmov|ror|bt)"),
)
"""Classes by the beginnings of mnemonics, the first that fits."""


def loops_of(assembly: str) -> list[list[str]]:
    """The bodies of innermost loops: lines from a label to a jump back to it, with no label between."""
    found: list[list[str]] = []
    label, body = "", list[str]()
    for line in map(str.strip, assembly.splitlines()):
        if match := re.match(r"(\.L\w+):", line):
            label, body = match[1], []
        elif line and not line.startswith((".", "#")):
            body.append(line)
            if re.match(rf"j\w+\s+{re.escape(label)}$", line) and label:
                found.append(body)
    return found


def classes_of(lines: list[str]) -> Counter[str]:
    """Count instructions by class; an operand in memory is a load besides."""
    counts: Counter[str] = Counter()
    for line in lines:
        name, _, operands = line.partition("\t")
        kind = next((kind for kind, pattern in PATTERNS if re.match(pattern, name)), name)
        memory = "(" in operands and not name.startswith("lea")
        if memory and re.search(r"\)(\{.*\})?$", operands) and name.startswith(("mov", "vmov")):
            counts["store"] += 1
            continue
        if (memory and kind == "broadcast") or "{1to" in operands:
            counts["broadcast"] += 1
        elif memory and kind == "spread":
            counts["spread"] += 1
            continue
        elif memory and not name.startswith("prefetch"):
            counts["load"] += 1
        if kind not in ("broadcast", "move") or (kind == "broadcast" and not memory):
            counts["look_up" if kind == "broadcast" else kind] += 1
    return counts
