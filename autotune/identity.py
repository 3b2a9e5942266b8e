"""Which machine and which tools these are, a line each: measurements of one are none of another.

    AuthenticAMD 26/2 x86-64-v4-vpopcntdq,cpu=znver5,+avx512bf16,+avxvnni; AMD EPYC; 48K/1024K/32768K

First the core: vendor, family and model of the processor, and the target whose features generated code may
use, which a virtual machine can hide. Then what makes machines of one core differ a little: the name that
it is sold by and the data caches.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lowering.backend.host import host_arch, host_target
from lowering.backend.machine import llvm_version
from microkernels.target import TARGETS, Target

_CPUINFO = Path("/proc/cpuinfo")
_MODEL_KEYS = (
    ("vendor_id", "CPU implementer", "Vendor ID"),
    ("cpu family", "CPU architecture", "CPU family"),
    ("model", "CPU part", "Model"),
)
"""How Linux calls vendor, family and model, on x86, on Arm and in `lscpu`."""


@cache
def machine_identity() -> str:
    """This machine in one line."""
    try:
        target = host_target()
    except ValueError:  # there is none, and so no measurement
        return f"{_model(_cpuinfo())} {host_arch()}; {processor_name()}; 0/0/0"
    return _identity(_cpuinfo(), target, processor_name())


def board_identity(said: str, board: str, target: Target) -> str:
    """Another machine in one line: what `/proc/cpuinfo` or `lscpu` says there, its name, its target."""
    info = _first_processor(said)
    name = info.get("model name") or info.get("Model name") or ""
    return _identity(info, target, _plain(" ".join((board, name))) or "unknown")


def _identity(info: Mapping[str, str], target: Target, name: str) -> str:
    base = TARGETS[target.name].caches
    caches = "/".join(f"{size >> 10}K" for size in target.caches)
    return f"{_model(info)} {replace(target, caches=base)}; {name}; {caches}"


def core_of(identity: str) -> str:
    """The part of an identity that decides which code is fast: core and features."""
    return identity.partition(";")[0]


@cache
def tool_versions() -> str:
    """Versions of all that makes code: `lowbit 0.9.0, xdsl 0.74.0, llvmlite 0.50.0, LLVM 22.1.0`."""
    made = [f"{name} {_version(name)}" for name in ("lowbit", "xdsl", "llvmlite")]
    return ", ".join([*made, f"LLVM {llvm_version()}"])


def processor_name() -> str:
    """The name that the processor of this machine is sold by."""
    return _plain(_cpuinfo().get("model name") or platform.processor() or platform.machine())


def _plain(name: str) -> str:
    return " ".join(name.replace(";", ",").split())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a clone that is on the path, but not installed
        return "of a clone"


def _model(info: Mapping[str, str]) -> str:
    found = [next((info[key] for key in keys if key in info), "") for keys in _MODEL_KEYS]
    vendor, family, model = (_plain(text) or "unknown" for text in found)
    return f"{vendor} {family}/{model}"


@cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        return _first_processor(_CPUINFO.read_text())
    except OSError:
        return {}


def _first_processor(said: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in said.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
