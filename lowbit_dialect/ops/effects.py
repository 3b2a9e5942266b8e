"""Memory effects of ops that come in two forms: pure on tensors, reading and writing on memrefs."""

from __future__ import annotations

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation
from xdsl.traits import (
    ConditionallySpeculatable,
    EffectInstance,
    MemoryEffect,
    MemoryEffectKind,
    get_effects,
)


class WritesOuts(MemoryEffect, ConditionallySpeculatable):
    """Reads every memref operand, and writes `outs` where there is one; the effects of an epilogue count.

    Without memrefs there is no effect, so that unused ops on tensors go and equal ones merge; an op with
    `outs` is never dead.
    """

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance] | None:
        outs = getattr(op, "outs", None)
        effects = {
            EffectInstance(MemoryEffectKind.READ, value)
            for value in op.operands
            if isinstance(value.type, MemRefType)
            and (value is not outs or op.operands.count(outs) > 1)
        }
        if outs is not None:
            effects.add(EffectInstance(MemoryEffectKind.WRITE, outs))
        for inner in (i for region in op.regions for block in region.blocks for i in block.ops):
            found = get_effects(inner)
            if found is None:
                return None
            effects |= found
        return effects

    @classmethod
    def is_speculatable(cls, op: Operation) -> bool:
        return cls.get_effects(op) == set()
