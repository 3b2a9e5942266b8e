"""The machine we run on, as a `Target`, and whether it can run another one's code."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, cast

from llvmlite import binding

from microkernels.target import TARGETS, Target

_llvm = cast(Any, binding)
_CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_LEVEL_SIZES = ("SC_LEVEL1_DCACHE_SIZE", "SC_LEVEL2_CACHE_SIZE", "SC_LEVEL3_CACHE_SIZE")


@cache
def host_target() -> Target:
    """Describe this machine: the best named target it runs, its processor, features and caches.

    Raises `ValueError` on a machine for which there is no target.
    """
    on = host_features()
    levels = [target for target in _of_host_arch() if on.issuperset(target.features)]
    if not levels:
        known = ", ".join(TARGETS)
        raise ValueError(f"no target describes this {host_arch()} machine; the targets are {known}")
    level = levels[-1]
    try:
        cpu = Target.parse(str(_llvm.get_host_cpu_name()))
    except ValueError:
        cpu = level  # newer than our table: its level is still right
    overrides = [f"cpu={cpu.cpu}"]
    for feature in sorted(set(cpu.features) - set(level.features)):
        # A virtual machine may hide part of what its processor has.
        if on.issuperset(Target.parse(f"{level.name},+{feature}").features):
            overrides.append(f"+{feature}")
    caches = "/".join(str(size) for size in _host_caches(cpu.caches))
    return Target.parse(",".join([level.name, *overrides, f"caches={caches}"]))


def resolve_target(spec: str | Target) -> Target:
    """Read a target from its string form, in which `host` names this machine.

    Overrides may follow `host` too: `host,vector_bits=64`. Raises `ValueError` naming what is unknown.
    """
    if isinstance(spec, Target):
        return spec
    name, comma, overrides = spec.partition(",")
    if name.strip() != "host":
        return Target.parse(spec)
    return Target.parse(str(host_target()) + comma + overrides)


def missing_on_host(target: Target) -> str:
    """Say in one sentence why this machine cannot execute code for `target`, or nothing if it can."""
    if target.arch != host_arch():
        return f"target {target.name} is for {target.arch}, and this machine is {host_arch()}"
    missing = [feature for feature in target.features if feature not in host_features()]
    if missing:
        return f"target {target} needs {', '.join(missing)}, which this machine does not have"
    return ""


@cache
def host_arch() -> str:
    """Name the architecture of this machine as triples do, such as `x86_64`."""
    return str(_llvm.get_default_triple()).partition("-")[0]


@cache
def host_features() -> frozenset[str]:
    """List what the processor has and the operating system lets us use, in LLVM's names."""
    try:
        features = cast(dict[str, bool], _llvm.get_host_cpu_features())
    except RuntimeError:  # LLVM cannot tell on this machine
        return frozenset()
    return frozenset(name for name, on in features.items() if on)


def _of_host_arch() -> list[Target]:
    return [target for target in TARGETS.values() if target.arch == host_arch()]


def _host_caches(default: tuple[int, int, int]) -> tuple[int, int, int]:
    """Read the data caches' sizes: from sysfs, else sysconf (which counts all of a machine's L3)."""
    found = _sysfs_caches()
    sizes: list[int] = []
    for level, (name, fallback) in enumerate(zip(_LEVEL_SIZES, default, strict=True), 1):
        if found:
            sizes.append(found.get(level, 0))
        elif name in os.sysconf_names:
            sizes.append(max(os.sysconf(name), 0) or fallback)
        else:
            sizes.append(fallback)
    return sizes[0], sizes[1], sizes[2]


def _sysfs_caches() -> dict[int, int]:
    sizes: dict[int, int] = {}
    for index in sorted(_CACHE_FOLDER.glob("index[0-9]*")):
        try:
            kind, level, size = ((index / f).read_text().strip() for f in ("type", "level", "size"))
            if kind in ("Data", "Unified"):
                sizes[int(level)] = int(size.removesuffix("K")) << 10
        except (OSError, ValueError):
            return {}
    return sizes
