"""Every kernel there is: its family, what it needs of a target, and the bits of its lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

from xdsl.dialects.builtin import f32, i32, i64

from microkernels.carry_save import CarrySave
from microkernels.depthwise import Depthwise, DepthwiseBytes
from microkernels.dot import KINDS, FourDot, HalvesDot, PairedDot, VnniDot
from microkernels.harley_seal import HarleySeal
from microkernels.interface import Microkernel
from microkernels.isa.aarch64_verbs import AArch64Verbs
from microkernels.isa.arm_verbs import ArmVerbs
from microkernels.isa.riscv_verbs import RiscvVerbs
from microkernels.isa.thumb_verbs import ThumbVerbs
from microkernels.isa.verbs import Verbs
from microkernels.isa.x86_verbs import X86Verbs
from microkernels.lookup import Lookup
from microkernels.multiply import (
    MultiplyByLane,
    MultiplyBytePairs,
    MultiplyElements,
    MultiplyPairs,
    MultiplyWidePairs,
)
from microkernels.popcount import (
    BytePopcount,
    NibblePopcount,
    PairPopcount,
    Popcount,
    ScalarPopcount,
)
from microkernels.target import Target
from microkernels.weighted import WeightedPopcount

VERBS: Mapping[str, Callable[[Target], Verbs]] = {
    "x86_64": X86Verbs,
    "aarch64": AArch64Verbs,
    "armv7": ArmVerbs,
    "thumbv7em": ThumbVerbs,
    "riscv64": RiscvVerbs,
}
"""The verbs of each architecture."""


@dataclass(frozen=True)
class Entry:
    """One kernel."""

    family: str
    lane_bits: int | None
    """Bits of a lane of the widest vectors; None for kernels of one lane."""
    kernel: Callable[[Verbs, int], Microkernel]
    """Makes it for so many lanes."""
    needs: tuple[str, ...] = ()
    """Capabilities that a target must have (`microkernels/isa/verbs.py`)."""
    unless: tuple[str, ...] = ()
    """Capabilities, each of which makes it pointless."""

    def offered(self, can: frozenset[str]) -> bool:
        """Whether it is for a target with some capabilities."""
        return can.issuperset(self.needs) and can.isdisjoint(self.unless)


_COUNTED = ("popcount_words", "popcount_bytes")

TABLE = (
    Entry("popcount", None, ScalarPopcount, ("words_64",), ("vectors",)),
    Entry("popcount", None, CarrySave, unless=("vectors", "words_64")),
    Entry("popcount", 32, Popcount, ("vectors", "popcount_words")),
    Entry("popcount", 32, NibblePopcount, ("vectors", "look_up_16"), _COUNTED),
    Entry("popcount", 16, PairPopcount, ("vectors", "add_pairs")),
    Entry("popcount", 32, BytePopcount, ("vectors",), ("popcount_words",)),
    Entry("harley_seal", 32, HarleySeal, ("vectors", "ternary"), ("popcount_words",)),
    Entry("weighted", 32, WeightedPopcount, ("vectors", "popcount_bytes", "dot_us")),
    Entry("weighted", 32, WeightedPopcount, ("vectors", "popcount_bytes", "dot_ss"), ("dot_us",)),
    Entry("lookup", 8, Lookup, ("look_up_16",)),
    Entry("lookup", 8, partial(Lookup, channels=6), ("look_up_64",)),
    *(
        Entry("dot", 16, partial(HalvesDot, kind=k), ("multiply_add_bytes",))
        for k in ("u8s8", "s8u8", "s5s8")
    ),
    Entry("dot", 32, partial(PairedDot, kind="s5s8"), ("multiply_add_bytes",)),
    *(Entry("dot", 32, partial(PairedDot, kind=k), ("multiply_add_bytes",)) for k in KINDS),
    *(Entry("dot", 32, partial(VnniDot, kind=k), ("dot_us",), ("dot_ss",)) for k in KINDS),
    *(Entry("dot", 32, partial(FourDot, kind=k), ("dot_us", "dot_ss")) for k in ("u8s8", "s8u8")),
    Entry("dot", 32, partial(FourDot, kind="s8s8"), ("dot_ss",)),
    Entry("dot", 32, partial(FourDot, kind="u8u8"), ("dot_uu",)),
    *(
        Entry("depthwise", bits, partial(DepthwiseBytes, signed=signed), ("simd", "widen"))
        for bits in (16, 32)
        for signed in (False, True)
    ),
    Entry("depthwise", 32, partial(Depthwise, element=i32)),
    Entry("depthwise", 32, partial(Depthwise, element=f32)),
    Entry("multiply", 16, MultiplyByLane, ("multiply_by_lane",)),
    Entry("multiply", 32, MultiplyPairs),
    Entry("multiply", 32, MultiplyBytePairs),
    Entry("multiply", 32, MultiplyWidePairs, ("simd",)),
    Entry("multiply", 32, partial(MultiplyElements, element=f32)),
    Entry("multiply", 64, partial(MultiplyElements, element=i64)),
)
"""All kernels, of each family the best first."""


@cache
def _kernels(target: Target) -> dict[str, tuple[str, Microkernel]]:
    """Family and kernel by name."""
    verbs = verbs_of(target)
    offered = [entry for entry in TABLE if entry.offered(verbs.can)]
    bits = target.simd_bits
    lanes = [max(1, bits // entry.lane_bits) if entry.lane_bits else 1 for entry in offered]
    made = [(entry.family, entry.kernel(verbs, n)) for entry, n in zip(offered, lanes)]
    return {kernel.name: (family, kernel) for family, kernel in made}


def verbs_of(target: Target) -> Verbs:
    """The verbs of a target, and what it can do."""
    return VERBS[target.arch](target)


def kernels(target: Target, family: str | None = None) -> list[Microkernel]:
    """Every kernel that a target can run, or those of one family."""
    made = _kernels(target).values()
    return [kernel for its, kernel in made if family in (None, its)]


def find_kernel(name: str, target: Target) -> Microkernel:
    """The kernel of that name; raises ValueError naming those there are."""
    known = _kernels(target)
    if name not in known:
        raise ValueError(f"{target.name} has no microkernel '{name}': it has {', '.join(known)}")
    return known[name][1]
