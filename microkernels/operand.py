"""Addresses: how far apart, in bytes, the parts of a stored operand lie."""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from lowbit_dialect.layout import Chain, layout_of, storage_of
from lowbit_dialect.ops.common import shaped
from microkernels.emit import Emitter


class Operand:
    """A memref with the byte strides of its stored axes."""

    def __init__(self, emit: Emitter, value: SSAValue):
        type = shaped(value)
        layout = layout_of(type)
        shape, dtype = storage_of(type)
        names: list[tuple[int | None, Chain]] = (
            [(t.axis, t.chain) for t in layout.terms]
            if layout
            else [(axis, ()) for axis in range(len(shape))]
        )
        self.item_bytes = dtype.itemsize
        self._strides = {n: prod(shape[i + 1 :]) * dtype.itemsize for i, n in enumerate(names)}
        self.pointer = emit.pointer(value)

    def stride(self, axis: int | None, chain: Chain = ()) -> int:
        """Bytes between neighbours along a stored axis; 0 for an axis that is not there (-1)."""
        return 0 if axis == -1 else self._strides[axis, chain]

    @property
    def has_planes(self) -> bool:
        """Whether bit planes are stored apart."""
        return (None, ()) in self._strides

    def blocked(self, axis: int) -> tuple[int, int]:
        """`(stride, block)` of an axis cut once, or stored whole (a block of 1)."""
        if (axis, ()) in self._strides:
            return self._strides[axis, ()], 1
        ((chain, stride),) = [
            (c, s)
            for (a, c), s in self._strides.items()
            if a == axis and len(c) == 1 and c[0][0] == "by"
        ]
        return stride, chain[-1][1]

    def channels(self, axis: int, groups: int, size: int) -> tuple[int, int, int]:
        """`(group stride, block stride, block)` of a channel axis cut as `block_terms` does.

        Or cut once, in blocks of which each group has whole ones; a block is 1 channel where the axis is
        stored whole.
        """
        group = self._strides.get((axis, (("by", size),)))
        if groups == 1 or group is None:
            stride, block = self.blocked(axis)
            return size // block * stride, stride, block
        blocks = [
            (c[-1][1], s)
            for (a, c), s in self._strides.items()
            if a == axis and len(c) == 2 and c[-1][0] == "by"
        ]
        ((block, stride),) = blocks or [(size, 0)]
        return group, stride, block
