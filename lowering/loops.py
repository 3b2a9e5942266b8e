"""Loops around tiles: rows, borders and tails of a window, channel blocks, batches and groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from xdsl.ir import Region, SSAValue

from lowbit_dialect.geometry import Window, WindowAxis
from lowbit_dialect.ops.tile import TileOp
from microkernels.emit import Emitter

PEELED_PRODUCTS = 512
"""Unrolled products of a border tile up to which it is peeled; above it border pixels share a loop."""


@dataclass(frozen=True)
class TileNest:
    """What all tiles of one op have in common, and the loops that place them."""

    emit: Emitter
    microkernel: str
    input: SSAValue
    weights: SSAValue | None
    corrections: SSAValue | None
    outs: SSAValue
    epilogue: Callable[[], Region]
    window: Window
    batch: int
    groups: int
    channels: int
    """Output channels of one group."""
    lanes: int
    pixels: int
    vectors: int
    unroll: int
    taps: str
    input_axes: tuple[int, ...]
    weight_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    divisor: int = 1
    words: int = 1
    """Words of the reduction that are unrolled."""
    position: tuple[SSAValue, ...] = field(default=())

    def build(self) -> None:
        """Emit the loops: batch, group, channel block, row, column."""
        self._each(
            self.batch,
            1,
            lambda batch: self._each(self.groups, 1, lambda group: self._blocks(batch, group)),
        )

    def _each(
        self, count: int, step: int, body: Callable[[SSAValue], None], start: int = 0
    ) -> None:
        """Call `body` for start, start + step, ... below count: once without a loop, else in one."""
        emit = self.emit
        if count - start <= step:
            if count > start:
                body(emit.index(start))
            return

        def inner(index: SSAValue, _: list[SSAValue]) -> Sequence[SSAValue]:
            body(index)
            return ()

        emit.loop(emit.index(start), emit.index(count), step, (), inner)

    def _blocks(self, batch: SSAValue, group: SSAValue) -> None:
        block = self.vectors * self.lanes
        whole = self.channels // block * block

        def full(channel: SSAValue) -> None:
            self._rows((batch, group, channel), self.vectors, block)

        self._each(whole, block, full)
        if rest := self.channels - whole:
            vectors = -(-rest // self.lanes)
            self._rows((batch, group, self.emit.index(whole)), vectors, rest)

    def _rows(self, position: tuple[SSAValue, ...], vectors: int, channels: int) -> None:
        axis = self.window.rows

        def one(row: SSAValue) -> None:
            bounds = tap_bounds(self.emit, axis, row)
            border = border_class(self.emit, axis, row) if self.corrections else None
            tile = _Tile(replace(self, position=position), row, bounds, border, vectors, channels)
            tile.columns()

        self._each(axis.out, 1, one)


@dataclass(frozen=True)
class _Tile:
    """The tiles of one row."""

    nest: TileNest
    row: SSAValue
    row_bounds: tuple[SSAValue, SSAValue]
    row_class: SSAValue | None
    vectors: int
    channels: int

    def columns(self) -> None:
        """Emit the tiles of the row: peeled borders, a loop over the interior, a tail."""
        nest, axis = self.nest, self.nest.window.columns
        products = nest.pixels * self.vectors * min(nest.words, nest.unroll) * axis.kernel
        if (axis.head or axis.tail) and products > PEELED_PRODUCTS:
            self._loop_border(0, axis.head)
            self._interior(axis.head, axis.out - axis.tail)
            self._loop_border(axis.out - axis.tail, axis.out)
        else:
            self._interior(0, axis.out)

    def _loop_border(self, start: int, stop: int) -> None:
        """Border pixels one at a time in a loop, with bounds computed for each."""
        nest, emit, axis = self.nest, self.nest.emit, self.nest.window.columns

        def one(column: SSAValue) -> None:
            bounds = tap_bounds(emit, axis, column)
            border = border_class(emit, axis, column)
            self._tile(column, 1, [], bounds, border)

        nest._each(stop, 1, one, start)  # pyright: ignore

    def _interior(self, start: int, stop: int) -> None:
        """Tiles of `pixels` outputs; runs of tiles without taps on padding become loops."""
        nest, axis = self.nest, self.nest.window.columns
        for first, last, pixels in runs(axis, start, stop, nest.pixels):
            outputs = range(first, first + pixels)
            taps = [(axis.low(o), axis.high(o)) for o in outputs]
            classes = [axis.class_of(o) for o in outputs]

            def one(column: SSAValue, n: int = pixels, t=taps, c=classes) -> None:  # pyright: ignore
                self._tile(column, n, t, (), c)  # pyright: ignore

            nest._each(last, pixels, one, first)  # pyright: ignore

    def _tile(
        self,
        column: SSAValue,
        pixels: int,
        taps: Sequence[tuple[int, int]],
        column_bounds: Sequence[SSAValue],
        border: SSAValue | Sequence[int],
    ) -> None:
        nest, window = self.nest, self.nest.window
        classes: list[SSAValue] = [self.row_class] if self.row_class else []
        if isinstance(border, SSAValue):
            classes += [border] if self.row_class else []
            border = ()
        rows, columns = window.rows, window.columns
        numbers = {
            "pixels": pixels,
            "vectors": self.vectors,
            "channels": self.channels,
            "groups": nest.groups,
            "unroll": nest.unroll,
            "divisor": nest.divisor,
        }
        arrays: dict[str, Sequence[int]] = {
            "columns": [bound for pair in taps for bound in pair],
            "column_classes": border if self.row_class else (),
            "kernel": (rows.kernel, columns.kernel),
            "strides": (rows.stride, columns.stride),
            "padding": (rows.before, columns.before),
            "dilations": (rows.dilation, columns.dilation),
            "input_axes": nest.input_axes,
            "weight_axes": nest.weight_axes,
            "output_axes": nest.output_axes,
        }
        nest.emit.run(
            TileOp(
                nest.microkernel,
                nest.input,
                nest.weights,
                nest.corrections,
                nest.outs,
                (*nest.position, self.row, column),
                self.row_bounds,
                column_bounds,
                classes,
                numbers,
                arrays,
                nest.taps,
                nest.epilogue(),
            )
        )


def runs(axis: WindowAxis, start: int, stop: int, pixels: int) -> Iterator[tuple[int, int, int]]:
    """Cut outputs `[start, stop)` in tiles; yield `(first, last, pixels)` of runs of equal ones.

    Neighbouring tiles of one size join into a run if every tap of them is inside.
    """
    first = start
    inside = range(axis.head, axis.out - axis.tail + 1)
    sizes = tile_sizes(
        stop - start, pixels, max(axis.head - start, stop + axis.tail - axis.out) > 0
    )
    while sizes:
        size = sizes.pop(0)
        last = first + size
        while first in inside and sizes and sizes[0] == size and last + size in inside:
            last += sizes.pop(0)
        yield first, last, size
        first = last


def tile_sizes(total: int, most: int, borders: bool) -> list[int]:
    """The fewest tiles of at most `most` outputs, none much smaller than the others.

    A register block of few pixels waits for its own sums: 14 outputs by 6 are 5 + 5 + 4, not 6 + 6 + 2. Tiles
    on borders have code of their own anyway, so both take what the others leave: 56 by 6 are 4 + 8 x 6 + 4.
    """
    if total <= 0:
        return []
    count = -(-total // most)
    size = -(-total // count)
    if not borders or count == 1:
        return [size] * (count - 1) + [total - size * (count - 1)]
    ends = total - size * (count - 2)
    return [ends - ends // 2, *[size] * (count - 2), ends // 2]


def tap_bounds(emit: Emitter, axis: WindowAxis, output: SSAValue) -> tuple[SSAValue, SSAValue]:
    """`[low, high)` of the taps of `output` inside the input, as index values."""
    low, high = emit.index(0), emit.index(axis.kernel)
    start = emit.at("mul", output, axis.stride)
    step = axis.dilation
    if axis.head:
        outside = emit.at("max", emit.at("sub", emit.index(axis.before), start), 0)
        low = emit.at("div", emit.at("add", outside, step - 1), step)
    if axis.head == axis.out or axis.tail:
        inside = emit.at("sub", emit.index(axis.size - 1 + axis.before + step), start)
        high = emit.at("min", emit.at("div", emit.at("max", inside, 0), step), axis.kernel)
    return low, high


def border_class(emit: Emitter, axis: WindowAxis, output: SSAValue) -> SSAValue:
    """Border class of an output, `min(o, head) + max(0, o - (out - tail - 1))`."""
    first = emit.at("min", output, axis.head)
    if not axis.tail:
        return first
    last = emit.at("max", emit.at("sub", output, axis.out - axis.tail - 1), 0)
    return emit.at("add", first, last)
