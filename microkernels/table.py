"""Every kernel there is, by target."""

from __future__ import annotations

from functools import cache

from microkernels.depthwise import depthwise_kernels
from microkernels.dot import dot_kernels
from microkernels.harley_seal import harley_seal_kernels
from microkernels.interface import Microkernel
from microkernels.lookup import lookup_kernels
from microkernels.multiply import multiply_kernels
from microkernels.popcount import popcount_kernels
from microkernels.target import Target
from microkernels.weighted import weighted_kernels


@cache
def _kernels(target: Target) -> dict[str, Microkernel]:
    every = (
        popcount_kernels(target),
        harley_seal_kernels(target),
        weighted_kernels(target),
        lookup_kernels(target),
        dot_kernels(target),
        depthwise_kernels(target),
        multiply_kernels(target),
    )
    return {kernel.name: kernel for family in every for kernel in family}


def kernels(target: Target) -> list[Microkernel]:
    """Every kernel that a target can run."""
    return list(_kernels(target).values())


def find_kernel(name: str, target: Target) -> Microkernel:
    """The kernel of that name; raises ValueError naming those there are."""
    known = _kernels(target)
    if name not in known:
        raise ValueError(f"{target.name} has no microkernel '{name}': it has {', '.join(known)}")
    return known[name]
