"""Loops around tiles: batches, groups, channel blocks, rows and columns, in the order of the schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xdsl.ir import Region, SSAValue

from lowbit_dialect.geometry import Window
from lowbit_dialect.ops.tile import TileOp
from lowering.loops.borders import border_class, runs, tap_bounds
from lowering.loops.tasks import Units, count_up
from microkernels.emit import Emitter

PEELED_PRODUCTS = 512
"""Unrolled products of a border tile up to which it is peeled; above it border pixels share a loop."""

PEELED_OUTPUTS = 6
"""Border outputs of a row up to which they are peeled: a 7x7 kernel has 6 and gains 10 to 20 % (64 to 32
channels: 132 us, not 146; AVX2, Zen 3, 2026-11). The 8 of 9x9 take 2 s more to compile and gain nothing;
240 outputs of a 3x3 kernel took 12 s, in a loop 1 s."""


@dataclass(frozen=True)
class Place:
    """Where a tile stands, as far as the loops around it have settled."""

    batch: SSAValue
    group: SSAValue
    channel: SSAValue | None = None
    row: SSAValue | None = None
    column: SSAValue | None = None
    vectors: int = 0
    channels: int = 0
    pixels: int = 1
    row_bounds: tuple[SSAValue, ...] = ()
    row_class: SSAValue | None = None
    taps: tuple[int, ...] = ()
    """`low, high` of the kernel columns inside for each pixel."""
    column_classes: tuple[int, ...] = ()
    """Border class of each pixel."""
    column_bounds: tuple[SSAValue, ...] = ()
    """Of a single pixel, where `taps` are not known beforehand; its class likewise."""
    column_class: SSAValue | None = None

    @property
    def position(self) -> tuple[SSAValue, ...]:
        """Batch, group, channel, row and column."""
        assert self.channel is not None and self.row is not None and self.column is not None
        return self.batch, self.group, self.channel, self.row, self.column


Body = Callable[[Place], None]


@dataclass(frozen=True)
class TileNest:
    """What all tiles of one op have in common, and the loops that place them."""

    emit: Emitter
    microkernel: str
    input: SSAValue
    outs: SSAValue
    epilogue: Callable[[], Region]
    window: Window
    batch: int
    channels: int
    """Output channels of one group."""
    lanes: int
    vectors: int
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    # The rest has defaults for kernels that go lane by lane.
    weights: SSAValue | None = None
    corrections: SSAValue | None = None
    weight_axes: tuple[int, ...] = (-1, -1, -1, -1)
    groups: int = 1
    pixels: int = 1
    unroll: int = 1
    taps: str = "none"
    divisor: int = 1
    words: int = 1
    """Words of the reduction at one tap."""
    planes: str = "outer"
    prefetch: int = 0
    order: str = "channels"
    """The outermost loop: over blocks of `channels`, `rows`, or tiles of `pixels` within rows."""
    units: Units | None = None
    """Which units of the parallel axis to compute; None for all."""
    parallel: str = "none"

    @property
    def straight(self) -> bool:
        """Whether all outputs lie in one row without borders, so that tiles of pixels are shared out."""
        columns = self.window.columns
        return self.batch * self.window.rows.out == 1 and columns.head == columns.tail == 0

    @property
    def blocks_of_a_group(self) -> int:
        """Blocks of output channels of one group."""
        return -(-self.channels // (self.vectors * self.lanes))

    def _units_of(self, parallel: str, outer: SSAValue, count: int) -> Units | None:
        """The units to compute among the `count` of an axis within index `outer` of the axis around it."""
        if self.units is None or self.parallel != parallel:
            return None
        emit = self.emit
        return self.units.within(emit, emit.at("mul", outer, count), count)

    def pixel_units(self, first: int, count: int) -> Units | None:
        """The tiles to compute of the `count` from number `first` on, of a straight line of pixels."""
        if self.units is None or self.parallel != "rows" or not self.straight:
            return None
        return self.units.within(self.emit, first, count)

    def build(self) -> None:
        """Emit the loops: batch, group, then those of `order`."""
        first, second, third = {
            "channels": (self._blocks, self._rows, self._columns),
            "rows": (self._rows, self._blocks, self._columns),
            "pixels": (self._rows, self._columns, self._blocks),
        }[self.order]

        def inside(batch: SSAValue, group: SSAValue) -> None:
            place = Place(batch, group)
            first(place, lambda at: second(at, lambda at: third(at, self._tile)))

        self._each(
            self.batch,
            1,
            lambda batch: self._each(self.groups, 1, lambda group: inside(batch, group)),
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

    def _blocks(self, place: Place, inner: Body) -> None:
        """Blocks of output channels, the last one with what is left."""
        block = self.vectors * self.lanes
        count = self.channels // block
        whole = count * block
        units = self._units_of("channels", place.group, self.blocks_of_a_group)

        def full(channel: SSAValue) -> None:
            inner(replace(place, channel=channel, vectors=self.vectors, channels=block))

        self._each(whole, block, full, units=units and units.within(self.emit, 0, count))
        if rest := self.channels - whole:
            vectors = -(-rest // self.lanes)

            def short(channel: SSAValue) -> None:
                inner(replace(place, channel=channel, vectors=vectors, channels=rest))

            last = units and units.within(self.emit, count, 1)
            self._each(self.channels, block, short, whole, last)

    def _rows(self, place: Place, inner: Body) -> None:
        """Rows of outputs, each with the bounds of its taps."""
        axis = self.window.rows

        def one(row: SSAValue) -> None:
            bounds = tap_bounds(self.emit, axis, row)
            border = border_class(self.emit, axis, row) if self.corrections else None
            inner(replace(place, row=row, row_bounds=bounds, row_class=border))

        units = None if self.straight else self._units_of("rows", place.batch, axis.out)
        self._each(axis.out, 1, one, units=units)

    def _columns(self, place: Place, inner: Body) -> None:
        """Tiles of one row: peeled borders, a loop over the interior, a tail."""
        axis = self.window.columns
        products = self.pixels * (place.vectors or self.vectors) * self.words * axis.kernel
        outputs = axis.head + axis.tail
        if outputs > PEELED_OUTPUTS or (outputs and products > PEELED_PRODUCTS):
            self._loop_border(0, axis.head, place, inner)
            self._interior(axis.head, axis.out - axis.tail, place, inner)
            self._loop_border(axis.out - axis.tail, axis.out, place, inner)
        else:
            self._interior(0, axis.out, place, inner)

    def _loop_border(self, start: int, stop: int, place: Place, inner: Body) -> None:
        """Border pixels one at a time in a loop, with bounds computed for each."""
        axis = self.window.columns

        def one(column: SSAValue) -> None:
            bounds = tap_bounds(self.emit, axis, column)
            border = border_class(self.emit, axis, column)
            inner(replace(place, column=column, column_bounds=bounds, column_class=border))

        self._each(stop, 1, one, start)

    def _interior(self, start: int, stop: int, place: Place, inner: Body) -> None:
        """Tiles of `pixels` outputs; runs of tiles without taps on padding become loops."""
        axis, done = self.window.columns, 0
        for first, last, pixels in runs(axis, start, stop, self.pixels):
            outputs = range(first, first + pixels)
            tile = replace(
                place,
                pixels=pixels,
                taps=tuple(bound for o in outputs for bound in (axis.low(o), axis.high(o))),
                column_classes=tuple(axis.class_of(o) for o in outputs),
            )
            count = (last - first) // pixels
            units = self.pixel_units(done, count)
            self._each(
                last,
                pixels,
                lambda column, at=tile: inner(replace(at, column=column)),
                first,
                units,
            )
            done += count

    def _tile(self, place: Place) -> None:
        """The tile at a place."""
        rows, columns = self.window.rows, self.window.columns
        classes: list[SSAValue] = []
        if place.row_class:
            classes = [one for one in (place.row_class, place.column_class) if one]
        numbers = {
            "pixels": place.pixels,
            "vectors": place.vectors,
            "channels": place.channels,
            "groups": self.groups,
            "unroll": self.unroll,
            "divisor": self.divisor,
            "prefetch": self.prefetch,
        }
        arrays: dict[str, Sequence[int]] = {
            "columns": place.taps,
            "column_classes": place.column_classes if place.row_class else (),
            "kernel": (rows.kernel, columns.kernel),
            "strides": (rows.stride, columns.stride),
            "padding": (rows.before, columns.before),
            "dilations": (rows.dilation, columns.dilation),
            "input_axes": self.input_axes,
            "weight_axes": self.weight_axes,
            "output_axes": self.output_axes,
        }
        self.emit.run(
            TileOp(
                self.microkernel,
                self.input,
                self.weights,
                self.corrections,
                self.outs,
                place.position,
                place.row_bounds,
                place.column_bounds,
                classes,
                numbers,
                arrays,
                {"taps": self.taps, "planes": self.planes},
                self.epilogue(),
            )
        )
