"""What came of one schedule that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["refused", "compile", "crash", "timeout", "memory", "wrong", "bounds", "lost"]


@dataclass(frozen=True)
class Measured:
    """It ran, its results are those of the reference, and it was timed."""

    seconds: float
    """Of a call: the median."""
    spread: float
    """Seconds between the least and the most."""
    relative: float
    """To the time of the reference candidate in the same run."""


@dataclass(frozen=True)
class Failed:
    """It did not; nothing of that kind is tried twice."""

    kind: FailureKind
    message: str


Outcome = Measured | Failed
