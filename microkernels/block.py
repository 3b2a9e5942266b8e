"""The reduction of one register block, the same for every kernel.

Loops, outermost first: plane pairs, kernel rows, kernel columns, words; a file each in `reduction`, as the
narrow accumulators have that open between them, and the step inside. Where the schedule has pairs innermost,
one pass over the operands multiplies all of them, and every word is read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from xdsl.ir import SSAValue

from lowbit_dialect.algebra import ONE_SUM, PairAlgebra, pair_sums
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.common import array, element_of
from lowbit_dialect.ops.tile import TileOp
from microkernels.address import is_constant
from microkernels.emit import Emitter
from microkernels.interface import Microkernel
from microkernels.llvm_types import vector
from microkernels.reduction.narrows import Narrows
from microkernels.reduction.operands import Operands
from microkernels.reduction.planes import Planes, weight_of_pairs
from microkernels.reduction.products import Products
from microkernels.reduction.taps import Taps
from microkernels.reduction.walk import Strides, Totals, Walk
from microkernels.reduction.words import Words

HELD = 2
"""Words that stay in registers for all outputs of a tile: with four C8 takes 1.05 of the instructions that it
takes if they are loaded again (odd1 x odd1, Cortex-M7, Unicorn, 2026-11)."""


def accumulators(emit: Emitter, tile: TileOp, kernel: Microkernel) -> Iterator[SSAValue]:
    """The raw sums of one tile, `pixels * vectors` of them, pixel-major, each formed when it is asked for.

    By a kernel that loads late outputs share no word: it goes over them one by one, so that nothing but the
    results of one is in registers, and few words that all have in common.
    """
    operands = Operands.of(emit, tile, lanewise=kernel.lanewise)
    pixels, vectors = range(tile.pixels.value.data), tile.vectors.value.data
    if not kernel.loads_late:
        yield from _block(emit, tile, kernel, operands, pixels, vectors)
        return
    start, moves = operands.start, (True, True)
    if _holds(tile, operands):
        operands, moves = replace(operands, held={}), (len(pixels) > 1, vectors > 1)
    for n, (r, v) in enumerate(product(pixels, range(vectors))):
        start = start.pinned(emit, *moves) if n else start
        own = start.plus(Strides(r * operands.pixel, v * kernel.weight_bytes))
        yield from _block(emit, tile, kernel, replace(operands, start=own), range(r, r + 1), 1)


def _holds(tile: TileOp, operands: Operands) -> bool:
    """Whether words that all outputs have in common are loaded once: few of them, in straight code."""
    bounds = is_constant(tile.row_low, 0) and is_constant(tile.row_high, 1)
    straight = bounds and bool(tile.tap_columns) and array(tile.kernel, ()) == (1, 1)
    few = operands.count <= min(HELD, tile.unroll.value.data)
    return straight and few and len(_algebra(tile).pairs) == 1


def _block(
    emit: Emitter,
    tile: TileOp,
    kernel: Microkernel,
    operands: Operands,
    pixels: range,
    vectors: int,
) -> Totals:
    """The sums of some pixels of a tile and the first vectors from where its operands start."""
    algebra = _algebra(tile) if operands.planes.w else None
    products = _products(emit, tile, kernel, operands, algebra, (len(pixels), vectors))
    weight = weight_of_pairs(algebra) if algebra and tile.planes.data == "outer" else None
    taps = Taps(tile, pixels, _words(emit, tile, products, weight))
    zero = emit.constant(0, vector(kernel.lanes, kernel.accumulator))
    zeros = [zero] * (len(pixels) * vectors)
    if algebra is None:
        return taps.step(1)(operands.start, zeros)
    planes = Planes(emit, kernel, algebra, taps)
    if tile.planes.data == "inner":
        return planes.together(zeros)
    return planes.apart(zeros, looped=tile.planes.data == "looped")


def _algebra(tile: TileOp) -> PairAlgebra:
    assert tile.weights is not None
    activation, weight = element_of(tile.input.type), element_of(tile.weights.type)
    assert isinstance(activation, CodeType) and isinstance(weight, CodeType)
    return PairAlgebra(activation, weight)


def _products(
    emit: Emitter,
    tile: TileOp,
    kernel: Microkernel,
    operands: Operands,
    algebra: PairAlgebra | None,
    size: tuple[int, int],
) -> Products:
    """The step of a tile, for one pair of planes or for all of them."""
    sums, weights = ONE_SUM, dict[tuple[int, int], int]()
    if algebra and tile.planes.data == "inner":
        tables, weighed = not operands.planes.x, kernel.weighs
        sums = pair_sums(algebra.activation, algebra.weight, tables=tables, weighed=weighed)
        if weighed:
            weights = {(i, j): weight for i, j, weight in algebra.pairs}
    return Products(
        emit,
        kernel,
        operands,
        pixels=size[0],
        vectors=size[1],
        xor=algebra is not None and algebra.xor,
        prefetch=tile.prefetch.value.data,
        sums=sums,
        weights=weights,
    )


def _words(emit: Emitter, tile: TileOp, products: Products, weight: int | None) -> Words:
    """The loops over words of a tile, and the accumulators that open in them or around them."""
    assert tile.weights is not None
    kernel, codes = products.kernel, (element_of(tile.input.type), element_of(tile.weights.type))
    together = max(len(one.pairs) for one in products.sums)
    narrows = [replace(n, steps=n.steps // together) for n in kernel.narrows(*codes)]
    taps, words = array(tile.kernel, ()), products.operands.count
    return Words(
        Walk(emit, kernel.addresses),
        Narrows.of(emit, products.count, narrows, taps, words, weight),
        products,
        unroll=tile.unroll.value.data,
    )
