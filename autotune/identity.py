"""Which machine and which tools these are, a line each: measurements of one are none of another.

    AuthenticAMD 26/2 x86-64-v4-vpopcntdq,cpu=znver5,+avx512bf16,+avxvnni; AMD EPYC; 48K/1024K/32768K

First the core: vendor, family and model of the processor, and the target whose features generated code may
use, which a virtual machine can hide. Then what makes machines of one core differ a little: the name that
it is sold by and the data caches.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lowering.backend.host import host_arch, host_target
from lowering.backend.machine import llvm_version
from microkernels.target import TARGETS

_CPUINFO = Path("/proc/cpuinfo")
_MODEL_KEYS = (
    ("vendor_id", "CPU implementer"),
    ("cpu family", "CPU architecture"),
    ("model", "CPU part"),
)
"""How Linux calls vendor, family and model, on x86 and on Arm."""


@cache
def machine_identity() -> str:
    """This machine in one line."""
    try:
        target = host_target()
    except ValueError:  # there is none, and so no measurement
        return f"{_model()} {host_arch()}; {processor_name()}; 0/0/0"
    base = TARGETS[target.name].caches
    caches = "/".join(f"{size >> 10}K" for size in target.caches)
    return f"{_model()} {replace(target, caches=base)}; {processor_name()}; {caches}"


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
    found = _cpuinfo().get("model name") or platform.processor() or platform.machine()
    return " ".join(found.replace(";", ",").split())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a clone that is on the path, but not installed
        return "of a clone"


def _model() -> str:
    found = [
        next((_cpuinfo()[key] for key in keys if key in _cpuinfo()), "") for keys in _MODEL_KEYS
    ]
    vendor, family, model = (text.replace(";", ",") or "unknown" for text in found)
    return f"{vendor} {family}/{model}"


@cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        first = _CPUINFO.read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
