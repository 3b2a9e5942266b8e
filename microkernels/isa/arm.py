"""Names that ARM targets of 32 bits are made of: features and processors, as LLVM 22 spells them.

`armv7` is ARMv7-A with NEON, in ARM mode; `thumbv7em` is the Cortex-M4 and M7, without vectors.
"""

from __future__ import annotations

from types import MappingProxyType

from microkernels.isa.architecture import Architecture, features_of

_ALONE = (
    "cde clrbhb crc db dfb dsp hwdiv hwdiv-arm lob mp mve pacbti perfmon ras sb trustzone use-misched v8 "
    "vfp2sp virtualization"
)

_NEEDS = {
    "vfp3d16sp": "vfp2sp",
    "vfp4d16sp": "vfp3d16sp",
    "fp-armv8d16sp": "vfp4d16sp",
    "fp-armv8d16": "fp-armv8d16sp",
    "vfp3": "vfp3d16sp",
    "neon": "vfp3",
    "vfp4": "vfp3 vfp4d16sp",
    "fp-armv8": "fp-armv8d16 vfp4",
    "fullfp16": "fp-armv8d16sp",
    "mve.fp": "fullfp16 mve",
    "aes": "neon",
    "bf16": "neon",
    "dotprod": "neon",
    "fp16fml": "fullfp16 neon",
    "i8mm": "neon",
    "sha2": "neon",
}

FEATURES = features_of(_ALONE, _NEEDS)
"""Every instruction-set feature of ARM, with the features it needs, and a scheduler of LLVM's."""

BASE = ("neon", "use-misched", "vfp2sp", "vfp3", "vfp3d16sp")
"""What every ARMv7-A processor here has.

Without `use-misched` LLVM orders instructions for most of them by its older scheduler, which spills: 2.59
times the least instructions, not 1.33 (C2, uint1 by uint1, 4 x 2, Unicorn, 2026-11).
"""

CPUS = MappingProxyType(
    {
        "generic": "rpi3-armv7,-vfp4,-hwdiv,-hwdiv-arm",
        "cortex-a5": "rpi3-armv7,-hwdiv,-hwdiv-arm,caches=32K/0/0",
        "cortex-a7": "rpi3-armv7,caches=32K/512K/0",
        "cortex-a8": "rpi3-armv7,-vfp4,-hwdiv,-hwdiv-arm,caches=32K/256K/0",
        "cortex-a9": "rpi3-armv7,-vfp4,-hwdiv,-hwdiv-arm,caches=32K/512K/0",
        "cortex-a15": "rpi3-armv7,caches=32K/1M/0",
        "cortex-a17": "rpi3-armv7,caches=32K/512K/0",
        "cortex-a53": "rpi3-armv7",
    }
)
"""Processors, as the machine that they are like; caches as one core sees them."""

M_CPUS = MappingProxyType(
    {
        "cortex-m4": "cortex-m4",
        "cortex-m7": "cortex-m7",
        "cortex-m33": "cortex-m4",
    }
)
"""Microcontrollers, as the one that they are like."""

ARMV7 = Architecture(
    name="armv7",
    features=FEATURES,
    base=BASE,
    cpus=CPUS,
    vectors={128: ("neon",)},
    least_vector_bits=128,
    systems=("linux", "freebsd", "netbsd", "openbsd", "none"),
    abis=("gnueabihf", "musleabihf", "androideabi", "eabihf"),
    memory_operands=False,
    float_extremes=False,
    pointer_bits=32,
    elf_machine=40,
)

THUMB = Architecture(
    name="thumbv7em",
    features=FEATURES,
    base=("dsp",),
    cpus=M_CPUS,
    vectors={32: ()},
    least_vector_bits=32,
    systems=("none",),
    abis=("eabi", "eabihf"),
    memory_operands=False,
    float_extremes=False,
    pointer_bits=32,
    elf_machine=40,
)
