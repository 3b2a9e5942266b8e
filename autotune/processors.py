"""The tables of processors that are shipped, and which of them a target costs by.

Measured with `autotune/machine_measured.py` are Zen 5 (EPYC, VM, 4.07 GHz), Zen 3 (EPYC, VM, 3.2 GHz), Zen 4
at 256 bits (EPYC, VM, 2.8 GHz) and Cascade Lake (Xeon, VM, 3.0 GHz), all in 2026-11. Zen 4 at 512 bits and
Ice Lake follow what is commonly published of them, and have not been checked on such a
core. A level of x86-64 names no processor: with AVX-512 it costs as on Zen 5, the newest that was measured,
without as on Zen 3, whose choices lose least on others. By the model, of six pairs on the layers of ResNet18,
by 1.6 to 4.6 % on Zen 5 and 0.5 to 3.7 % on Zen 4 and Skylake; those of Zen 5 lose 3 to 14 % on the others.
Write `x86-64-v3,cpu=znver5` for another. Those of AArch64 follow LLVM's scheduling models and what is
published; no board was there.
"""

from __future__ import annotations

from dataclasses import replace

from autotune.machine_table import LEVELS, VECTOR, MachineTable
from microkernels.target import TARGETS, Target


def _rates(**changed: float) -> dict[str, float]:
    """Rates of Zen 5, which has two pipes for most of what is no plain arithmetic."""
    rates = {
        "load": 2.0,
        "broadcast": 2.0,
        "spread": 2.0,
        "store": 2.0,
        "integer": 4.0,
        "shift": 2.0,
        "ternary": 3.3,
    }
    rates |= {
        "popcount": 2.0,
        "look_up": 2.0,
        "permute": 1.73,
        "widening": 2.0,
        "multiply": 2.0,
        "float": 2.0,
    }
    rates |= {"scalar": 5.0, "scalar_popcount": 4.0, "scalar_multiply": 3.0, "branch": 2.0}
    return rates | changed


def _latency(**changed: float) -> dict[str, float]:
    latency = {"integer": 2.0, "ternary": 2.0, "multiply": 3.0, "float": 2.0, "scalar": 1.0}
    return latency | changed


def _bytes(*rates: float) -> dict[str, float]:
    return dict(zip(LEVELS, rates, strict=True))


_FREE = 1e9
"""Bytes a cycle where it takes no time."""
_ZEN5 = MachineTable(
    name="znver5",
    source="shipped",
    clock=4.07e9,
    issue=8,
    vector=4,
    general=4.5,
    mixing=0.8,
    copying=1,
    spreading=1,
    shifting=0,
    sharpness=13,
    overlap=2.5,
    filling=0,
    exposed=0,
    rates=_rates(store=1),
    latency=_latency(),
    forward=7,
    read=_bytes(130, 63, 29, 9),
    write=_bytes(64, 63, 26, 5),
)
_ZEN4 = replace(
    _ZEN5,
    name="znver4",
    clock=3.7e9,
    issue=6,
    vector=2,
    general=4,
    shifting=1,
    overlap=3.5,
    rates=_rates(
        load=1,
        store=0.5,
        integer=2,
        shift=1,
        ternary=2,
        popcount=1,
        look_up=1,
        permute=1,
        widening=1,
        multiply=1,
        float=1,
        scalar=4,
        scalar_multiply=1,
    ),
    latency=_latency(integer=1, ternary=1, float=3),
    read=_bytes(64, 32, 26, 9),
    write=_bytes(32, 26, 22, 8),
)
# A loop of a look-up and a shift takes twice as long as one of the two: they share their pipes. A subtraction
# for each look-up leaves 1.6 look-ups of 2 a cycle, loads beside them 1.3 to 1.5: no bound is reached. Copies
# beside four subtractions take no time. Blocks of one pixel, whose loads bind, take up to 1.1 of their time
# beside bytes from L2, which others hide: `load`, `filling` and `overlap` are fitted to 550 schedules of 8
# layers at 7 pairs, all with vectors of 256 bits. Alone 1 vector a cycle is widened, beside sums more.
_ZEN3 = replace(
    _ZEN4,
    name="znver3",
    clock=3.24e9,
    vector=4,
    copying=0,
    spreading=0,
    shifting=1,
    sharpness=5,
    overlap=5,
    filling=0.3,
    exposed=0.5,
    rates=_rates(
        load=1.9,
        store=1,
        ternary=4,
        widening=1.5,
        scalar=4,
        scalar_popcount=3,
        scalar_multiply=1,
    ),
    latency=_latency(integer=1, float=3),
    read=_bytes(63, 31, 24, 6.5),
    write=_bytes(32, 30, 22, 4.6),
    bits=256,
)
_ZEN3_128 = replace(
    _ZEN3,
    overlap=3.5,
    filling=0,
    rates={**_ZEN3.rates, "load": 2.0, "widening": 2.0},
    bits=128,
)
_ICE_LAKE = replace(
    _ZEN4,
    name="icelake-server",
    clock=2.9e9,
    issue=5,
    shifting=0,
    rates=_rates(
        store=1,
        integer=2,
        shift=1,
        ternary=2,
        popcount=1,
        look_up=1,
        permute=1,
        widening=1,
        multiply=1,
        float=2,
        scalar=4,
    )
    | {"scalar_popcount": 1, "scalar_multiply": 1},
    latency=_latency(integer=1, ternary=1, multiply=5, float=4),
    forward=5,
    read=_bytes(110, 45, 14, 5),
    write=_bytes(60, 30, 10, 4),
)
_CASCADE_LAKE = replace(
    _ICE_LAKE,
    name="cascadelake",
    clock=2.6e9,
    issue=4,
    mixing=1,
    copying=0,
    spreading=0,
    rates={**_ICE_LAKE.rates, "multiply": 1.75, "float": 1.75},
    read=_bytes(128, 42, 9, 4.5),
    write=_bytes(64, 20, 8, 3),
)
# Vectors of 512 bits lower the clock, and take two of the three pipes of narrower ones.
_CASCADE_LAKE_256 = replace(
    _CASCADE_LAKE,
    clock=3e9,
    vector=3,
    issue=3.5,
    mixing=0.95,
    rates={**_CASCADE_LAKE.rates, "integer": 3.0, "shift": 2.0, "multiply": 2.0, "float": 2.0},
    read=_bytes(64, 30, 8.5, 4),
    write=_bytes(32, 20, 7, 2.7),
    bits=256,
)
# In order: by llvm-mca a load is seldom issued beside arithmetic on vectors, and a look-up in four registers,
# which is issued in one cycle, takes 6.6 in a block of 4 x 4: tables, look-ups and sums wait for each other.
_A53 = MachineTable(
    name="cortex-a53",
    source="shipped",
    clock=1.2e9,
    issue=1,
    vector=1,
    general=2,
    mixing=1,
    copying=1,
    spreading=0,
    shifting=0,
    sharpness=13,
    overlap=1,
    filling=0,
    exposed=0,
    rates=dict.fromkeys(_rates(), 1.0) | {"permute": 0.15, "scalar": 2, "scalar_popcount": 0.25},
    latency=_latency(integer=3, ternary=3, multiply=4, float=4),
    forward=5,
    read=_bytes(8, 4, 2, 1.5),
    write=_bytes(8, 4, 2, 1.2),
    bits=128,
)
# An instruction a cycle, loads in two; without caches these have all that bringing takes.
_M4 = replace(
    _A53,
    name="cortex-m4",
    clock=168e6,
    general=1,
    rates=dict.fromkeys(_rates(), 1.0) | {"load": 0.5, "store": 0.5, "scalar_popcount": 0.08},
    latency=_latency(integer=1, ternary=1, multiply=1, float=3),
    forward=2,
    read=_bytes(*[_FREE] * 4),
    write=_bytes(*[_FREE] * 4),
    bits=32,
)
# A look-up in one register is 3 micro-ops on two pipes: C9 at 2 x 1 bit takes 0.98 cycles by look-ups, 0.58
# by popcounts (llvm-mca). One in four registers is 9, by LLVM also on the A76.
_A72 = replace(
    _A53,
    name="cortex-a72",
    clock=1.5e9,
    issue=3,
    vector=2,
    overlap=2.5,
    rates={**_A53.rates, "integer": 2, "popcount": 2, "float": 2, "look_up": 0.67, "permute": 0.22},
    read=_bytes(16, 8, 4, 3),
    write=_bytes(16, 8, 3, 2),
)
_A76 = replace(
    _A72,
    name="cortex-a76",
    clock=2.4e9,
    issue=4,
    general=3,
    rates={**_A72.rates, **dict.fromkeys(("load", "broadcast", "spread", "look_up", "multiply"), 2)}
    | {"scalar": 3},
    latency=_latency(multiply=1, float=2),
    read=_bytes(32, 16, 8, 5),
    write=_bytes(16, 12, 6, 3),
)
_M1 = replace(
    _A76,
    name="apple-m1",
    clock=3.2e9,
    issue=8,
    vector=4,
    general=6,
    rates={
        **_A76.rates,
        **dict.fromkeys(("integer", "popcount", "look_up", "widening", "multiply", "float"), 4.0),
        **dict.fromkeys(("load", "broadcast", "spread"), 3.0),
        **{"store": 2.0, "scalar": 6.0},
    },
    latency=_latency(multiply=3, float=3),
    read=_bytes(48, 32, 16, 16),
    write=_bytes(32, 24, 12, 10),
)
_NARROWER = {"znver4": 2.0, "icelake-server": 1.5}
"""How many more instructions on vectors of 256 bits such a core issues than on 512."""
_SHIPPED = {
    **{
        table.name: table
        for table in (_ZEN3, _ZEN4, _ZEN5, _ICE_LAKE, _CASCADE_LAKE, _A53, _A72, _A76, _M1)
    },
    "skylake-avx512": _CASCADE_LAKE,
    "cooperlake": _CASCADE_LAKE,
    "skylake": _CASCADE_LAKE_256,
}
_NARROW = {"cascadelake": _CASCADE_LAKE_256, "znver3": _ZEN3_128}
"""Tables of vectors of 256 bits and less that do not follow from those of 512."""
_STANDS = {"x86_64": _ZEN5, "aarch64": _A76, "armv7": _A53, "thumbv7em": _M4, "riscv64": _A53}
"""What a processor without a table of its own costs as, by architecture."""
_MACHINES = {"rpi3": _A53, "rpi4": _A72, "apple-m1": _M1}
"""The tables of named targets that are machines, not levels."""


def table_of(target: Target) -> MachineTable:
    """The shipped table of a target: of its processor, or of one that stands for its level."""
    table = _STANDS[target.arch]
    if target.arch == "x86_64" and target.simd_bits < table.bits:
        table = _ZEN3
    if target.cpu == TARGETS[target.name].cpu:
        table = _MACHINES.get(target.name, table)
    else:
        table = _SHIPPED.get(target.cpu, table)
    if target.simd_bits < table.bits:
        table = _NARROW.get(table.name, table)
    if target.simd_bits == table.bits or table.name in _NARROW:
        return table
    faster = _NARROWER.get(table.name, 1.0)
    wider = {name: table.rates[name] * faster for name in VECTOR if name in table.rates}
    moves = {"load": 2.0, "broadcast": 2.0, "store": 2.0 if table.name == "znver5" else 1.0}
    rates = {**table.rates, **wider, **moves}
    return replace(table, vector=table.vector * faster, spreading=0, rates=rates)
