"""What instructions and bytes cost on one core: the only constants of the cost model, a table a machine.

A table is measured (`autotune/machine_measured.py`) or shipped for a processor (`autotune/processors.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VECTOR = (
    "integer",
    "shift",
    "ternary",
    "popcount",
    "look_up",
    "permute",
    "widening",
    "multiply",
    "float",
)
"""The classes of instructions that share the vector pipes; copies may too (`MachineTable.copying`)."""
GENERAL = ("scalar", "scalar_popcount", "scalar_multiply", "branch")
"""The classes that share the pipes of general registers."""
LEVELS = ("L1", "L2", "L3", "memory")


@dataclass(frozen=True)
class MachineTable:
    """One core at one width of vectors: rates a cycle, latencies in cycles."""

    name: str
    source: str
    """Where the numbers are from: `measured`, or `shipped`."""
    clock: float
    """Cycles a second."""
    issue: float
    """Instructions a cycle, of all classes."""
    vector: float
    """Instructions on vectors a cycle, of all classes together."""
    general: float
    """Instructions on general registers a cycle, of all classes together; fewer than of one alone."""
    mixing: float
    """The share of a rate that is left where results go on to instructions of another class."""
    copying: float
    """Pipes of vectors that a copy from register to register takes; 0 where renaming does it."""
    spreading: float
    """Pipes of look-ups that a load of 128 bits to all of a vector takes beside its load."""
    shifting: float
    """Pipes of look-ups that a shift takes."""
    sharpness: float
    """How nearly the fullest of the pipes alone bounds a register block (`autotune.bounds.joint`)."""
    overlap: float
    """The same of the core's work and what fills its caches."""
    filling: float
    """The part of the time to fill L1 from L2 that takes the ports of loads: 0 where it was not measured."""
    exposed: float
    """The part of the time to write results to L3 and beyond, and to read from there what does not lie in a
    row, that goes on beside nothing."""
    rates: Mapping[str, float]
    """Instructions a cycle of each class."""
    latency: Mapping[str, float]
    """Cycles from an instruction to one of the same class that waits for it."""
    forward: float
    """Cycles from a store to a load of the same address and back in a register."""
    read: Mapping[str, float]
    """Bytes a cycle from each level."""
    write: Mapping[str, float]
    """Bytes a cycle to each level."""
    bits: int = 512
    """The width of vectors that its rates are for."""

    def seconds(self, cycles: float) -> float:
        """Seconds of so many cycles."""
        return cycles / self.clock
