"""The processors that Unicorn models: their registers, how C calls a function, how vectors are on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import capstone
import unicorn
from unicorn import arm64_const as arm64
from unicorn import arm_const as arm

VFP_ACCESS = 3 << 20
ALL_VFP_ACCESS, VFP_ON = 0xF << 20, 1 << 30
IT_STATE = 0x0600FC00


@dataclass(frozen=True)
class Processor:
    """One model."""

    engine: tuple[int, int]
    """Architecture and mode of Unicorn."""
    model: int
    pointer: str
    """A pointer, as `struct` writes it."""
    given: tuple[int, ...]
    """Registers of the first arguments."""
    kept: tuple[int, ...]
    """What a function leaves as it was, the pointer to the stack first."""
    link: int
    """The register of the address to return to."""
    counter: int
    enable: Callable[[Any], None]
    """Switch vectors on."""
    thumb: bool = False
    """Whether addresses of functions are odd, and instructions of 2 or 4 bytes."""

    @property
    def decoder(self) -> capstone.Cs:
        """What tells instructions as text."""
        if self.engine[0] == unicorn.UC_ARCH_ARM64:
            return capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
        thumb = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
        return capstone.Cs(capstone.CS_ARCH_ARM, thumb if self.thumb else capstone.CS_MODE_ARM)

    def settle(self, engine: Any) -> None:
        """Undo what Unicorn 2.1 does to Thumb where it calls a hook for an access that is conditional.

        It takes up the state of the `it` block and forgets to leave it, so that the next block of code begins
        with a conditional instruction too.
        """
        if self.thumb and (status := engine.reg_read(arm.UC_ARM_REG_XPSR)) & IT_STATE:
            engine.reg_write(arm.UC_ARM_REG_XPSR, status & ~IT_STATE)

    def instructions(self, code: bytes) -> int:
        """How many instructions a block is."""
        if not self.thumb:
            return len(code) // 4
        count = place = 0
        while place < len(code):
            place += 4 if code[place + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
            count += 1
        return count


def _enable_arm64(engine: Any) -> None:
    engine.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, VFP_ACCESS)


def _enable_arm(engine: Any) -> None:
    access = engine.reg_read(arm.UC_ARM_REG_C1_C0_2)
    engine.reg_write(arm.UC_ARM_REG_C1_C0_2, access | ALL_VFP_ACCESS)
    engine.reg_write(arm.UC_ARM_REG_FPEXC, VFP_ON)


def _named(module: Any, prefix: str, names: str) -> tuple[int, ...]:
    return tuple(getattr(module, f"{prefix}_REG_{name}") for name in names.split())


def _aarch64(model: int) -> Processor:
    kept = " ".join(["SP", *(f"X{n}" for n in range(19, 30)), *(f"D{n}" for n in range(8, 16))])
    return Processor(
        (unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM),
        model,
        "Q",
        _named(arm64, "UC_ARM64", " ".join(f"X{n}" for n in range(8))),
        _named(arm64, "UC_ARM64", kept),
        arm64.UC_ARM64_REG_X30,
        arm64.UC_ARM64_REG_PC,
        _enable_arm64,
    )


def _arm(mode: int, model: int, *, thumb: bool = False) -> Processor:
    kept = " ".join(["SP", *(f"R{n}" for n in range(4, 12)), *(f"D{n}" for n in range(8, 16))])
    return Processor(
        (unicorn.UC_ARCH_ARM, mode),
        model,
        "I",
        _named(arm, "UC_ARM", "R0 R1 R2 R3"),
        _named(arm, "UC_ARM", kept),
        arm.UC_ARM_REG_LR,
        arm.UC_ARM_REG_PC,
        _enable_arm,
        thumb,
    )


_MICRO = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS

PROCESSORS = {
    "rpi3": _aarch64(arm64.UC_CPU_ARM64_A53),
    "rpi4": _aarch64(arm64.UC_CPU_ARM64_A72),
    # Only this model has dot products.
    **dict.fromkeys(("rpi5", "neoverse-n1", "apple-m1"), _aarch64(arm64.UC_CPU_ARM64_MAX)),
    "rpi3-armv7": _arm(unicorn.UC_MODE_ARM, arm.UC_CPU_ARM_CORTEX_A15),
    "cortex-m4": _arm(_MICRO, arm.UC_CPU_ARM_CORTEX_M4, thumb=True),
    "cortex-m7": _arm(_MICRO, arm.UC_CPU_ARM_CORTEX_M7, thumb=True),
}
"""For each target a model that has what the target has."""
