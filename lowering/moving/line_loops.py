"""Loops for `lines`: an image's rows with padding, pixels end to end.

Planes: a line is filled with padding, then written pixel by pixel, up to 56 bits a step: each store of 8
bytes takes the bits before it along, and what it writes too much is written again. So a line has to end 8
bytes behind its last pixel; shorter ones are written word by word, from elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerType, i64
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.common import array
from lowbit_dialect.ops.gather import LinesOp
from lowering.loops.index_nest import each_row
from lowering.loops.tasks import Units
from lowering.moving.copying import constant_bytes, copy, fill
from lowering.moving.element_access import Element
from lowering.moving.window_runs import STORE
from lowering.moving.word_fill import fill_words
from microkernels.address import move
from microkernels.emit import Emitter

OfRow = Callable[[Callable[[SSAValue], None]], None]
"""Emits what to do with the row of the image (counted over all images) that a line shows, if it shows one."""


def line_loops(emit: Emitter, op: LinesOp, units: Units | None) -> int:
    """Emit the loops of `lines` on memrefs, or those of some lines; return how many there are."""
    assert op.outs is not None
    lines = _Lines(emit, op, Element(emit, op.input), Element(emit, op.outs))
    if lines.copies():
        lines.each(units, lines.copied)
    elif lines.packs():
        lines.each(units, lines.packed)
    else:
        return fill_words(emit, lines.target, lines.element, units)
    return lines.batch * lines.lines


class _Lines:
    """What the loops of one op have in common."""

    def __init__(self, emit: Emitter, op: LinesOp, source: Element, target: Element):
        self.emit, self.source, self.target, self.axes = emit, source, target, op.image_axes
        shape = source.type.get_shape()
        self.batch, self.height, self.width, self.channels = (shape[axis] for axis in self.axes)
        self.top, self.left, _, _ = array(op.padding, ())
        _, self.lines, self.length = target.type.get_shape()
        code = source.type.element_type
        assert isinstance(code, CodeType)
        self.code = code
        self.pad = op.pad_value.value.data if any(array(op.padding, ())) else code.minimum

    def copies(self) -> bool:
        """Whether elements of one width lie in order in both, channels last."""
        same = self.source.dtype == self.target.dtype and self.target.layout is None
        return same and self.source.terms == tuple(map(Term, self.axes))

    def packs(self) -> bool:
        """Whether planes lie in rows of 32-bit words in both, in lines that are long enough."""
        layouts = self.source.layout, self.target.layout
        if layouts != (Layout.row_planes(self.axes), Layout.row_planes((0, 1, 2))):
            return False
        end = (self.left + self.width) * self.channels
        return end // 8 + STORE <= self.target.plane_bytes

    def each(self, units: Units | None, line: Callable[[SSAValue, OfRow], None]) -> None:
        """Call `line` for each line of all images."""
        emit = self.emit

        def one(number: SSAValue, image: SSAValue, index: SSAValue) -> None:
            row = emit.at("sub", index, self.top)

            def of_row(body: Callable[[SSAValue], None]) -> None:
                shown = emit.at("add", emit.at("mul", image, self.height), row)
                if self.lines == self.height:
                    body(shown)
                else:
                    self._if(self._inside(row, self.height)[0], lambda: body(shown))

            line(number, of_row)

        each_row(emit, self.batch, self.lines, one, units)

    def _inside(self, index: SSAValue, size: int) -> tuple[SSAValue, SSAValue]:
        """Whether an index lies in `[0, size)`, and the nearest one that does."""
        emit = self.emit
        nearest = emit.at("min", emit.at("max", index, 0), size - 1)
        return emit.op(arith.CmpiOp(index, nearest, "eq")), nearest

    def _if(self, condition: SSAValue, body: Callable[[], None]) -> None:
        emit = self.emit
        once = emit.op(arith.SelectOp(condition, emit.index(1), emit.index(0)))

        def step(_: SSAValue, __: list[SSAValue]) -> Sequence[SSAValue]:
            body()
            return ()

        emit.loop(emit.index(0), once, 1, (), step)

    def copied(self, line: SSAValue, of_row: OfRow) -> None:
        """A line of elements."""
        emit, item = self.emit, self.target.dtype.itemsize
        out = move(emit, self.target.operand.pointer, [(line, self.length * item)])
        fill(emit, out, np.full(self.length, self.pad, self.target.dtype).tobytes())

        def body(row: SSAValue) -> None:
            count, width = self.width * self.channels, IntegerType(8 * item)
            x = move(emit, self.source.operand.pointer, [(row, count * item)])
            copy(emit, x, emit.offset(out, self.left * self.channels * item), count, (width, width))

        of_row(body)

    def packed(self, line: SSAValue, of_row: OfRow) -> None:
        """The planes of a line."""
        emit, planes = self.emit, self.code.planes
        pixel, size = self.source.plane_bytes, self.target.plane_bytes
        out = move(emit, self.target.operand.pointer, [(line, planes * size)])
        pad = int(self.code.encode(np.array([self.pad]))[0])
        patterns = [
            ((1 << self.length) - 1 if pad >> plane & 1 else 0).to_bytes(size, "little")
            for plane in range(planes)
        ]
        for plane, pattern in enumerate(patterns):
            fill(emit, emit.offset(out, plane * size), pattern)

        def body(row: SSAValue) -> None:
            x = move(emit, self.source.operand.pointer, [(row, self.width * planes * pixel)])
            for plane, pattern in enumerate(patterns):
                pair = emit.offset(x, plane * pixel), emit.offset(out, plane * size)
                self._write(*pair, planes * pixel, pattern)

        of_row(body)

    def _write(self, x: SSAValue, y: SSAValue, step: int, pattern: bytes) -> None:
        """Write one plane of the pixels of a row, which lie `step` bytes apart, into a filled line."""
        emit, first = self.emit, self.left * self.channels
        pieces = list(_pieces(self.channels, self.source.plane_bytes))

        def pixel(at: SSAValue, carried: list[SSAValue]) -> Sequence[SSAValue]:
            place = emit.op(arith.IndexCastOp(emit.at("mul", at, self.channels), i64))
            place = emit.binary("add", place, emit.constant(first, i64))
            shift = emit.binary("and", place, emit.constant(7, i64))
            byte = emit.binary("lshr", place, emit.constant(3, i64))
            out = emit.offset(y, emit.op(arith.IndexCastOp(byte, IndexType())))
            here, rest = move(emit, x, [(at, step)]), carried[0]
            for offset, bytes, bits in pieces:
                loaded = emit.load(emit.offset(here, offset), IntegerType(8 * bytes), 1)
                moved = emit.binary("shl", emit.widen(loaded, i64, signed=False), shift)
                both = emit.binary("or", moved, rest)
                emit.store(both, emit.offset(out, offset), 1)
                done = emit.constant(bits, i64)
                if bits % 8:
                    done = emit.binary("add", shift, done)
                    done = emit.binary("and", done, emit.constant(56, i64))
                rest = emit.binary("lshr", both, done)
            return [rest]

        before = pattern[first // 8] & ((1 << first % 8) - 1)
        end = first + self.width * self.channels
        bounds = emit.index(0), emit.index(self.width)
        (rest,) = emit.loop(*bounds, 1, [emit.constant(before, i64)], pixel)
        behind = int.from_bytes(pattern[end // 8 :][:STORE], "little") >> end % 8 << end % 8
        last = emit.binary("or", rest, constant_bytes(emit, behind.to_bytes(STORE, "little")))
        emit.store(last, emit.offset(y, end // 8), 1)

    def element(self, at: list[SSAValue]) -> SSAValue:
        """One element of the result."""
        emit = self.emit
        pixel, channel = (emit.at(name, at[2], self.channels) for name in ("div", "rem"))
        rows = self._inside(emit.at("sub", at[1], self.top), self.height)
        columns = self._inside(emit.at("sub", pixel, self.left), self.width)
        places = [at[0], rows[1], columns[1], channel]
        value = self.source.read([places[self.axes.index(axis)] for axis in range(4)])
        inside = emit.op(arith.AndIOp(rows[0], columns[0]))
        return emit.op(arith.SelectOp(inside, value, emit.constant(self.pad, value.type)))


def _pieces(bits: int, bytes: int) -> Iterator[tuple[int, int, int]]:
    """`(byte, bytes loaded, bits taken)` of loads that cover the bits of a pixel and stay in its words.

    All but the last take whole bytes. Bits behind those taken are the next ones: they do no harm.
    """
    offset = 0
    while 8 * offset < bits:
        loaded = next(size for size in (8, 4, 2, 1) if offset + size <= bytes)
        taken = min(bits - 8 * offset, 56 if loaded == 8 else 8 * loaded)
        yield offset, loaded, taken
        offset += taken // 8 if 8 * offset + taken < bits else bytes
