"""Loops around tiles: images and groups, then those of the nest over channels, rows and pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from xdsl.ir import Region, SSAValue

from lowbit_dialect.ops.tile import TileOp
from lowbit_dialect.schedule import Loop
from lowering.loops.borders import border_class, tap_bounds
from lowering.loops.tasks import Units, count_up
from microkernels.emit import Emitter
from microkernels.nest import Nest, Run

Bound = SSAValue | int


@dataclass(frozen=True)
class Steps:
    """Steps `[begin, end)` of an axis."""

    begin: Bound
    end: Bound

    @property
    def count(self) -> int | None:
        """How many, if that is known."""
        if isinstance(self.begin, int) and isinstance(self.end, int):
            return self.end - self.begin
        return None


@dataclass(frozen=True)
class Place:
    """Where a tile stands, as far as the loops around it have settled."""

    batch: SSAValue
    group: SSAValue
    steps: Mapping[str, Steps]
    """Of each axis, those that the cache tiles around leave."""
    run: Run | None = None
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
    nest: Nest
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    # The rest has defaults for kernels that go lane by lane.
    weights: SSAValue | None = None
    corrections: SSAValue | None = None
    weight_axes: tuple[int, ...] = (-1, -1, -1, -1)
    unroll: int = 1
    taps: str = "none"
    divisor: int = 1
    planes: str = "outer"
    prefetch: int = 0
    units: Units | None = None
    """Which units of the parallel axis to compute; None for all."""
    parallel: str = "none"

    def build(self) -> int:
        """Emit the loops: images, groups, then those of the nest; return the extent of what is shared."""
        nest = self.nest
        self._each(
            nest.batch,
            lambda batch: self._each(nest.groups, lambda group: self._inside(batch, group)),
        )
        return nest.units(self.parallel)

    def _each(self, count: int, body: Callable[[SSAValue], None]) -> None:
        count_up(self.emit, count, body)

    def _inside(self, batch: SSAValue, group: SSAValue) -> None:
        """The loops of the schedule in one image and group."""
        nest = self.nest
        steps = {
            "channels": self._shared("channels", group, nest.blocks),
            "rows": self._shared("rows", batch, nest.window.rows.out),
        }
        self._loops(nest.loops, Place(batch, group, steps))

    def _shared(self, parallel: str, outer: SSAValue, count: int) -> Steps:
        """The steps to do of the `count` of an axis within index `outer` of the axis around it."""
        if self.units is None or self.parallel != parallel or self._shares_tiles:
            return Steps(0, count)
        units = self.units.within(self.emit, self.emit.at("mul", outer, count), count)
        return Steps(units.begin, units.end)

    @property
    def _shares_tiles(self) -> bool:
        return self.parallel == "rows" and self.nest.straight

    def _loops(self, loops: Sequence[Loop], place: Place) -> None:
        """The loops that are left, then the tile."""
        if not loops:
            self._tile(place)
            return
        loop, *rest = loops

        def inner(at: Place) -> None:
            self._loops(rest, at)

        match loop.axis:
            case "channels":
                self._channels(loop, place, inner)
            case "rows":
                self._rows(loop, place, inner)
            case _:
                self._pixels(loop, place, inner)

    def _over(
        self,
        steps: Steps,
        body: Callable[[SSAValue], None],
        *,
        size: int = 1,
        width: int = 1,
        start: int = 0,
    ) -> None:
        """Call `body` with `start + width * step` for every `size`-th step; without a loop if it is one."""
        emit, count = self.emit, steps.count
        if isinstance(steps.begin, int) and count is not None:
            if count > 0:
                first = start + width * steps.begin
                count_up(emit, -(-count // size), body, start=first, step=size * width)
            return

        def bound(value: Bound) -> SSAValue:
            return emit.at("add", emit.at("mul", self._value(value), width), start)

        def one(index: SSAValue, _: list[SSAValue]) -> Sequence[SSAValue]:
            body(index)
            return ()

        emit.loop(bound(steps.begin), bound(steps.end), size * width, (), one)

    def _value(self, bound: Bound) -> SSAValue:
        return self.emit.index(bound) if isinstance(bound, int) else bound

    def _in_tiles(self, axis: str, by: int, place: Place, inner: Body) -> None:
        """Cache tiles of `by` steps of an axis, the last one with what is left."""
        steps = place.steps[axis]

        def one(first: SSAValue) -> None:
            last = self.emit.at("min", self.emit.at("add", first, by), steps.end)
            inner(replace(place, steps={**place.steps, axis: Steps(first, last)}))

        if steps.count is not None and steps.count <= by:
            inner(place)
        else:
            self._over(steps, one, size=by)

    def _channels(self, loop: Loop, place: Place, inner: Body) -> None:
        """Blocks of output channels, the last one with what is left."""
        if loop.by is not None:
            self._in_tiles("channels", loop.by, place, inner)
            return
        nest, steps, emit = self.nest, place.steps["channels"], self.emit
        whole, rest = divmod(nest.channels, nest.block)

        def full(channel: SSAValue) -> None:
            inner(replace(place, channel=channel, vectors=nest.vectors, channels=nest.block))

        def short(_: SSAValue) -> None:
            channel, vectors = emit.index(whole * nest.block), -(-rest // nest.lanes)
            inner(replace(place, channel=channel, vectors=vectors, channels=rest))

        if not rest:
            self._over(steps, full, width=nest.block)
        elif steps.count is not None:
            self._over(Steps(0, whole), full, width=nest.block)
            self._over(Steps(whole, whole + 1), short)
        else:
            if whole:
                below = Steps(steps.begin, emit.at("min", self._value(steps.end), whole))
                self._over(below, full, width=nest.block)
            last = emit.at("max", self._value(steps.begin), whole)
            self._over(Steps(last, steps.end), short)

    def _rows(self, loop: Loop, place: Place, inner: Body) -> None:
        """Rows of outputs, each with the bounds of its taps."""
        if loop.by is not None:
            self._in_tiles("rows", loop.by, place, inner)
            return
        axis = self.nest.window.rows

        def one(row: SSAValue) -> None:
            bounds = tap_bounds(self.emit, axis, row)
            border = border_class(self.emit, axis, row) if self.corrections else None
            inner(replace(place, row=row, row_bounds=bounds, row_class=border))

        self._over(place.steps["rows"], one)

    def _pixels(self, loop: Loop, place: Place, inner: Body) -> None:
        """Tiles of one row, run after run; the outermost loop over pixels goes from run to run."""
        if place.run is not None:
            self._pixels_of(place.run, loop, place, inner)
            return
        done = 0
        for run in self.nest.runs:
            steps = Steps(0, run.count)
            if self.units is not None and self._shares_tiles:
                units = self.units.within(self.emit, done, run.count)
                steps = Steps(units.begin, units.end)
            at = replace(place, run=run, steps={**place.steps, "pixels": steps})
            self._pixels_of(run, loop, at, inner)
            done += run.count

    def _pixels_of(self, run: Run, loop: Loop, place: Place, inner: Body) -> None:
        """Tiles of one run."""
        if loop.by is not None:
            self._in_tiles("pixels", loop.by, place, inner)
            return
        axis, emit = self.nest.window.columns, self.emit

        def computed(column: SSAValue) -> None:
            bounds = tap_bounds(emit, axis, column)
            border = border_class(emit, axis, column)
            inner(replace(place, column=column, column_bounds=bounds, column_class=border))

        def known(column: SSAValue, taps: tuple[tuple[int, int], ...]) -> None:
            outputs = range(run.first, run.first + run.pixels)
            tile = replace(
                place,
                pixels=run.pixels,
                taps=tuple(bound for both in taps for bound in both),
                column_classes=tuple(axis.class_of(o) for o in outputs),
            )
            inner(replace(tile, column=column))

        def one(column: SSAValue) -> None:
            known(column, run.taps) if run.taps is not None else computed(column)

        self._over(place.steps["pixels"], one, width=run.pixels, start=run.first)

    def _tile(self, place: Place) -> None:
        """The tile at a place."""
        nest = self.nest
        rows, columns = nest.window.rows, nest.window.columns
        classes: list[SSAValue] = []
        if place.row_class:
            classes = [one for one in (place.row_class, place.column_class) if one]
        numbers = {
            "pixels": place.pixels,
            "vectors": place.vectors,
            "channels": place.channels,
            "groups": nest.groups,
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
