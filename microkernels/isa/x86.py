"""Names that x86-64 targets are made of: instruction-set features and processors, as LLVM 22 spells them.

LLVM answers an unknown name with a warning and goes on without it, so every name is looked up here
first; a test compares both tables with LLVM's own.
"""

from __future__ import annotations

from types import MappingProxyType

from microkernels.isa.architecture import Architecture, features_of

_SSE4 = "sse2 sse3 ssse3 sse4.1 sse4.2"
_F = "avx512f"
_BW = "avx512bw"
_AVX10_1 = (
    "avx512bf16 avx512bitalg avx512bw avx512cd avx512dq avx512fp16 avx512ifma avx512vbmi "
    "avx512vbmi2 avx512vl avx512vnni avx512vpopcntdq"
)

_ALONE = (
    "adx aes amx-tile bmi bmi2 ccmp cf cldemote clflushopt clwb clzero cmov cmpccxadd crc32 cx16 "
    "cx8 egpr enqcmd fsgsbase fxsr gfni hreset invpcid kl lwp lzcnt mmx movbe movdir64b movdiri "
    "movrs mwaitx ndd nf pclmul pconfig pku popcnt ppx prefetchi prfchw ptwrite push2pop2 raoint "
    "rdpid rdpru rdrnd rdseed rtm sahf serialize sgx sha shstk sse tbm tsxldtrk uintr usermsr "
    "waitpkg wbnoinvd xsave zu"
)

_NEEDS = {
    "sse2": "sse",
    "sse3": "sse2",
    "ssse3": "sse3",
    "sse4.1": "ssse3",
    "sse4.2": "sse4.1",
    "sse4a": "sse3",
    "avx": "sse4.2",
    "avx2": "avx",
    "f16c": "avx",
    "fma": "avx",
    "fma4": "avx sse4a",
    "xop": "fma4",
    "avxifma": "avx2",
    "avxneconvert": "avx2",
    "avxvnni": "avx2",
    "avxvnniint16": "avx2",
    "avxvnniint8": "avx2",
    "sha512": "avx2",
    "sm3": "avx",
    "sm4": "avx2",
    "vaes": "aes avx2",
    "vpclmulqdq": "avx pclmul",
    "avx512f": "avx2 f16c fma",
    "avx512bf16": _BW,
    "avx512bitalg": _BW,
    "avx512bw": _F,
    "avx512cd": _F,
    "avx512dq": _F,
    "avx512fp16": _BW,
    "avx512ifma": _F,
    "avx512vbmi": _BW,
    "avx512vbmi2": _BW,
    "avx512vl": _F,
    "avx512vnni": _F,
    "avx512vp2intersect": _F,
    "avx512vpopcntdq": _F,
    "avx10.1": _AVX10_1,
    "avx10.2": "avx10.1",
    "amx-avx512": "amx-tile",
    "amx-bf16": "amx-tile",
    "amx-complex": "amx-tile",
    "amx-fp16": "amx-tile",
    "amx-fp8": "amx-tile",
    "amx-int8": "amx-tile",
    "amx-movrs": "amx-tile",
    "amx-tf32": "amx-tile",
    "widekl": "kl",
    "xsavec": "xsave",
    "xsaveopt": "xsave",
    "xsaves": "xsave",
}

FEATURES = features_of(_ALONE, _NEEDS)
"""Every instruction-set feature of x86-64, with the features it needs."""

_BITS = {
    (1, 0, "d"): "cx8 8 cmov 15 mmx 23 fxsr 24 sse 25 sse2 26",
    (1, 0, "c"): (
        "sse3 0 pclmul 1 ssse3 9 fma 12 cx16 13 sse4.1 19 sse4.2 20 crc32 20 movbe 22 popcnt 23 aes 25 "
        "xsave 26 avx 28 f16c 29 rdrnd 30"
    ),
    (7, 0, "b"): (
        "fsgsbase 0 bmi 3 avx2 5 bmi2 8 invpcid 10 avx512f 16 avx512dq 17 rdseed 18 adx 19 avx512ifma 21 "
        "clflushopt 23 clwb 24 avx512cd 28 sha 29 avx512bw 30 avx512vl 31"
    ),
    (7, 0, "c"): (
        "avx512vbmi 1 avx512vbmi2 6 gfni 8 vaes 9 vpclmulqdq 10 avx512vnni 11 avx512bitalg 12 "
        "avx512vpopcntdq 14 rdpid 22"
    ),
    (
        7,
        0,
        "d",
    ): "avx512vp2intersect 8 serialize 14 amx-bf16 22 avx512fp16 23 amx-tile 24 amx-int8 25",
    (7, 1, "a"): "avxvnni 4 avx512bf16 5 avxifma 23",
    (7, 1, "d"): "avxvnniint8 4 avxneconvert 5 avxvnniint16 10",
    (0x80000001, 0, "c"): "sahf 0 lzcnt 5 sse4a 6 prfchw 8",
}
CPUID = MappingProxyType(
    {
        feature: (*place, int(bit))
        for place, listed in _BITS.items()
        for feature, bit in zip(*[iter(listed.split())] * 2)
    }
)
"""Leaf, subleaf, register and bit by which the instruction `cpuid` tells of a feature."""

_V1 = "cmov cx8 fxsr mmx sse sse2"
_V2 = f"{_V1} crc32 cx16 popcnt sahf {_SSE4}"
_V3 = f"{_V2} avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"
_V4 = f"{_V3} avx512bw avx512cd avx512dq avx512f avx512vl"
_VPOPCNTDQ = (
    f"{_V4} aes avx512bitalg avx512ifma avx512vbmi avx512vbmi2 avx512vnni avx512vpopcntdq gfni "
    "pclmul vaes vpclmulqdq"
)

LEVELS = MappingProxyType(
    {
        name: tuple(sorted(set(features.split())))
        for name, features in {
            "x86-64": _V1,
            "x86-64-v2": _V2,
            "x86-64-v3": _V3,
            "x86-64-v4": _V4,
            "x86-64-v4-vpopcntdq": _VPOPCNTDQ,
        }.items()
    }
)
"""The features of each level, lowest first; the last is what Ice Lake, Zen 4 and Zen 5 share."""

_GLC = "+avx512bf16,+avx512fp16,+avxvnni"
_INT16 = "+avxvnni,+avxvnniint8,+avxvnniint16,+gfni"

CPUS = MappingProxyType(
    {
        "x86-64": "x86-64",
        "k8": "x86-64",
        "core2": "x86-64",
        "penryn": "x86-64",
        "bonnell": "x86-64",
        "x86-64-v2": "x86-64-v2",
        "nehalem": "x86-64-v2,caches=32K/256K/8M",
        "westmere": "x86-64-v2,caches=32K/256K/12M",
        "sandybridge": "x86-64-v2,+avx,caches=32K/256K/8M",
        "ivybridge": "x86-64-v2,+avx,caches=32K/256K/8M",
        "silvermont": "x86-64-v2,caches=24K/1M/0",
        "goldmont": "x86-64-v2,caches=24K/1M/0",
        "goldmont-plus": "x86-64-v2,caches=24K/4M/0",
        "tremont": "x86-64-v2,+gfni,caches=32K/1536K/4M",
        "btver2": "x86-64-v2,+avx,caches=32K/2M/0",
        "bdver1": "x86-64-v2,+avx,caches=16K/2M/8M",
        "bdver2": "x86-64-v2,+avx,caches=16K/2M/8M",
        "bdver3": "x86-64-v2,+avx,caches=16K/2M/0",
        "x86-64-v3": "x86-64-v3",
        "bdver4": "x86-64-v3,caches=32K/1M/0",
        "haswell": "x86-64-v3,caches=32K/256K/8M",
        "broadwell": "x86-64-v3,caches=32K/256K/8M",
        "skylake": "x86-64-v3,caches=32K/256K/8M",
        "knl": "x86-64-v3,caches=32K/512K/0",
        "knm": "x86-64-v3,caches=32K/512K/0",
        "znver1": "x86-64-v3,caches=32K/512K/8M",
        "znver2": "x86-64-v3,caches=32K/512K/16M",
        "znver3": "x86-64-v3,caches=32K/512K/32M",
        "alderlake": "x86-64-v3,+avxvnni,+gfni,caches=48K/1280K/30M",
        "raptorlake": "x86-64-v3,+avxvnni,+gfni,caches=48K/2M/36M",
        "meteorlake": "x86-64-v3,+avxvnni,+gfni,caches=48K/2M/24M",
        "gracemont": "x86-64-v3,+avxvnni,+gfni,caches=32K/2M/6M",
        "arrowlake": "x86-64-v3,+avxvnni,+avxvnniint8,+gfni,caches=48K/3M/36M",
        "sierraforest": "x86-64-v3,+avxvnni,+avxvnniint8,+gfni,caches=32K/4M/108M",
        "grandridge": "x86-64-v3,+avxvnni,+avxvnniint8,+gfni,caches=32K/4M/0",
        "arrowlake-s": f"x86-64-v3,{_INT16},caches=48K/3M/36M",
        "lunarlake": f"x86-64-v3,{_INT16},caches=48K/2560K/12M",
        "pantherlake": f"x86-64-v3,{_INT16},caches=48K/3M/18M",
        "clearwaterforest": f"x86-64-v3,{_INT16},caches=32K/4M/108M",
        "x86-64-v4": "x86-64-v4",
        "skylake-avx512": "x86-64-v4,caches=32K/1M/16M",
        "cascadelake": "x86-64-v4,+avx512vnni,caches=32K/1M/16M",
        "cooperlake": "x86-64-v4,+avx512vnni,+avx512bf16,caches=32K/1M/16M",
        "cannonlake": "x86-64-v4,+avx512ifma,+avx512vbmi,caches=32K/256K/4M",
        "icelake-client": "x86-64-v4-vpopcntdq,caches=48K/512K/8M",
        "icelake-server": "x86-64-v4-vpopcntdq,caches=48K/1280K/24M",
        "rocketlake": "x86-64-v4-vpopcntdq,caches=48K/512K/16M",
        "tigerlake": "x86-64-v4-vpopcntdq,caches=48K/1280K/12M",
        "sapphirerapids": f"x86-64-v4-vpopcntdq,{_GLC},caches=48K/2M/60M",
        "emeraldrapids": f"x86-64-v4-vpopcntdq,{_GLC},caches=48K/2M/160M",
        "graniterapids": f"x86-64-v4-vpopcntdq,{_GLC},caches=48K/2M/288M",
        "graniterapids-d": f"x86-64-v4-vpopcntdq,{_GLC},caches=48K/2M/144M",
        "diamondrapids": f"x86-64-v4-vpopcntdq,{_GLC}",
        "novalake": f"x86-64-v4-vpopcntdq,{_GLC}",
        "znver4": "x86-64-v4-vpopcntdq,+avx512bf16,caches=32K/1M/32M",
        "znver5": "x86-64-v4-vpopcntdq,+avx512bf16,+avxvnni,caches=48K/1M/32M",
    }
)
"""Every processor, as the level it runs and what it adds; caches are L1d, L2 and L3 as one core sees them."""

X86_64 = Architecture(
    name="x86_64",
    features=FEATURES,
    base=LEVELS["x86-64"],
    cpus=CPUS,
    # 64 is the scalar tier, which counts bits in general registers.
    vectors={64: (), 256: ("avx2",), 512: ("avx512bw", "avx512vl")},
    least_vector_bits=128,
    systems=("linux", "freebsd", "netbsd", "openbsd", "none"),
    abis=("gnu", "musl", "android", "elf"),
    memory_operands=True,
    float_extremes=True,
    pointer_bits=64,
    elf_machine=62,
)
