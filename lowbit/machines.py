"""The targets that can be named, and which of them this machine runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class TargetInfo:
    """One target by name."""

    name: str
    description: str
    """Its string form in full: processor, vectors, caches."""
    runs_here: bool
    why_not: str
    """In a sentence why this machine cannot run its code; empty if it can."""


def targets() -> tuple[TargetInfo, ...]:
    """Every named target; `host`, first, is this machine, unless there is no target for it."""
    from lowering.backend.host import host_target, missing_on_host
    from microkernels.target import TARGETS

    named = dict(TARGETS)
    with suppress(ValueError):
        named = {"host": host_target(), **named}
    return tuple(
        TargetInfo(
            name,
            f"{target.triple}, cpu {target.cpu}, {target.vector_registers} registers of "
            f"{target.vector_bits} bits",
            not (reason := missing_on_host(target)),
            reason,
        )
        for name, target in named.items()
    )
