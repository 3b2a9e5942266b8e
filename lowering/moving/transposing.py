"""Loops that turn stored axes round: `[a, b, c]` to `[b, c, a]`, as a matrix is transposed.

Tiles of as many rows and columns as 16 bytes hold elements go through log2 of that many stages, each of which
interleaves the first half of the rows with the second. The last tile of a row or column overlaps the one
before; where there are fewer rows, or columns, than a tile has, part of its vectors is loaded and stored. Up
to four rows are dealt out to whole vectors instead: the three of 3 x 224 x 224 bytes in 0.25 of the time
(Zen 3, AVX2, 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from lowering.loops.index_nest import nest, outermost
from lowering.loops.tasks import Units
from lowering.moving.element_access import Element
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector

TILE_BYTES = 16
LINE_TILES = 4
"""Tiles that fill a cache line of the target, one after another."""
FEW_ROWS = 4
"""Rows up to which their elements are dealt out: each vector of the target takes a shuffle a row."""


@dataclass(frozen=True)
class Turn:
    """Matrices of `rows` x `columns` elements that are transposed, one after another."""

    count: int
    rows: int
    columns: int


def turn_of(source: Element, target: Element, order: Sequence[int]) -> Turn | None:
    """How whole axes turn round, if they do; axis `k` of the target is `order[k]` of the source."""
    if source.encoded or target.encoded or source.dtype != target.dtype:
        return None
    if any(term.chain for term in (*source.terms, *target.terms)):
        return None
    shape = source.type.get_shape()
    before = [term.axis for term in source.terms if shape[term.axis or 0] > 1]
    after = [order[term.axis or 0] for term in target.terms]
    after = [axis for axis in after if shape[axis] > 1]
    same = next((n for n, (a, b) in enumerate(zip(before, after)) if a != b), len(before))
    inner, wanted = before[same:], after[same:]
    for cut in range(1, len(inner)):
        if inner[cut:] + inner[:cut] == wanted:
            sizes = [
                prod(shape[axis or 0] for axis in part)
                for part in (before[:same], inner[:cut], inner[cut:])
            ]
            return Turn(*sizes)
    return None


def turn(emit: Emitter, source: Element, target: Element, by: Turn, units: Units | None) -> int:
    """Transpose all matrices, or some units of the outermost loop; return how many of these there are."""
    item = source.dtype.itemsize
    size = TILE_BYTES // item
    type = vector(size, source.stored)
    tiles = [-(-extent // size) for extent in (by.rows, by.columns)]
    held = [min(size, extent) for extent in (by.rows, by.columns)]
    together = min(LINE_TILES, tiles[0])
    blocks = -(-tiles[0] // together)
    few = by.rows <= FEW_ROWS and by.rows < size <= by.columns

    def tile(at: list[SSAValue]) -> None:
        matrix, block = (emit.at(name, at[0], blocks) for name in ("div", "rem"))
        first = emit.at("add", emit.at("mul", block, together), at[2])
        row, column = (
            emit.at("min", emit.at("mul", place, size), max(0, extent - size))
            for place, extent in ((first, by.rows), (at[1], by.columns))
        )
        whole = by.rows * by.columns * item
        x = [(matrix, whole), (row, by.columns * item), (column, item)]
        y = [(matrix, whole), (column, by.rows * item), (row, item)]
        begin, end = (
            move(emit, one.operand.pointer, parts) for one, parts in ((source, x), (target, y))
        )
        lines = [
            emit.load_some(emit.offset(begin, n * by.columns * item), type, item, held[1])
            for n in range(held[0])
        ]
        if few:
            for n in range(by.rows):
                places = (divmod(k, by.rows) for k in range(n * size, (n + 1) * size))
                dealt = emit.gather([(lines[row], column) for column, row in places])
                emit.store(dealt, emit.offset(end, n * TILE_BYTES), item)
            return
        lines += [emit.constant(0, type)] * (size - held[0])
        for n, line in enumerate(_transposed(emit, lines)[: held[1]]):
            emit.store_some(line, emit.offset(end, n * by.rows * item), item, held[0])

    extents = by.count * blocks, tiles[1], together
    nest(emit, extents, tile, units)
    return outermost(extents)


def _transposed(emit: Emitter, lines: list[SSAValue]) -> list[SSAValue]:
    """The columns of a square tile."""
    half = len(lines) // 2
    halves = [
        [lane for n in range(first, first + half) for lane in (n, n + 2 * half)]
        for first in (0, half)
    ]
    for _ in range(half.bit_length()):
        lines = [
            emit.shuffle(lines[n], order, lines[n + half]) for n in range(half) for order in halves
        ]
    return lines
