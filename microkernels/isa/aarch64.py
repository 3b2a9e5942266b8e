"""Names that AArch64 targets are made of: instruction-set features and processors, as LLVM 22 spells them."""

from __future__ import annotations

from types import MappingProxyType

from microkernels.isa.architecture import Architecture, features_of

_ALONE = (
    "bti cmpbr crc cssc dit flagm fp-armv8 hbc ls64 lse lse2 mops mte pauth perfmon predres rand ras rcpc sb "
    "specrestrict ssbs wfxt"
)

_NEEDS = {
    "altnzcv": "flagm",
    "fprcvt": "fp-armv8",
    "fptoint": "fp-armv8",
    "fullfp16": "fp-armv8",
    "jsconv": "fp-armv8",
    "neon": "fp-armv8",
    "aes": "neon",
    "bf16": "neon",
    "complxnum": "neon",
    "dotprod": "neon",
    "faminmax": "neon",
    "fp16fml": "fullfp16 neon",
    "fp8": "neon",
    "i8mm": "neon",
    "lut": "neon",
    "rdm": "neon",
    "sha2": "neon",
    "sha3": "sha2",
    "sm4": "neon",
    "lse128": "lse",
    "rcpc-immo": "rcpc",
    "rcpc3": "rcpc-immo",
    "sve": "fullfp16",
    "f32mm": "sve",
    "f64mm": "sve",
    "sve2": "sve",
    "sve2p1": "sve2",
    "sme": "bf16 fullfp16",
    "sme2": "sme",
}

FEATURES = features_of(_ALONE, _NEEDS)
"""Every instruction-set feature of AArch64, with the features it needs."""

BASE = ("fp-armv8", "neon")
"""What every processor here has; code for SVE and SME there is none."""

_WITH_I8MM = "rpi5,+bf16,+i8mm"

CPUS = MappingProxyType(
    {
        "generic": "rpi3",
        "cortex-a35": "rpi3",
        "cortex-a53": "rpi3",
        "cortex-a55": "rpi3,+dotprod,caches=32K/256K/2M",
        "cortex-a57": "rpi4,caches=32K/2M/0",
        "cortex-a72": "rpi4",
        "cortex-a73": "rpi4,caches=64K/2M/0",
        "cortex-a75": "rpi5,caches=64K/512K/4M",
        "cortex-a76": "rpi5",
        "cortex-a77": "rpi5,caches=64K/512K/4M",
        "cortex-a78": "rpi5,caches=64K/512K/8M",
        "cortex-x1": "rpi5,caches=64K/1M/8M",
        "cortex-a510": f"{_WITH_I8MM},caches=64K/512K/8M",
        "cortex-a710": f"{_WITH_I8MM},caches=64K/512K/8M",
        "cortex-a715": f"{_WITH_I8MM},caches=64K/512K/8M",
        "cortex-a720": f"{_WITH_I8MM},caches=64K/512K/8M",
        "cortex-x2": f"{_WITH_I8MM},caches=64K/1M/8M",
        "cortex-x3": f"{_WITH_I8MM},caches=64K/1M/8M",
        "cortex-x4": f"{_WITH_I8MM},caches=64K/2M/8M",
        "neoverse-n1": "neoverse-n1",
        "neoverse-n2": "neoverse-n1,+bf16,+i8mm",
        "neoverse-v1": "neoverse-n1,+bf16,+i8mm",
        "neoverse-v2": "neoverse-n1,+bf16,+i8mm,caches=64K/2M/32M",
        "apple-m1": "apple-m1",
        "apple-m2": "apple-m1,+bf16,+i8mm,caches=128K/16M/0",
        "apple-m3": "apple-m1,+bf16,+i8mm,caches=128K/16M/0",
        "apple-m4": "apple-m1,+bf16,+i8mm,caches=128K/16M/0",
    }
)
"""Processors, as the machine that they are like and what they add; caches as one core sees them."""

AARCH64 = Architecture(
    name="aarch64",
    features=FEATURES,
    base=BASE,
    cpus=CPUS,
    vectors={128: ("neon",)},
    least_vector_bits=128,
    systems=("linux", "freebsd", "netbsd", "openbsd", "none"),
    abis=("gnu", "musl", "android", "elf"),
    memory_operands=False,
    float_extremes=True,
    pointer_bits=64,
    elf_machine=183,
    # Scheduling after registers are given parts what kernels have put in an order: C2 at 1 x 1 bits in turns
    # takes 0.90 of the cycles without (modelled by llvm-mca 22 for the Cortex-A53, 2026-11).
    tuning="-use-postra-scheduler",
)
