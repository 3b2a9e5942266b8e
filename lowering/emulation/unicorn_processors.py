"""The processors that Unicorn models: their registers, how C calls a function, how vectors are on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from lowering.emulation.extra import extra_model
from microkernels.target import Target

_VFP_ACCESS = 3 << 20
_ALL_VFP_ACCESS, _VFP_ON = 0xF << 20, 1 << 30
_IT_STATE = 0x0600FC00
_MODELS = {
    "cortex-a53": "ARM64_A53",
    "cortex-a72": "ARM64_A72",
    "cortex-m4": "ARM_CORTEX_M4",
    "cortex-m7": "ARM_CORTEX_M7",
    "cortex-m33": "ARM_CORTEX_M33",
}
"""Of these processors there is a model; the others run on one that has all there is."""


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
    status: int
    """The register of the state of conditional blocks."""
    enable: Callable[[Any], None]
    """Switch vectors on."""
    decoder: tuple[int, int]
    """Architecture and mode of Capstone."""
    thumb: bool = False
    """Whether addresses of functions are odd, and instructions of 2 or 4 bytes."""

    def decoded(self, code: bytes, address: int) -> list[str]:
        """Instructions as text."""
        with extra_model():
            decoder: Any = import_module("capstone").Cs(*self.decoder)
        return [f"{one.mnemonic} {one.op_str}" for one in decoder.disasm(code, address)]

    def settle(self, engine: Any) -> None:
        """Undo what Unicorn 2.1 does to Thumb where it calls a hook for an access that is conditional.

        It takes up the state of the `it` block and forgets to leave it, so that the next block of code begins
        with a conditional instruction too.
        """
        if self.thumb and (status := engine.reg_read(self.status)) & _IT_STATE:
            engine.reg_write(self.status, status & ~_IT_STATE)

    def instructions(self, code: bytes) -> int:
        """How many instructions a block is."""
        if not self.thumb:
            return len(code) // 4
        count = place = 0
        while place < len(code):
            place += 4 if code[place + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
            count += 1
        return count


@cache
def processor_of(target: Target) -> Processor:
    """The model that runs code for a target; raises ValueError where there is none."""
    makers = {"aarch64": _aarch64, "armv7": _armv7, "thumbv7em": _thumb}
    if target.arch not in makers:
        known = ", ".join(makers)
        raise ValueError(
            f"instructions are counted for {known}: of {target.arch} nothing here models all that "
            f"{target.name} has"
        )
    with extra_model():
        unicorn: Any = import_module("unicorn")
        capstone: Any = import_module("capstone")
        return makers[target.arch](target, unicorn, capstone)


def _aarch64(target: Target, unicorn: Any, capstone: Any) -> Processor:
    names: Any = import_module("unicorn.arm64_const")
    # Only the model that has everything has dot products.
    model = "ARM64_MAX" if target.has("dotprod") else _MODELS.get(target.cpu, "ARM64_MAX")
    kept = " ".join(["SP", *(f"X{n}" for n in range(19, 30)), *(f"D{n}" for n in range(8, 16))])
    return Processor(
        (unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM),
        getattr(names, f"UC_CPU_{model}"),
        "Q",
        _named(names, "ARM64", " ".join(f"X{n}" for n in range(8))),
        _named(names, "ARM64", kept),
        names.UC_ARM64_REG_X30,
        names.UC_ARM64_REG_PC,
        names.UC_ARM64_REG_NZCV,
        lambda engine: engine.reg_write(names.UC_ARM64_REG_CPACR_EL1, _VFP_ACCESS),
        (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
    )


def _armv7(target: Target, unicorn: Any, capstone: Any) -> Processor:
    return _arm("ARM_CORTEX_A15", unicorn.UC_MODE_ARM, capstone.CS_MODE_ARM, thumb=False)


def _thumb(target: Target, unicorn: Any, capstone: Any) -> Processor:
    modes = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
    decoded = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    return _arm(_MODELS[target.cpu], modes, decoded, thumb=True)


def _arm(model: str, mode: int, decoded: int, *, thumb: bool) -> Processor:
    unicorn: Any = import_module("unicorn")
    capstone: Any = import_module("capstone")
    names: Any = import_module("unicorn.arm_const")
    kept = " ".join(["SP", *(f"R{n}" for n in range(4, 12)), *(f"D{n}" for n in range(8, 16))])

    def enable(engine: Any) -> None:
        access = engine.reg_read(names.UC_ARM_REG_C1_C0_2)
        engine.reg_write(names.UC_ARM_REG_C1_C0_2, access | _ALL_VFP_ACCESS)
        engine.reg_write(names.UC_ARM_REG_FPEXC, _VFP_ON)

    return Processor(
        (unicorn.UC_ARCH_ARM, mode),
        getattr(names, f"UC_CPU_{model}"),
        "I",
        _named(names, "ARM", "R0 R1 R2 R3"),
        _named(names, "ARM", kept),
        names.UC_ARM_REG_LR,
        names.UC_ARM_REG_PC,
        names.UC_ARM_REG_XPSR,
        enable,
        (capstone.CS_ARCH_ARM, decoded),
        thumb,
    )


def _named(constants: Any, prefix: str, names: str) -> tuple[int, ...]:
    return tuple(getattr(constants, f"UC_{prefix}_REG_{name}") for name in names.split())
