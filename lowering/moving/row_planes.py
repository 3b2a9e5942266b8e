"""Loops between elements, channels innermost, and their planes in rows of words.

A compare gives the bits of one plane of a vector of elements; they are stored as they come, whatever the
width of a word: `vptestmb` and `kmovq` with AVX-512, `vpsllw` and `vpmovmskb` with AVX2; elsewhere bits are
inserted (`inserted_planes.py`). Back, bits become masks that select the plane's weight. Pixels of one plane
whose words are full follow each other as one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod

from xdsl.dialects.builtin import IntegerType, i1, i8
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term, whole_axes
from lowering.loops.index_nest import nest
from lowering.loops.tasks import Units, in_steps
from lowering.moving.copying import powers
from lowering.moving.element_access import Element
from lowering.moving.inserted_planes import ELEMENTS, LEAST, InsertedPlanes
from lowering.moving.multiplied_planes import EIGHT, MultipliedPlanes
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import vector
from microkernels.table import verbs_of
from microkernels.target import Target

STEPS = 8
"""Vectors of elements a step of the innermost loop."""
MASK_BITS = 64
"""Widest mask that is moved to memory at once."""


def row_terms(layout: Layout | None) -> tuple[list[Term], int] | None:
    """`(leading axes, channel axis)` of planes in rows of 32-bit words; None for other layouts."""
    axes = layout.row_axes if layout and layout.word_width == 32 else None
    return (list(map(Term, axes[:-1])), axes[-1]) if axes else None


def are_rows(source: Element, target: Element) -> bool:
    """Whether one holds elements of whole axes, the other their planes along the innermost, in full words."""
    elements, planes = (target, source) if source.encoded else (source, target)
    axes = whole_axes(elements.terms)
    return axes is not None and planes.layout is not None and planes.layout.row_axes == axes


def convert_rows(
    emit: Emitter, source: Element, target: Element, machine: Target, units: Units | None
) -> int:
    """Pack or unpack all pixels, or some steps of them; return how many steps there are. See `are_rows`."""
    rows = Rows(emit, source, target, machine)

    def some(first: SSAValue, count: int) -> None:
        x = move(emit, source.operand.pointer, [(first, rows.sizes[0])])
        y = move(emit, target.operand.pointer, [(first, rows.sizes[1])])
        rows.convert(x, y, count, rows.sizes[0])

    return in_steps(emit, prod(source.type.get_shape()) // rows.channels, rows.pixels, some, units)


class Rows:
    """Packs or unpacks pixels, where `are_rows` says that it can."""

    def __init__(self, emit: Emitter, source: Element, target: Element, machine: Target):
        self.emit, self._unpacks = emit, source.encoded
        elements, planes = (target, source) if source.encoded else (source, target)
        code, word = elements.type.element_type, planes.word_term
        assert isinstance(code, CodeType) and word.axis is not None
        self._code, self._block = code, word.chain[0][1]
        self.channels = elements.type.get_shape()[word.axis]
        self._item = elements.dtype.itemsize
        # A mask is stored as whole bytes.
        self._lanes = max(8, min(MASK_BITS, machine.simd_bits // 8 // self._item))
        self._inserted: InsertedPlanes | None = None
        verbs = verbs_of(machine)
        self._multiplied: MultipliedPlanes | None = None
        if not self._unpacks and self._item == 1:
            if "insert_bits" in verbs.can and self._block >= LEAST:
                self._inserted, self._lanes = InsertedPlanes(emit, verbs, code), ELEMENTS
            elif "simd" not in verbs.can:
                self._multiplied, self._lanes = MultipliedPlanes(emit, code), EIGHT
        self._plane_bytes = planes.plane_bytes
        sizes = self.channels * self._item, code.planes * self._plane_bytes
        self.sizes = sizes[::-1] if self._unpacks else sizes
        """Bytes of a pixel of the source and of the target."""

    @property
    def pixels(self) -> int:
        """Pixels a step."""
        if self._runs_on:
            return max(1, STEPS * self._lanes // self.channels)
        if (group := self._group) > 1:
            return max(group, min(STEPS, STEPS * ELEMENTS // (group * self.channels) * group))
        return max(1, STEPS // len(list(self._pieces(self.channels))))

    @property
    def _runs_on(self) -> bool:
        """Whether the words of the next pixel follow with nothing between."""
        return self._code.planes == 1 and self.channels % self._block == 0

    def convert(self, x: SSAValue, y: SSAValue, count: int, apart: int) -> None:
        """Convert `count` pixels that begin `apart` bytes from each other in the source, to `y`."""
        emit = self.emit
        if self._runs_on and apart == self.sizes[0]:
            self._run(x, y, count * self.channels)
            return
        done, group = 0, self._group
        if group > 1 and apart == self.sizes[0]:
            done = count // group * group
            for pixel in range(0, done, group):
                self._together(
                    *(emit.offset(p, pixel * size) for p, size in zip((x, y), self.sizes))
                )
        for pixel in range(done, count):
            out = emit.offset(y, pixel * self.sizes[1])
            self._run(emit.offset(x, pixel * apart), out, self.channels)

    @property
    def _group(self) -> int:
        """Pixels whose words are whole vectors together, where a pixel's are not: 4 of 96 channels."""
        together = ELEMENTS // gcd(ELEMENTS, self.channels)
        few = together <= 16 and together * self.channels <= STEPS * ELEMENTS
        return together if self._inserted and few else 1

    def _together(self, x: SSAValue, y: SSAValue) -> None:
        """Pack the pixels of a group: in `y` words follow each other, whatever vectors they come from."""
        emit, inserted = self.emit, self._inserted
        assert inserted
        bits = gcd(self.channels, 64)
        parts, each = self.channels // bits, ELEMENTS // bits
        zero = emit.constant(0, vector(each, IntegerType(bits)))
        order = [  # (plane, chunk, lane), and the zero that stands behind planes where a word is not full
            (plane, *divmod(pixel * parts + part, each)) if part < parts else (-1, 0, 0)
            for pixel in range(self._group)
            for plane in range(self._code.planes)
            for part in range(8 * self._plane_bytes // bits)
        ]
        found, stored = list[list[SSAValue]](), 0
        for chunk in range(self._group * self.channels // ELEMENTS):
            planes = inserted.of(emit.offset(x, chunk * ELEMENTS), ELEMENTS)
            found.append([*(emit.bitcast(one, zero.type) for one in planes), zero])
            while ready := order[stored : stored + each]:
                if any(at > chunk for _, at, _ in ready):
                    break
                joined = emit.gather([(found[at][plane], lane) for plane, at, lane in ready])
                place = emit.offset(y, stored * bits // 8)
                emit.store(joined, place, self._alignment(ELEMENTS))
                stored += each

    def _run(self, x: SSAValue, y: SSAValue, length: int) -> None:
        """Convert elements that follow each other."""
        emit, step = self.emit, STEPS * self._lanes
        elements, planes = (y, x) if self._unpacks else (x, y)
        whole = length // step

        def full(at: list[SSAValue]) -> None:
            here = move(emit, elements, [(at[0], step * self._item)])
            self._some(here, move(emit, planes, [(at[0], step // 8)]), step)

        if whole:
            nest(emit, [whole], full)
        done = whole * step
        here = emit.offset(elements, done * self._item)
        self._some(here, emit.offset(planes, done // 8), length - done)

    def _some(self, elements: SSAValue, planes: SSAValue, length: int) -> None:
        emit = self.emit
        piece = self._unpack if self._unpacks else self._pack
        for first, lanes, held in self._pieces(length):
            here = emit.offset(elements, first * self._item)
            piece(here, emit.offset(planes, first // 8), lanes, held)

    def _pieces(self, length: int) -> Iterator[tuple[int, int, int]]:
        """`(first, lanes, held)` of vectors of elements; the last ones hold fewer than they have lanes."""
        if self._multiplied:
            for first in range(0, -(-length // self._block) * self._block, EIGHT):
                yield first, EIGHT, max(0, min(EIGHT, length - first))
            return
        whole = length // self._block * self._block
        unit = min(self._block, self._lanes)
        for first, count in powers(whole // unit, self._lanes // unit):
            yield first * unit, count * unit, count * unit
        if length > whole:
            yield whole, self._block, length - whole

    def _pack(self, x: SSAValue, y: SSAValue, lanes: int, held: int) -> None:
        emit, code = self.emit, self._code
        if self._inserted and (held == lanes or self.channels >= lanes):
            before = lanes - held  # elements of the same pixel, which fill a vector with the last
            for plane, bits in enumerate(self._inserted.of(emit.offset(x, -before), lanes)):
                here = emit.offset(y, plane * self._plane_bytes)
                self._inserted.store(bits, lanes, here, self._alignment(lanes), before)
            return
        if self._multiplied and held in (0, EIGHT):
            nothing = [emit.constant(0, i8)] * code.planes
            for plane, bits in enumerate(self._multiplied.of(x) if held else nothing):
                emit.store(bits, emit.offset(y, plane * self._plane_bytes), 1)
            return
        values = emit.load_some(x, vector(lanes, self._element), self._item, held)
        # Planes of an odd code are those of (value - offset) / 2; what is not there has none.
        if code.is_odd:
            values = emit.binary("sub", values, emit.constant(code.offset, values.type))
        for plane in range(code.planes):
            bit = emit.constant(code.scale << plane, values.type)
            zero = emit.constant(0, values.type)
            flags = emit.compare("ne", emit.binary("and", values, bit), zero)
            mask = emit.bitcast(flags, IntegerType(lanes))
            if held < lanes and code.is_odd:
                mask = emit.binary("and", mask, emit.constant((1 << held) - 1, mask.type))
            emit.store(mask, emit.offset(y, plane * self._plane_bytes), self._alignment(lanes))

    def _unpack(self, x: SSAValue, y: SSAValue, lanes: int, held: int) -> None:
        emit, code, type = self.emit, self._code, vector(lanes, self._element)
        total = emit.constant(code.offset, type)
        for plane, weight in enumerate(code.plane_weights):
            here = emit.offset(y, plane * self._plane_bytes)
            mask = emit.load(here, IntegerType(lanes), self._alignment(lanes))
            flags = emit.widen(emit.bitcast(mask, vector(lanes, i1)), self._element, signed=True)
            value = emit.constant(code.scale * weight, type)
            total = emit.binary("add", total, emit.binary("and", flags, value))
        emit.store_some(total, x, self._item, held)

    @property
    def _element(self) -> IntegerType:
        return IntegerType(8 * self._item)

    def _alignment(self, lanes: int) -> int:
        """Bytes that a mask is aligned to: as its word, however much of it, or of several, it is."""
        return min(lanes, self._block) // 8
