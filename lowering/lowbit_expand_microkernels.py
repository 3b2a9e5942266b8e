"""`lowbit-expand-microkernels`: tiles become vector code.

Needs the output of `lowbit-tile`; leaves `scf`, `arith`, `memref`-typed function arguments and `llvm`
vector ops, alignment on every access:

    lowbit.tile "popcount_32x16" at (...) ...
    ->  %total = scf.for %row ... { llvm.load ... llvm.and ... llvm.call_intrinsic "llvm.ctpop..." ... }
        llvm.store ...

`lowbit.slice` and `lowbit.reshape` become addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnrealizedConversionCastOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp
from lowbit_dialect.ops.tile import TileOp
from lowering.epilogue.tile_epilogue import Epilogue
from lowering.epilogue.tile_operands import TileVector
from lowering.llvm.conversion import ops_below
from lowering.loops.tile_check import check_tile
from lowering.preconditions import target_of
from microkernels import lanewise
from microkernels.block import accumulators
from microkernels.emit import Emitter
from microkernels.lanewise import Lanewise
from microkernels.table import find_kernel
from microkernels.target import Target


def expand_tile(tile: TileOp, target: Target) -> None:
    """Replace a tile by its reduction and epilogue."""
    check_tile(tile, target)
    emit = Emitter(tile)
    name = tile.microkernel.data
    if name in lanewise.KINDS:
        lanes = lanewise.lanes(target)
        totals = Lanewise(emit, tile, target).run()
    else:
        kernel = find_kernel(name, target)
        lanes = kernel.lanes
        totals = accumulators(emit, tile, kernel)
    epilogue = Epilogue(emit, tile, target, lanes)
    vectors, channels = tile.vectors.value.data, tile.channels.value.data
    for at, total in enumerate(totals):
        r, v = divmod(at, vectors)
        epilogue.finish(total, TileVector(r, v, min(lanes, channels - v * lanes)))
    Rewriter.erase_op(tile)


def expand_address(op: SliceOp | ReshapeOp) -> None:
    """Replace a slice or reshape of a buffer by an address."""
    source = op.buffer if isinstance(op, SliceOp) else op.input
    amount = op.offset.value.data if isinstance(op, SliceOp) else 0
    emit = Emitter(op)
    address = emit.offset(emit.pointer(source), amount)
    Rewriter.replace_op(op, UnrealizedConversionCastOp.get([address], [op.result.type]))


@dataclass(frozen=True)
class LowbitExpandMicrokernelsPass(ModulePass):
    """Vector code for the tiles of a module, for a target."""

    name = "lowbit-expand-microkernels"

    target: str = "host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Expand every tile, then the addresses between buffers."""
        target = target_of(self.target)
        for inner in ops_below(op):
            try:
                if isinstance(inner, TileOp):
                    expand_tile(inner, target)
                elif isinstance(inner, SliceOp | ReshapeOp):
                    expand_address(inner)
            except ValueError as error:
                raise PassFailedException(f"'{inner.name}': {error}") from error
        for inner in reversed(ops_below(op)):
            if type(inner) is UnrealizedConversionCastOp and inner.results[0].first_use is None:
                Rewriter.erase_op(inner)
