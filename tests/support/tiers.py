"""The named targets that this machine can run, and those of x86-64."""

from lowering.backend.host import missing_on_host
from microkernels.isa.x86 import LEVELS
from microkernels.target import TARGETS


def supported_tiers() -> tuple[str, ...]:
    """Name them, lowest first."""
    return tuple(name for name, target in TARGETS.items() if not missing_on_host(target))


TIERS = supported_tiers()
X86 = tuple(LEVELS)
