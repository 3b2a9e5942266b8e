"""From indices of stored axes back to the logical ones."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from lowbit_dialect.layout import Chain
from microkernels.emit import Emitter

Positions = dict[tuple[int, Chain], SSAValue]
"""Positions of stored axes, by logical axis and chain."""


class LogicalIndices:
    """From positions of stored axes back to logical indices, and whether these exist.

    Along one axis positions may count vectors of so many elements.
    """

    def __init__(
        self, emit: Emitter, shape: Sequence[int], known: Positions, axis: int = 0, lanes: int = 1
    ):
        self.emit, self.known = emit, known
        self.valid: SSAValue | None = None
        sizes = [lanes if one == axis else 1 for one in range(len(shape))]
        self.indices = [
            emit.at("mul", self._resolve(one, (), -(-extent // size)), size)
            for one, (extent, size) in enumerate(zip(shape, sizes))
        ]
        """Logical, kept inside each axis; `valid` tells whether they really were."""

    def _resolve(self, axis: int, chain: Chain, extent: int) -> SSAValue:
        if (axis, chain) in self.known:
            return self.known[axis, chain]
        emit = self.emit
        ((_, block),) = {
            c[len(chain)]
            for a, c in self.known
            if a == axis and c[: len(chain)] == chain and c[len(chain)][0] == "by"
        }
        blocks = -(-extent // block)
        outer = self._resolve(axis, (*chain, ("by", block)), blocks)
        inner = self._resolve(axis, (*chain, ("in", block)), block)
        value = emit.at("add", emit.at("mul", outer, block), inner)
        if extent % block == 0:
            return value
        inside = emit.op(arith.CmpiOp(value, emit.index(extent), "slt"))
        if self.valid is not None:
            inside = emit.op(arith.AndIOp(self.valid, inside))
        self.valid = inside
        return emit.at("min", value, extent - 1)

    def only(self, value: SSAValue) -> SSAValue:
        """`value` where the place exists, else zero."""
        if self.valid is None:
            return value
        return self.emit.op(arith.SelectOp(self.valid, value, self.emit.constant(0, value.type)))


def coarser(chain: Chain, lanes: int) -> Chain:
    """The chain of an axis that counts vectors of so many neighbours instead of elements."""
    return tuple((kind, block // lanes) for kind, block in chain)
