"""The rates that bound a layer as the table of a machine has them, for targets that no probe can run on.

They are what the loops of `lowering.backend` (`probe`, `product_probe`, `memory_probe`) would measure there,
by the instructions of their bodies.
"""

from __future__ import annotations

from collections.abc import Mapping

from autotune.machine_table import GENERAL, LEVELS, VECTOR, MachineTable
from autotune.rates import BINARY
from microkernels.instructions import Counts
from microkernels.table import verbs_of
from microkernels.target import Target


def ceilings(target: Target, table: MachineTable) -> dict[str, float]:
    """Multiply-adds and bytes a second of one core, named as `autotune.rates.Rates` names them."""
    rates = {name: macs / cycles(counts, table) for name, (macs, counts) in _loops(target).items()}
    for level in LEVELS:
        rates |= {f"{level} read": table.read[level], f"{level} write": table.write[level]}
    return {name: rate * table.clock for name, rate in rates.items()}


def least_instructions(target: Target, products: Mapping[str, int]) -> tuple[float, str]:
    """The instructions that products of the cheapest family cost at least, and that family's name.

    `products` are those of each family; what loads, stores and sums up is not counted.
    """
    each = {name: sum(counts.values()) / macs for name, (macs, counts) in _loops(target).items()}
    family = min(products, key=lambda name: products[name] * each[name])
    return products[family] * each[family], family


def cycles(counts: Counts, table: MachineTable) -> float:
    """Cycles of instructions none of which waits for another: the busiest pipes, or what can issue."""

    def together(classes: tuple[str, ...]) -> float:
        return sum(count for name, count in counts.items() if name in classes)

    single = (count / table.rates[name] for name, count in counts.items())
    shared = (
        (together(VECTOR), table.vector),
        (together(GENERAL), table.general),
        (sum(counts.values()), table.issue),
    )
    return max(*single, *(count / rate for count, rate in shared))


def level_in(target: Target, size: int) -> str:
    """The innermost level of a target that holds so many bytes at once."""
    levels = zip(LEVELS, target.caches)
    return next((level for level, capacity in levels if size <= capacity), LEVELS[-1])


def _loops(target: Target) -> dict[str, tuple[int, Counts]]:
    return {BINARY: _binary(target), **_products(target)}


def _binary(target: Target) -> tuple[int, Counts]:
    if target.vector_bits == 512 and target.has("avx512vpopcntdq"):
        return 512, {"integer": 2, "popcount": 1}
    can = verbs_of(target).can
    if "add_pairs" in can:
        return target.vector_bits, {"integer": 1, "popcount": 1, "multiply": 1}
    if "vectors" in can:
        return target.vector_bits, {"integer": 4, "look_up": 2}
    if "scalar_popcount" in can:
        return 64, {"scalar": 2, "scalar_popcount": 1}
    if "words_64" not in can:
        return 32, {
            "scalar": 1 + 5 * 15 / 16 + 8 / 16
        }  # 15 adders of 16 words and a carry to count
    return 64, {"scalar": 13, "scalar_multiply": 1}


def _products(target: Target) -> dict[str, tuple[int, Counts]]:
    bits, can = target.simd_bits, verbs_of(target).can
    once: Counts = {"multiply": 1}
    summed: Counts = {"multiply": 1, "integer": 1}
    twice: Counts = {"multiply": 2, "integer": 1}
    if target.vector_bits == 64:
        apart: Counts = {"float": 2}
        return {"i8": (8, summed), "i16": (8, summed), "f32": (4, apart)}
    fused: Counts = {"float": 1}
    if "simd" not in can:
        return {"i8": (2, once), "i16": (2, once), "f32": (1, fused)}
    if (
        "add_pairs" in can
    ):  # halves of bytes are multiplied, and neighbours added; of i16 each is alone
        apart = {"multiply": 4}
        return {
            "i8": (16, once if "dot_ss" in can else apart),
            "i16": (4, once),
            "f32": (bits // 32, fused),
        }
    dot = target.has("avx512vnni") or target.has("avxvnni")
    return {
        "i8": (bits // 8, once if dot else twice),
        "i16": (bits // 16, once if dot else summed),
        "f32": (bits // 32, fused),
    }
