"""Vectors in code as `lowbit_dialect.functions` computes with them."""

from __future__ import annotations

from xdsl.dialects.builtin import f32, i32
from xdsl.ir import SSAValue

from lowbit_dialect.lanes import Lanes
from lowering.epilogue.tile_operands import is_float
from microkernels.emit import Emitter
from microkernels.llvm_types import lanes_of, vector


class EmittedLanes(Lanes):
    """A vector of f32 or i32, or one number."""

    def __init__(self, emit: Emitter, value: SSAValue):
        self.emit, self.value = emit, value

    def _of(self, value: SSAValue) -> EmittedLanes:
        return EmittedLanes(self.emit, value)

    def constant(self, value: float) -> EmittedLanes:
        """A number in every lane."""
        return self._of(self.emit.constant(value, self.value.type))

    def binary(self, name: str, other: Lanes) -> EmittedLanes:
        """One instruction, rounded to the type of the lanes."""
        assert isinstance(other, EmittedLanes)
        full = f"f{name}" if is_float(self.value) else name
        return self._of(self.emit.binary(full, self.value, other.value))

    def sqrt(self) -> EmittedLanes:
        """The square root."""
        return self._of(self.emit.intrinsic("sqrt", self.value))

    def bits(self) -> EmittedLanes:
        """The bits as i32."""
        return self._of(self.emit.bitcast(self.value, vector(lanes_of(self.value.type), i32)))

    def real(self) -> EmittedLanes:
        """The bits as f32."""
        return self._of(self.emit.bitcast(self.value, vector(lanes_of(self.value.type), f32)))

    def above(self, other: Lanes | int) -> EmittedLanes:
        """All ones where greater, else zero."""
        limit = self.constant(other) if isinstance(other, int) else other
        assert isinstance(limit, EmittedLanes)
        mask = self.emit.compare("sgt", self.value, limit.value)
        return self._of(self.emit.widen(mask, i32, signed=True))
