"""The way down that lowering goes by itself: each stage a tuple of passes.

`lowbit-plan` stands between `graph` and `pack`: it decides, and the passes below it execute.
"""

from __future__ import annotations

from typing import Literal

from xdsl.passes import ModulePass

Stage = Literal["graph", "pack", "buffers", "loops", "kernels", "llvm"]
BELOW_PLAN: tuple[Stage, ...] = ("pack", "buffers", "loops", "kernels", "llvm")
"""The stages that a planned module goes through."""


def passes(stage: Stage, target: str = "host", threads: int = 1) -> tuple[ModulePass, ...]:
    """The passes of one stage for a target, imported when they are asked for."""
    match stage:
        case "graph":
            from xdsl.transforms.canonicalize import CanonicalizePass

            from lowering.lowbit_fuse import LowbitFusePass

            return (CanonicalizePass(), LowbitFusePass())
        case "pack":
            from lowering.lowbit_pack import LowbitPackPass

            return (LowbitPackPass(target=target),)
        case "buffers":
            from lowering.lowbit_bufferize import LowbitBufferizePass

            return (LowbitBufferizePass(),)
        case "loops":
            from lowering.lowbit_tile import LowbitTilePass

            return (LowbitTilePass(target=target, threads=threads),)
        case "kernels":
            from lowering.lowbit_expand_microkernels import LowbitExpandMicrokernelsPass

            return (LowbitExpandMicrokernelsPass(target=target),)
        case "llvm":
            from lowering.llvm.pipeline import to_llvm
            from lowering.preconditions import target_of

            return to_llvm(target_of(target).architecture.pointer_bits)
