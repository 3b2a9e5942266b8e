"""Loops around tiles: rows, borders and tails of a window, channel blocks, batches and groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from xdsl.ir import Region, SSAValue

from lowbit_dialect.geometry import Window, WindowAxis
from lowbit_dialect.layout import layout_of, storage_bytes
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.tile import TileOp
from lowering.tasks import Share, Units, count_up
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
    """Words of the reduction at one tap."""
    position: tuple[SSAValue, ...] = field(default=())
    units: Units | None = None
    """Which units of the parallel axis to compute; None for all."""
    parallel: str = "none"

    def extent(self, parallel: str) -> int:
        """Units of a parallel axis: `none`, `rows` or `channels`."""
        match parallel:
            case "rows" if self._straight:
                return -(-self.window.columns.out // self.pixels)
            case "rows":
                return self.batch * self.window.rows.out
            case "channels":
                return self.groups * self._blocks_of_a_group
            case _:
                return 1

    def axis(self, threads: int, pinned: str = "") -> str:
        """The parallel axis: the pinned one, else the one that `threads` share out more fairly.

        Where both are fair it is the one that leaves less to read: every thread reads all weights when
        rows are shared out, and the whole input when channels are.
        """
        if self._blocks_overlap:
            return "none" if pinned == "none" else "rows"
        if pinned:
            return pinned
        rows, channels = (fairness(self.extent(name), threads) for name in ("rows", "channels"))
        if rows != channels:
            return "rows" if rows > channels else "channels"
        if self.weights is None:
            return "rows"
        input, weights = (storage_bytes(shaped(one)) for one in (self.input, self.weights))
        return "rows" if weights <= input else "channels"

    @property
    def _nanoseconds(self) -> int:
        """A guess of the time on one thread: half for a vector of products, one to finish a vector."""
        rows, columns = self.window.rows, self.window.columns
        vectors = (
            self.batch * rows.out * columns.out * self.groups * -(-self.channels // self.lanes)
        )
        return vectors * (2 + rows.kernel * columns.kernel * self.words) // 2

    @property
    def _straight(self) -> bool:
        """Whether all outputs lie in one row without borders, so that tiles of pixels are shared out."""
        columns = self.window.columns
        return self.batch * self.window.rows.out == 1 and columns.head == columns.tail == 0

    @property
    def _blocks_of_a_group(self) -> int:
        return -(-self.channels // (self.vectors * self.lanes))

    @property
    def _blocks_overlap(self) -> bool:
        """Whether channel blocks write to each other's bits (`Epilogue` clears the rest of a word)."""
        layout = layout_of(shaped(self.outs))
        if layout is None or not layout.packed:
            return False
        return -(-self.channels // self.lanes) * self.lanes % layout.word_width != 0

    def _units_of(self, parallel: str, outer: SSAValue, count: int) -> Units | None:
        """The units to compute among the `count` of an axis within index `outer` of the axis around it."""
        if self.units is None or self.parallel != parallel:
            return None
        emit = self.emit
        return self.units.within(emit, emit.at("mul", outer, count), count)

    def pixel_units(self, first: int, count: int) -> Units | None:
        """The tiles to compute of the `count` from number `first` on, of a straight line of pixels."""
        if self.units is None or self.parallel != "rows" or not self._straight:
            return None
        return self.units.within(self.emit, first, count)

    def build(self, share: Share | None = None, pinned: str = "") -> int:
        """Emit the loops: batch, group, channel block, row, column.

        Returns the extent of the parallel axis, `pinned` or chosen, of which a `share` is a part.
        """
        if share is not None and (pinned or self._nanoseconds >= share.least):
            axis = self.axis(share.threads, pinned)
            replace(self, units=share.units, parallel=axis)._loops()
            return self.extent(axis)
        self._loops()
        return 1

    def _loops(self) -> None:
        self._each(
            self.batch,
            1,
            lambda batch: self._each(self.groups, 1, lambda group: self._blocks(batch, group)),
        )

    def _each(
        self,
        stop: int,
        step: int,
        body: Callable[[SSAValue], None],
        start: int = 0,
        units: Units | None = None,
    ) -> None:
        """Call `body` for start, start + step, ... below stop: for all, or for the `units` of them."""
        count = -(-(stop - start) // step)
        if count > 0:
            count_up(self.emit, count, body, units, start=start, step=step)

    def _blocks(self, batch: SSAValue, group: SSAValue) -> None:
        block = self.vectors * self.lanes
        count = self.channels // block
        whole = count * block
        units = self._units_of("channels", group, self._blocks_of_a_group)

        def full(channel: SSAValue) -> None:
            self._rows((batch, group, channel), self.vectors, block)

        self._each(whole, block, full, units=units and units.within(self.emit, 0, count))
        if rest := self.channels - whole:

            def short(channel: SSAValue) -> None:
                self._rows((batch, group, channel), -(-rest // self.lanes), rest)

            last = units and units.within(self.emit, count, 1)
            self._each(self.channels, block, short, whole, last)

    def _rows(self, position: tuple[SSAValue, ...], vectors: int, channels: int) -> None:
        axis = self.window.rows

        def one(row: SSAValue) -> None:
            bounds = tap_bounds(self.emit, axis, row)
            border = border_class(self.emit, axis, row) if self.corrections else None
            tile = _Tile(replace(self, position=position), row, bounds, border, vectors, channels)
            tile.columns()

        units = None if self._straight else self._units_of("rows", position[0], axis.out)
        self._each(axis.out, 1, one, units=units)


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
        products = nest.pixels * self.vectors * nest.words * axis.kernel
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
        nest, axis, done = self.nest, self.nest.window.columns, 0
        for first, last, pixels in runs(axis, start, stop, nest.pixels):
            outputs = range(first, first + pixels)
            taps = [(axis.low(o), axis.high(o)) for o in outputs]
            classes = [axis.class_of(o) for o in outputs]

            def one(column: SSAValue, n: int = pixels, t=taps, c=classes) -> None:  # pyright: ignore
                self._tile(column, n, t, (), c)  # pyright: ignore

            count = (last - first) // pixels
            units = nest.pixel_units(done, count)
            nest._each(last, pixels, one, first, units)  # pyright: ignore
            done += count

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


def fairness(extent: int, threads: int) -> float:
    """The share of the time that threads have work, each having as many units as another, or one less.

    0.9 is as good as 1: that much differs from run to run anyway.
    """
    return min(0.9, extent / threads / -(-extent // threads))


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
