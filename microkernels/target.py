"""The machines that code is generated for, as frozen values with a string form.

A target is written as a name, then overrides, separated by commas::

    x86-64-v3
    znver4
    x86-64-v4,cpu=icelake-server,+avx512vpopcntdq,-avx512vnni
    x86-64-v3,cpu=haswell,vector_bits=64,caches=32K/256K/8M
    rpi3
    cortex-a76,+i8mm

The name is one of `TARGETS` or of a processor, which stands for its level with that `cpu`. `+feature`
adds a feature and what it needs; `-feature` removes it and what needs it; `field=value` sets
`triple`, `cpu`, `vector_bits`, `vector_registers` or `caches`. Later overrides win. `str` writes what
differs from the table entry, so `Target.parse(str(target)) == target`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from lowbit_dialect.spelling import did_you_mean
from microkernels.isa.aarch64 import AARCH64, BASE
from microkernels.isa.architecture import Architecture
from microkernels.isa.arm import ARMV7, THUMB
from microkernels.isa.arm import BASE as NEON_BASE
from microkernels.isa.riscv import BASE as RISCV_BASE
from microkernels.isa.riscv import RISCV64
from microkernels.isa.x86 import LEVELS, X86_64

Caches = tuple[int, int, int]

ARCHITECTURES = {one.name: one for one in (X86_64, AARCH64, ARMV7, THUMB, RISCV64)}
"""Every instruction set that there is code for, by the first part of its triples."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Target:
    """State what a machine is and has; rates are measured, not stated."""

    name: str
    """The entry of `TARGETS` that this target is a variant of."""
    triple: str
    """LLVM's triple in its four-part form; with three parts the ABI is misread."""
    cpu: str
    """The processor whose instruction costs LLVM assumes."""
    features: tuple[str, ...]
    """All features that generated code may use, sorted; every other one is off, whatever `cpu` has."""
    vector_bits: int
    """The width of the registers that kernels count bits in; 64 and less is the scalar tier."""
    vector_registers: int
    """How many registers of that width there are (general registers on the scalar tier)."""
    caches: Caches
    """Sizes of L1d, L2 and L3 in bytes as one core sees them; 0 where there is none."""

    def __post_init__(self) -> None:
        self._check_triple()
        if self.cpu not in self.architecture.cpus:
            raise ValueError(_unknown("cpu", self.cpu, self.architecture.cpus))
        if self.features != tuple(sorted(_closure(self.features, self._known))):
            raise ValueError(
                f"features of target {self.name} are not sorted, unique and closed under what they need"
            )
        self._check_base()
        self._check_sizes()

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target from its string form; raise `ValueError` naming what is unknown."""
        name, *overrides = (part.strip() for part in text.split(","))
        target = TARGETS.get(name) or _of_cpu(name)
        features = set(target.features)
        fields: dict[str, Any] = {}
        for override in overrides:
            if override[:1] in ("+", "-"):
                features = _override_feature(features, override, target._known)
            else:
                field, _, value = override.partition("=")
                fields[field] = _read_field(field, value)
        return replace(target, features=tuple(sorted(features)), **fields)

    @property
    def simd_bits(self) -> int:
        """Bits of its widest vectors; the scalar tier has vectors too, but counts no bits in them."""
        return max(self.architecture.least_vector_bits, self.vector_bits)

    @property
    def architecture(self) -> Architecture:
        """Its instruction set."""
        return ARCHITECTURES[self.arch]

    @property
    def arch(self) -> str:
        """The first part of the triple, such as `x86_64`."""
        return self.triple.partition("-")[0]

    def has(self, feature: str) -> bool:
        """Say whether code may use `feature`; raise `ValueError` if no architecture has one such."""
        if not any(feature in one.features for one in ARCHITECTURES.values()):
            raise ValueError(_unknown("feature", feature, self._known))
        return feature in self.features

    def disabled(self) -> tuple[str, ...]:
        """List the features of the architecture that generated code may not use."""
        return tuple(sorted(set(self._known) - set(self.features)))

    def __str__(self) -> str:
        base = TARGETS[self.name]
        parts = [self.name]
        for field in ("triple", "cpu"):
            if getattr(self, field) != getattr(base, field):
                parts.append(f"{field}={getattr(self, field)}")
        parts += [f"-{f}" for f in base.features if f not in self.features]
        parts += [f"+{f}" for f in self.features if f not in base.features]
        for field in ("vector_bits", "vector_registers"):
            if getattr(self, field) != getattr(base, field):
                parts.append(f"{field}={getattr(self, field)}")
        if self.caches != base.caches:
            parts.append("caches=" + "/".join(_print_size(size) for size in self.caches))
        return ",".join(parts)

    @property
    def _known(self) -> Mapping[str, tuple[str, ...]]:
        return self.architecture.features

    def _check_triple(self) -> None:
        parts = self.triple.split("-")
        four = len(parts) == 4 and re.fullmatch(r"\w+", parts[1], re.ASCII)
        if not four or parts[0] not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(
                f"triple {self.triple[:80]!r} is not ARCH-VENDOR-OS-ABI with an ARCH of {known}"
            )
        allowed = {"OS": self.architecture.systems, "ABI": self.architecture.abis}
        for (kind, known), part in zip(allowed.items(), parts[2:]):
            if part not in known:
                raise ValueError(
                    f"triple {self.triple[:80]!r} is not ARCH-VENDOR-OS-ABI with an {kind} of "
                    f"{', '.join(known)}"
                )

    def _check_base(self) -> None:
        """Without them LLVM cannot generate code, and ends the process."""
        lacking = [f for f in self.architecture.base if f not in self.features]
        if lacking:
            raise ValueError(
                f"a target cannot lack {lacking[0]}, which every {self.arch} machine has: leave out "
                f"-{lacking[0]}"
            )

    def _check_sizes(self) -> None:
        needs = self.architecture.vectors
        if self.vector_bits not in needs:
            *others, last = map(str, needs)
            widths = f"{', '.join(others)} or {last}" if others else last
            raise ValueError(f"vector_bits is {widths}, not {self.vector_bits}")
        missing = [f for f in needs[self.vector_bits] if f not in self.features]
        if missing:
            raise ValueError(
                f"vector_bits={self.vector_bits} needs feature {missing[0]}; "
                f"give a smaller vector_bits or +{missing[0]}"
            )
        if not 8 <= self.vector_registers <= 64:
            raise ValueError(f"vector_registers is 8 to 64, not {self.vector_registers}")
        if min(self.caches) < 0:
            raise ValueError(f"caches are sizes in bytes, not {self.caches}")


def _override_feature(on: set[str], text: str, known: Mapping[str, tuple[str, ...]]) -> set[str]:
    feature = text[1:]
    needs = _closure((feature,), known)
    if text[0] == "+":
        return on | needs
    return {other for other in on if feature not in _closure((other,), known)}


def _closure(features: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> set[str]:
    closed: set[str] = set()
    open_ = list(features)
    while open_:
        feature = open_.pop()
        if feature not in known:
            raise ValueError(_unknown("feature", feature, known))
        if feature not in closed:
            closed.add(feature)
            open_ += known[feature]
    return closed


def _of_cpu(name: str) -> Target:
    for one in ARCHITECTURES.values():
        if name in one.cpus:
            return replace(Target.parse(one.cpus[name]), cpu=name)
    names = [*TARGETS, *(cpu for one in ARCHITECTURES.values() for cpu in one.cpus)]
    listed = f"; the targets are {', '.join(TARGETS)}, and processors such as znver4"
    raise ValueError(_unknown("target", name, names, listed))


def _unknown(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> str:
    """What to say of a name: which are near, or `otherwise`."""
    name = name[:40]
    return f"unknown {kind} {name!r}{did_you_mean(name, known, most=3) or otherwise}"


def _read_field(field: str, value: str) -> str | int | Caches:
    match field:
        case "triple" | "cpu":
            return value
        case "vector_bits" | "vector_registers":
            if not re.fullmatch(r"[0-9]{1,4}", value):
                raise ValueError(f"{field} is a whole number, not {value!r}")
            return int(value)
        case "caches":
            return _read_caches(value)
        case _:
            raise ValueError(
                f"unknown override {field[:40]!r}; write +FEATURE, -FEATURE, or "
                "triple=, cpu=, vector_bits=, vector_registers= or caches= and a value"
            )


def _read_caches(value: str) -> Caches:
    sizes = re.fullmatch(
        r"(\d{1,12})([KMG]?)/(\d{1,12})([KMG]?)/(\d{1,12})([KMG]?)", value, re.ASCII
    )
    if not sizes:
        raise ValueError(f"caches are written L1d/L2/L3, as in 32K/512K/32M, not {value!r}")
    counts, units = sizes.groups()[::2], sizes.groups()[1::2]
    first, second, third = (int(n) * _UNITS[u] for n, u in zip(counts, units, strict=True))
    return first, second, third


def _print_size(size: int) -> str:
    for unit in "GMK":
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def _x86(name: str, cpu: str, vector_bits: int, vector_registers: int, caches: str) -> Target:
    return Target(
        name,
        "x86_64-unknown-linux-gnu",
        cpu,
        LEVELS[name],
        vector_bits,
        vector_registers,
        _read_caches(caches),
    )


def _aarch64(name: str, cpu: str, features: str, caches: str) -> Target:
    every = tuple(sorted({*BASE, *features.split()}))
    return Target(name, "aarch64-unknown-linux-gnu", cpu, every, 128, 32, _read_caches(caches))


def _armv7(name: str, cpu: str, features: str, caches: str) -> Target:
    every = tuple(sorted({*NEON_BASE, *features.split()}))
    return Target(name, "armv7-unknown-linux-gnueabihf", cpu, every, 128, 16, _read_caches(caches))


def _cortex_m(name: str, features: str, caches: str) -> Target:
    every = tuple(sorted(_closure(("dsp", "hwdiv", features), THUMB.features)))
    triple = "thumbv7em-unknown-none-eabihf"
    return Target(name, triple, name, every, 32, 13, _read_caches(caches))


def _riscv(name: str, cpu: str, vector_bits: int, caches: str) -> Target:
    every = tuple(sorted(_closure((*RISCV_BASE, "v"), RISCV64.features)))
    triple = "riscv64-unknown-linux-gnu"
    return Target(name, triple, cpu, every, vector_bits, 32, _read_caches(caches))


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            _x86("x86-64", "x86-64", 64, 16, "32K/256K/4M"),
            _x86("x86-64-v2", "x86-64-v2", 64, 16, "32K/256K/8M"),
            _x86("x86-64-v3", "x86-64-v3", 256, 16, "32K/512K/16M"),
            _x86("x86-64-v4", "x86-64-v4", 512, 32, "32K/1M/16M"),
            _x86("x86-64-v4-vpopcntdq", "icelake-server", 512, 32, "32K/1M/32M"),
            _aarch64("rpi3", "cortex-a53", "", "32K/512K/0"),
            _aarch64("rpi4", "cortex-a72", "", "32K/1M/0"),
            _aarch64("rpi5", "cortex-a76", "dotprod", "64K/512K/2M"),
            _aarch64("neoverse-n1", "neoverse-n1", "dotprod", "64K/1M/32M"),
            _aarch64("apple-m1", "apple-m1", "dotprod", "128K/12M/0"),
            _armv7("rpi3-armv7", "cortex-a53", "hwdiv hwdiv-arm vfp4 vfp4d16sp", "32K/512K/0"),
            _cortex_m("cortex-m4", "vfp4d16sp", "0/0/0"),
            _cortex_m("cortex-m7", "fp-armv8d16sp", "16K/0/0"),
            _riscv("rv64gcv", "generic-rv64", 128, "32K/512K/0"),
        )
    }
)
"""Every named target, each architecture's lowest first; a new machine is one more entry."""
