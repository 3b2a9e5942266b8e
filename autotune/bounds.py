"""What bounds code that runs side by side: how long each kind of pipe is taken, and the bounds together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from autotune.machine_table import GENERAL, VECTOR, MachineTable

_ALONE = "products that no sum waits for"


def pressures(counts: Mapping[str, float], machine: MachineTable) -> dict[str, float]:
    """Cycles that each kind of pipe is taken by so many instructions of each class."""
    return settled(shares(counts, machine), machine)


def shares(counts: Mapping[str, float], machine: MachineTable) -> dict[str, float]:
    """What `settled` makes pressures of: what parts of a code have of these adds up."""
    rate, mixed, get = machine.rates, machine.mixing, counts.get
    moved = get("look_up", 0) + machine.spreading * get("spread", 0)
    moved += machine.shifting * get("shift", 0)
    permuted = get("permute", 0) / rate["permute"] + get("widening", 0) / rate["widening"]
    loads = get("load", 0) + get("broadcast", 0) + get("spread", 0)
    copies = machine.copying * get("copy", 0)
    return {
        "vectors": (sum(get(name, 0) for name in VECTOR) + copies) / machine.vector,
        "popcounts": get("popcount", 0) / rate["popcount"],
        "look-ups": (moved / rate["look_up"] + permuted) / mixed,
        "shifts": get("shift", 0) / rate["shift"],
        "products": get("multiply", 0) / rate["multiply"],
        "float": get("float", 0) / rate["float"],
        "ternary": get("ternary", 0) / rate["ternary"] / mixed,
        "loads": loads / rate["load"],
        "stores": get("store", 0) / rate["store"],
        "scalars": sum(get(name, 0) for name in GENERAL) / machine.general,
        "scalar products": get("scalar_multiply", 0) / rate["scalar_multiply"],
        "issue": sum(counts.values()) / machine.issue,
        _ALONE: get("multiply", 0) - get("integer", 0),
    }


def settled(added: dict[str, float], machine: MachineTable) -> dict[str, float]:
    """Cycles that each kind of pipe is taken by code of which all `shares` are `added`.

    Products that no addition waits for keep their full rate: `vpdpbusd` runs at 1.96 of 2 a cycle (Zen 5).
    """
    if added.pop(_ALONE, 0) <= 0 and "products" in added:
        added["products"] /= machine.mixing
    return added


def joint(bounds: Collection[float], sharpness: float) -> float:
    """Cycles of what goes on side by side: of the longest, and more where others take nearly as long.

    The norm of order `sharpness`: 1 is the sum, infinity the maximum.
    """
    longest = max(bounds)
    if not longest:
        return 0.0
    return longest * sum([(one / longest) ** sharpness for one in bounds]) ** (1 / sharpness)
