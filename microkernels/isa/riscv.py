"""Names that RISC-V targets are made of: extensions and processors, as LLVM 22 spells them."""

from __future__ import annotations

from types import MappingProxyType

from microkernels.isa.architecture import Architecture, features_of

_ALONE = (
    "a b c h m zawrs zba zbb zbc zbs zicbom zicbop zicboz zicond zicsr zifencei zihintpause ztso"
)

_NEEDS = {
    "f": "zicsr",
    "d": "f",
    "q": "d",
    "zfa": "f",
    "zfhmin": "f",
    "zfh": "zfhmin",
    "v": "d zvl128b",
    "zvl128b": "",
    "zvl256b": "zvl128b",
    "zvl512b": "zvl256b",
    "zvbb": "v",
    "zvbc": "v",
    "zvfhmin": "v",
    "zvfh": "zfhmin zvfhmin",
}

FEATURES = features_of(_ALONE, _NEEDS)
"""Every extension that code may use, with those that it needs."""

BASE = ("a", "c", "d", "f", "m", "zicsr")
"""What every processor here has."""

CPUS = MappingProxyType(
    {
        "generic-rv64": "rv64gcv",
        "sifive-x280": "rv64gcv,+zba,+zbb,+zvl512b,caches=32K/512K/2M",
        "spacemit-x60": "rv64gcv,+zba,+zbb,+zbs,+zvl256b",
    }
)
"""Processors, as the machine that they are like and what they add; caches as one core sees them."""

RISCV64 = Architecture(
    name="riscv64",
    features=FEATURES,
    base=BASE,
    cpus=CPUS,
    # Vectors have a fixed length, so that any register of that length or more runs them.
    vectors={128: ("v",), 256: ("zvl256b",), 512: ("zvl512b",)},
    least_vector_bits=128,
    systems=("linux", "freebsd", "none"),
    abis=("gnu", "musl", "elf"),
    memory_operands=False,
    float_extremes=True,
    pointer_bits=64,
    elf_machine=243,
)
