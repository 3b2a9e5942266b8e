"""Loops for `windows`: what each output of a window sees, end to end.

Planes: the taps of one row of a window are one run of bits. Words of it are loaded from any byte and shifted
against the same from the byte behind it, so that they come out where the result wants them: two loads, two
shifts and an `or` for 8 words. Such loads reach beyond what they need, so that lines have to be a little
longer (`line_pixels`); shorter ones are read element by element.

Bytes: runs are copied in the largest vectors that fit, the last one overlapping the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, i32, i64
from xdsl.ir import SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.gather import WindowsOp
from lowering.loops.index_nest import each_row, nest
from lowering.loops.tasks import Units
from lowering.moving.copying import constant_bytes, copy, lane, powers, store_lanes
from lowering.moving.element_access import Element
from lowering.moving.window_runs import runs_of
from lowering.moving.word_fill import fill_words
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import lanes_of, vector

MOST_MOVES = 1024
"""Loads for one output up to which they are unrolled."""


def window_loops(emit: Emitter, op: WindowsOp, units: Units | None) -> int:
    """Emit the loops of `windows` on memrefs, or those of some rows; return how many there are."""
    assert op.outs is not None
    windows = _Windows(emit, op, Element(emit, op.input), Element(emit, op.outs))
    if windows.copies():
        windows.each(units, windows.copied, windows.item * windows.width)
    elif windows.packs():
        windows.each(units, windows.packed, windows.planes * windows.target.plane_bytes)
    else:
        return fill_words(emit, windows.target, windows.element, units)
    return windows.batch * windows.height


class _Windows:
    """What the loops of one op have in common."""

    def __init__(self, emit: Emitter, op: WindowsOp, source: Element, target: Element):
        self.emit, self.source, self.target, self.axes = emit, source, target, op.image_axes
        self.batch, self.lines, self.length = source.type.get_shape()
        self.height, self.columns = op.size
        self.channels, self.kernel, self.strides, self.dilations = op.numbers
        self.runs = runs_of(self.channels, self.kernel, self.strides, self.dilations)
        self.depth = prod(self.kernel) * self.channels
        code = source.type.element_type
        assert isinstance(code, CodeType)
        self.planes = code.planes
        self.item = target.dtype.itemsize
        *_, block = [1, *(block for _, block in target.terms[-1].chain)]
        self.width = -(-self.depth // block) * block

    def copies(self) -> bool:
        """Whether elements lie in order in both, channels last; those of the result may be wider."""
        if self.source.layout is not None or self.target.encoded or len(self.runs) > MOST_MOVES:
            return False
        if self.source.dtype.itemsize > self.item:
            return False
        *leading, last = map(Term, self.axes)
        parts = self.target.terms[len(leading) :]
        if self.target.terms[: len(leading)] != tuple(leading):
            return False
        block = parts[-1].chain[-1][1] if parts[-1].chain else 0
        cut = [Term(self.axes[-1], ((kind, block),)) for kind in ("by", "in")]
        return list(parts) in ([last], cut)

    def packs(self) -> bool:
        """Whether planes lie in rows of words in both, in lines that are long enough."""
        wide = [Layout.row_planes(self.axes, width) for width in (32, 64)]
        if self.source.layout != Layout.row_planes((0, 1, 2)) or self.target.layout not in wide:
            return False
        if self.planes * sum(len(list(run.chunks)) for run in self.runs) > MOST_MOVES:
            return False
        size = self.source.plane_bytes
        lowest = (self.height - 1) * self.strides[0]
        beyond = max(
            run.last_byte(self.columns) - (self.lines - lowest - run.line - 1) * self.planes * size
            for run in self.runs
        )
        return beyond <= size

    def each(
        self, units: Units | None, window: Callable[[SSAValue, SSAValue, SSAValue], None], size: int
    ) -> None:
        """Call `window` for each output: with its first line, the `size` bytes of it, and its column."""
        emit, stride, source = self.emit, self.strides[0], self.source
        line = self.length * source.dtype.itemsize
        if source.encoded:
            line = source.plane_bytes * self.planes

        def row(number: SSAValue, image: SSAValue, index: SSAValue) -> None:
            above = [(image, self.lines * line), (index, stride * line)]
            x = move(emit, source.operand.pointer, above)
            y = move(emit, self.target.operand.pointer, [(number, self.columns * size)])
            nest(
                emit,
                [self.columns],
                lambda column: window(x, move(emit, y, [(column[0], size)]), column[0]),
            )

        each_row(emit, self.batch, self.height, row, units)

    def copied(self, x: SSAValue, y: SSAValue, column: SSAValue) -> None:
        """The elements of one output."""
        emit, source = self.emit, self.source
        item, widths = source.dtype.itemsize, (source.stored, self.target.stored)
        here = move(emit, x, [(column, self.strides[1] * self.channels * item)])
        for run in self.runs:
            first = emit.offset(here, (run.line * self.length + run.bit) * item)
            out = emit.offset(y, run.place * self.item)
            copy(emit, first, out, run.length, widths, signed=source.dtype.kind == "i")  # pyright: ignore
        for offset, size in powers((self.width - self.depth) * self.item):
            zero = constant_bytes(emit, bytes(size))
            emit.store(zero, emit.offset(y, self.depth * self.item + offset), 1)

    def packed(self, x: SSAValue, y: SSAValue, column: SSAValue) -> None:
        """The planes of one output."""
        emit, line, row = self.emit, self.source.plane_bytes, self.target.plane_bytes
        bits = emit.op(arith.IndexCastOp(emit.at("mul", column, self.runs[0].step), i64))
        # 4 bytes before: a run may begin with bits of a word before its line.
        places: list[tuple[SSAValue, SSAValue]] = []
        for run in self.runs:
            place = emit.binary("add", bits, emit.constant(run.start + 32, i64))
            byte = emit.binary("lshr", place, emit.constant(3, i64))
            begin = emit.offset(x, run.line * self.planes * line - 4)
            begin = emit.offset(begin, emit.op(arith.IndexCastOp(byte, IndexType())))
            places.append((begin, emit.binary("and", place, emit.constant(7, i64))))
        for plane in range(self.planes):
            here = [(emit.offset(one, plane * line), shift) for one, shift in places]
            self._row(here, emit.offset(y, plane * row), row // 4)

    def _row(self, places: Sequence[tuple[SSAValue, SSAValue]], y: SSAValue, words: int) -> None:
        """One plane of one output, run after run; a word that two of them share is stored with the second."""
        emit, done = self.emit, 0
        shared: tuple[SSAValue, int] | None = None
        for run, (begin, shift) in zip(self.runs, places):
            first, end = run.place // 32, run.place + run.length
            for word, lanes in run.chunks:
                value = self._words(emit.offset(begin, 4 * (word - first)), shift, lanes)
                value = self._masked(value, run.mask(word, lanes))
                if shared is not None:
                    before = self._first_lane(shared[0], shared[1], lanes)
                    value = emit.binary("or", value, before)
                    shared = None
                done = min(words, word + lanes)
                if end < 32 * (word + lanes) and end % 32 and end < self.depth:
                    shared = value, end // 32 - word
                    if lanes == 1:
                        continue
                store_lanes(emit, value, emit.offset(y, 4 * word), words - word)
        for word in range(done, words):
            emit.store(emit.constant(0, i32), emit.offset(y, 4 * word), 4)

    def _words(self, pointer: SSAValue, shift: SSAValue, lanes: int) -> SSAValue:
        """Words from bit `shift`, below 8, of a byte on."""
        emit = self.emit
        if lanes == 1:
            loaded = emit.binary("lshr", emit.load(pointer, i64, 1), shift)
            return emit.widen(loaded, i32, signed=False)
        type = vector(lanes, i32)
        down = emit.widen(shift, i32, signed=False)
        up = emit.binary("sub", emit.constant(8, i32), down)
        low = emit.binary("lshr", emit.load(pointer, type, 1), emit.splat(down, lanes))
        behind = emit.load(emit.offset(pointer, 1), type, 1)
        return emit.binary("or", low, emit.binary("shl", behind, emit.splat(up, lanes)))

    def _masked(self, value: SSAValue, mask: Sequence[int]) -> SSAValue:
        """The bits of words that a mask has."""
        emit, signed = self.emit, [one - (one >> 31 << 32) for one in mask]
        if all(one == -1 for one in signed):
            return value
        alone = len(signed) == 1
        ones = emit.constant(signed[0], i32) if alone else emit.constants(signed, i32)
        return emit.binary("and", value, ones)

    def _first_lane(self, value: SSAValue, index: int, lanes: int) -> SSAValue:
        """One lane of a value as the first of `lanes`, the others 0."""
        emit, held = self.emit, lanes_of(value.type)
        if lanes == 1 or held == 1:
            return emit.first(lane(emit, value, index), lanes)
        zero = emit.constant(0, value.type)
        return emit.shuffle(value, [index, *[held] * (lanes - 1)], zero)

    def element(self, at: list[SSAValue]) -> SSAValue:
        """One element of the result."""
        emit = self.emit
        image, row, column, place = (at[axis] for axis in self.axes)
        channel, tap = (emit.at(name, place, self.channels) for name in ("rem", "div"))
        taps = (emit.at(name, tap, self.kernel[1]) for name in ("div", "rem"))
        y, x = (
            emit.at("add", emit.at("mul", index, stride), emit.at("mul", one, step))
            for index, stride, one, step in zip((row, column), self.strides, taps, self.dilations)
        )
        pixel = emit.at("mul", x, self.channels)
        return self.source.read([image, y, emit.at("add", pixel, channel)])
