"""What an instruction set has, as a value: `microkernels/target.py` reads targets by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Architecture:
    """One instruction set; names of features and processors are LLVM's."""

    name: str
    """The first part of a triple."""
    features: Mapping[str, tuple[str, ...]]
    """Every feature that code may use, with those that it needs."""
    base: tuple[str, ...]
    """What no machine lacks."""
    cpus: Mapping[str, str]
    """Every processor as a target's text, without the processor."""
    vectors: Mapping[int, tuple[str, ...]]
    """The widths that bits may be counted in, with the features that each needs."""
    least_vector_bits: int
    """Bits of the vectors that every machine has, counted in or not; where there are none, of a register."""
    systems: tuple[str, ...]
    """What the third part of a triple may be."""
    abis: tuple[str, ...]
    """What it may end in; objects are ELF."""
    memory_operands: bool
    """Whether an instruction may take an operand from memory."""
    float_extremes: bool
    """Whether an instruction gives the larger of two floats, passing over NaN."""
    pointer_bits: int
    """Bits of a pointer and of `index`: 32 or 64."""
    elf_machine: int
    """The number of the architecture in the header of an object."""
    tuning: str = ""
    """Features, on or off as LLVM takes them, that decide how it orders code and not what is in it."""


def features_of(alone: str, needs: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """The table of features: those that need no other, and those that do with the names of these."""
    listed = dict.fromkeys(alone.split(), "") | dict(needs)
    return MappingProxyType({name: tuple(needed.split()) for name, needed in listed.items()})
