"""Loops that pack elements, channels innermost, into planes in rows of words.

A compare gives the bits of one plane of a vector of elements; they are stored as they come, whatever the
width of a word: `vptestmb` and `kmovq` with AVX-512, `vpsllw` and `vpmovmskb` with AVX2. Pixels of one plane
whose words are full follow each other as one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, Term
from lowering.elements import Element, nest
from lowering.moves import powers
from lowering.tasks import Units, in_steps
from microkernels.address import move
from microkernels.emit import Emitter, lanes_of, vector
from microkernels.target import Target

STEPS = 8
"""Vectors of elements a step of the innermost loop."""
MASK_BITS = 64
"""Widest mask that is moved to memory at once."""


def packs_rows(source: Element, target: Element) -> bool:
    """Whether elements of whole axes are packed along the innermost one, in full words."""
    layout = target.layout
    if source.encoded or layout is None or not layout.packed or layout.msb:
        return False
    *leading, last = source.terms
    full = Term(last.axis, (("by", layout.word_width),))
    whole = all(term.axis is not None and not term.chain for term in source.terms)
    return whole and target.terms == (*leading, PLANES, full)


def pack_rows(
    emit: Emitter, source: Element, target: Element, machine: Target, units: Units | None
) -> int:
    """Pack all pixels, or some steps of them; return how many steps there are. See `packs_rows`."""
    packer = RowPacker(emit, source, target, machine)
    shape = source.type.get_shape()

    def some(first: SSAValue, count: int) -> None:
        x = move(emit, source.operand.pointer, [(first, packer.pixel_bytes)])
        packer.pack(x, packer.place(first), count, packer.pixel_bytes)

    return in_steps(emit, prod(shape) // packer.channels, packer.pixels, some, units)


class RowPacker:
    """Packs pixels of `channels` elements, where `packs_rows` says that it can."""

    def __init__(self, emit: Emitter, source: Element, target: Element, machine: Target):
        code, word = source.type.element_type, target.word_term
        assert isinstance(code, CodeType) and word.axis is not None
        self.emit, self.code, self.target = emit, code, target
        self.channels = source.type.get_shape()[word.axis]
        self.item, self.block = source.dtype.itemsize, word.chain[0][1]
        self.lanes = min(MASK_BITS, machine.simd_bits // 8 // self.item)
        self.pixel_bytes = self.channels * self.item
        self.plane_bytes = -(-self.channels // self.block) * self.block // 8

    @property
    def pixels(self) -> int:
        """Pixels a step."""
        if self._runs_on:
            return max(1, STEPS * self.lanes // self.channels)
        return max(1, STEPS // len(list(self._pieces(self.channels))))

    @property
    def _runs_on(self) -> bool:
        """Whether the words of the next pixel follow with nothing between."""
        return self.code.planes == 1 and self.channels % self.block == 0

    def place(self, pixel: SSAValue) -> SSAValue:
        """Where the words of a pixel begin."""
        size = self.code.planes * self.plane_bytes
        return move(self.emit, self.target.operand.pointer, [(pixel, size)])

    def pack(self, x: SSAValue, y: SSAValue, count: int, apart: int) -> None:
        """Pack `count` pixels that begin `apart` bytes from each other."""
        emit = self.emit
        if self._runs_on and apart == self.pixel_bytes:
            self._run(x, y, count * self.channels)
            return
        for pixel in range(count):
            out = emit.offset(y, pixel * self.code.planes * self.plane_bytes)
            self._run(emit.offset(x, pixel * apart), out, self.channels)

    def _run(self, x: SSAValue, y: SSAValue, length: int) -> None:
        emit, step = self.emit, STEPS * self.lanes
        whole = length // step

        def some(x: SSAValue, y: SSAValue, length: int) -> None:
            for first, lanes, held in self._pieces(length):
                self._piece(
                    emit.offset(x, first * self.item), emit.offset(y, first // 8), lanes, held
                )

        def full(at: list[SSAValue]) -> None:
            some(
                move(emit, x, [(at[0], step * self.item)]),
                move(emit, y, [(at[0], step // 8)]),
                step,
            )

        if whole:
            nest(emit, [whole], full)
        done = whole * step
        some(emit.offset(x, done * self.item), emit.offset(y, done // 8), length - done)

    def _pieces(self, length: int) -> Iterator[tuple[int, int, int]]:
        """`(first, lanes, held)` of vectors of elements; the last holds fewer than it has lanes."""
        whole = length // self.block * self.block
        unit = min(self.block, self.lanes)
        for first, count in powers(whole // unit, self.lanes // unit):
            yield first * unit, count * unit, count * unit
        if length > whole:
            yield whole, self.block, length - whole

    def _piece(self, x: SSAValue, y: SSAValue, lanes: int, held: int) -> None:
        emit, code, bits = self.emit, self.code, IntegerType(8 * self.item)
        values = emit.load_some(x, vector(lanes, bits), self.item, held)
        # Planes of an odd code are those of (value - offset) / 2; what is not there has none.
        if code.is_odd:
            values = emit.binary("sub", values, emit.constant(code.offset, values.type))
        for plane in range(code.planes):
            bit = emit.constant(code.scale << plane, values.type)
            zero = emit.constant(0, values.type)
            flags = emit.compare("ne", emit.binary("and", values, bit), zero)
            mask = emit.bitcast(flags, IntegerType(lanes_of(values.type)))
            if held < lanes and code.is_odd:
                mask = emit.binary("and", mask, emit.constant((1 << held) - 1, mask.type))
            emit.store(mask, emit.offset(y, plane * self.plane_bytes), self._alignment(lanes))

    def _alignment(self, lanes: int) -> int:
        """Bytes that a mask is aligned to: as its word, however much of it, or of several, it is."""
        return min(lanes, self.block) // 8
