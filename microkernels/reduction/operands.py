"""The two operands of a tile: where they begin, and how far apart their parts lie in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from lowbit_dialect.ops.common import array, shape_of
from lowbit_dialect.ops.tile import TileOp
from microkernels.address import Address, move
from microkernels.emit import Emitter
from microkernels.operand import Operand
from microkernels.reduction.walk import Cursor, Strides


@dataclass(frozen=True)
class Operands:
    """What a reduction knows of its operands."""

    start: Cursor
    rows: Strides
    """Between kernel rows; `columns` and `words` likewise."""
    columns: Strides
    words: Strides
    planes: Strides
    """0 in an operand whose planes are not stored apart."""
    pixel: int
    """Between the activations of neighbouring outputs."""
    count: int
    """Words of one tap."""
    held: dict[Address, SSAValue] | None = None
    """Words that stay in registers from output to output; None where all are loaded again."""

    @property
    def contiguous(self) -> bool:
        """Whether the words of neighbouring taps of a row follow each other, in both operands."""
        return self.columns == self.words.times(self.count)

    @classmethod
    def of(cls, emit: Emitter, tile: TileOp, *, lanewise: bool) -> Operands:
        """Form the addresses at which a tile begins; `lanewise` operands are both read by channel.

        They are pinned, so that LLVM looks no further out than the tile. Its loop strength reduction
        would weigh every load against every loop around it: 510 of the 610 ms that C2 at 2x2 bits spent
        in LLVM, which are 120 now, and at 1x1 bit 40 instead of 60. The code is as fast: 1.00 over C2 to
        C12 (Zen 5, 2026-11).
        """
        assert tile.weights is not None
        x, w = Operand(emit, tile.input), Operand(emit, tile.weights)
        x_axes, w_axes = array(tile.input_axes, ()), array(tile.weight_axes, ())
        stride, dilation = array(tile.strides, ()), array(tile.dilations, ())
        shape, groups = shape_of(tile.weights), tile.groups.value.data
        inputs, outputs = shape[w_axes[2]], shape[w_axes[3]] // groups
        w_word, channels = w.blocked(w_axes[2])
        x_group, x_block, stored = x.channels(x_axes[3], groups, inputs)
        # A group of one block has no stride between blocks, but words may be parts of it.
        words = Strides((x_block or x_group) * channels // stored, w_word)
        w_group, w_block, block = w.channels(w_axes[3], groups, outputs)
        x_start = _input_start(emit, tile, x, (x_group, words.x if lanewise else 0))
        # A block of `block` channels starts at channel / block times its stride, which divides.
        w_start = move(emit, w.pointer, [(tile.group, w_group), (tile.channel, w_block // block)])
        return cls(
            start=Cursor(Address(emit.pinned(x_start)), Address(emit.pinned(w_start))),
            rows=Strides(dilation[0] * x.stride(x_axes[1]), w.stride(w_axes[0])),
            columns=Strides(dilation[1] * x.stride(x_axes[2]), w.stride(w_axes[1])),
            words=words,
            planes=Strides(*(o.stride(None) if o.has_planes else 0 for o in (x, w))),
            pixel=stride[1] * x.stride(x_axes[2]),
            count=-(-inputs // channels),
        )


def _input_start(emit: Emitter, tile: TileOp, x: Operand, channels: tuple[int, int]) -> SSAValue:
    """The first activation that a tile reads; `channels` are the strides of groups and of channels."""
    axes, stride, pad = (array(a, ()) for a in (tile.input_axes, tile.strides, tile.padding))
    row = emit.at("sub", emit.at("mul", tile.row, stride[0]), pad[0])
    column = emit.at("sub", emit.at("mul", tile.column, stride[1]), pad[1])
    spatial = zip((tile.batch, row, column), map(x.stride, axes))
    return move(emit, x.pointer, [*spatial, *zip((tile.group, tile.channel), channels)])
