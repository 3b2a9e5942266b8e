"""`#lowbit.schedule`: how an op is executed, as one frozen, printable value.

    #lowbit.schedule<algorithm = direct, microkernel = popcount_32x8, pixels = 4, vectors = 2, unroll = 2,
                     taps = columns, loops = [rows by 10, channels, rows, pixels]>

Any legal schedule gives the same bits. `lowbit-plan` fills what is open; rules, model, search, records and
solvers produce schedules; what a field may be for an op is in `autotune/space.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import total_ordering
from types import MappingProxyType
from typing import NamedTuple, cast

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "algorithm": ("direct", "im2col"),
        "taps": ("none", "columns"),
        "planes": ("outer", "looped", "inner"),
        "borders": ("peeled", "looped"),
        "tables": ("whole", "strips"),
        "parallel": ("none", "rows", "channels"),
    }
)
"""Values of the fields that are names of a few."""

SMALLEST: Mapping[str, int] = MappingProxyType(
    {"pixels": 1, "vectors": 1, "unroll": 1, "prefetch": 0}
)
"""The fields that are numbers, each with the smallest."""

LARGEST = 1024
"""What a number is at most: so many words ahead prefetch nothing of use, and no block is as large."""

AXES = ("channels", "rows", "pixels")
"""The axes of the loops: blocks of output channels, rows of outputs, tiles of pixels in a row."""

MOST_LOOPS = 6


_NAME = re.compile(r"[A-Za-z_][\w$.]*", re.ASCII)


class Loop(NamedTuple):
    """A loop over an axis, step by step, or over cache tiles of `by` steps."""

    axis: str
    by: int | None = None

    def __str__(self) -> str:
        return self.axis if self.by is None else f"{self.axis} by {self.by}"


Value = str | int | tuple[Loop, ...]


@total_ordering
@dataclass(frozen=True)
class Schedule:
    """A schedule of one `conv2d` or `dense`. A field that is None is open: whoever plans decides it."""

    algorithm: str | None = None
    """`direct`: a loop nest over the input where it lies; `im2col`: over windows gathered before."""
    microkernel: str | None = None
    """Name of the register-block kernel."""
    pixels: int | None = None
    """Output pixels of a register block."""
    vectors: int | None = None
    """Vectors of output channels of a register block."""
    unroll: int | None = None
    """Words of the reduction unrolled in the innermost loop."""
    taps: str | None = None
    """Which loops over kernel taps are unrolled: `none` or `columns`."""
    loops: tuple[Loop, ...] | None = None
    """The loops over tiles, outermost first: one over the steps of each axis (`channels`, whose weights then
    stay near; `rows` and `pixels`, whose inputs do), and before it any over cache tiles of so many steps."""
    planes: str | None = None
    """Where the pairs of bit planes stand: `outer`, around the loops over taps, each with code of its own;
    `looped`, there in one loop; or `inner`: every operand is read once, into sums of their own for each
    shift. Kernels that read no planes ignore it."""
    prefetch: int | None = None
    """Words of the reduction that weights are prefetched ahead; 0 for none."""
    borders: str | None = None
    """Border pixels of a row: `peeled`, each with code that knows its taps, or `looped`, one at a time."""
    tables: str | None = None
    """When tables are made of the activations, for kernels that look up: the `whole` image before, or in
    `strips`: inside the outermost loop, over tiles of rows, for the rows that such a tile reads."""
    parallel: str | None = None
    """What several threads share out: `none`, `rows` (of all images; tiles of pixels where a window walks in
    a straight line) or blocks of output `channels`. Only the loops of the op itself are meant: what gathers
    and packs for it before is shared out by its own size."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and (error := _error(name, value)):
                raise ValueError(error)

    def changed(self, **values: Value | None) -> Schedule:
        """The same with other values of some fields, which alone are checked: `replace` takes far longer."""
        for name, value in values.items():
            if value is not None and (error := _error(name, value)):
                raise ValueError(error)
        one = object.__new__(Schedule)
        one.__dict__.update(self.__dict__, **values)
        return one

    def completed(self, other: Schedule) -> Schedule:
        """Fill the open fields from `other`."""
        return replace(other, **self.closed())

    def closed(self) -> dict[str, Value]:
        """The fields that are decided, by name."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}

    def open(self) -> list[str]:
        """The names of the fields that are not decided."""
        return [f.name for f in fields(self) if getattr(self, f.name) is None]

    def __lt__(self, other: Schedule) -> bool:
        return str(self) < str(other)

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_written(value)}" for name, value in self.closed().items())

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Value]]) -> Schedule:
        """Build a schedule from fields as they are written; raises ValueError naming a wrong one."""
        known = [f.name for f in fields(cls)]
        values: dict[str, Value] = {}
        for name, value in pairs:
            if name not in known:
                raise ValueError(f"a schedule has no {name!r:.60}: it has {', '.join(known)}")
            if name in values:
                raise ValueError(f"a schedule has {name} once, not twice")
            values[name] = value
        return cls(**values)  # pyright: ignore[reportArgumentType]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read the printed form; raises ValueError naming what is wrong."""
        items = [item for item in re.split(r",(?![^\[]*\])", text) if item.strip()]
        pairs = [[part.strip() for part in item.split("=")] for item in items]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{text!r:.60} is no schedule: expected 'name = value, ...'")
        return cls.of((name, _read(value)) for name, value in pairs)


def _error(name: str, value: Value) -> str | None:
    """What is wrong with the value of a field; None if nothing is."""
    if (choices := CHOICES.get(name)) is not None:
        if value not in choices:
            return f"{name} is one of {', '.join(choices)}, not {value!r:.60}"
    elif (least := SMALLEST.get(name)) is not None:
        if type(value) is not int or not least <= value <= LARGEST:
            return f"{name} is a number from {least} to {LARGEST}, not {value!r:.60}"
    elif name == "loops":
        return _loops_error(value)
    elif type(value) is not str or not _NAME.fullmatch(value):
        return f"microkernel is a name, not {value!r:.60}"
    return None


def _loops_error(loops: object) -> str | None:
    """What is wrong with a list of loops; None if nothing is."""
    given = cast("tuple[object, ...]", loops) if isinstance(loops, tuple) else (loops,)
    found = [one for one in given if isinstance(one, Loop)]
    if not isinstance(loops, tuple) or len(found) < len(given):
        return f"loops are a list such as [rows by 8, channels, rows, pixels], not {loops!r:.60}"
    for loop in found:
        if loop.axis not in AXES:
            return f"a loop is over one of {', '.join(AXES)}, not {loop.axis!r:.60}"
        if loop.by is not None and (type(loop.by) is not int or not 1 <= loop.by <= LARGEST):
            return f"a cache tile is {loop.axis} by 1 to {LARGEST}, not {loop.by!r:.60}"
    for axis in AXES:
        tiles = [loop.by for loop in found if loop.axis == axis]
        if tiles.count(None) != 1 or tiles[-1] is not None:
            return f"loops have one over {axis}, after those over tiles of it"
        sizes = [size for size in tiles if size is not None]
        if sizes != sorted(set(sizes), reverse=True):
            return f"cache tiles of {axis} get smaller from loop to loop"
    return f"at most {MOST_LOOPS} loops, not {len(found)}" if len(found) > MOST_LOOPS else None


def _written(value: Value) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _read(text: str) -> Value:
    if text.startswith("[") and text.endswith("]"):
        return tuple(_read_loop(item) for item in text[1:-1].split(","))
    return int(text) if re.fullmatch("-?[0-9]{1,9}", text) else text


def _read_loop(text: str) -> Loop:
    match text.split():
        case [axis]:
            return Loop(axis)
        case [axis, "by", size] if re.fullmatch("[0-9]{1,9}", size):
            return Loop(axis, int(size))
        case _:
            raise ValueError(f"{text.strip()!r:.60} is no loop: expected 'rows' or 'rows by 8'")


@irdl_attr_definition
class ScheduleAttr(Data[Schedule]):
    """A schedule on an op."""

    name = "lowbit.schedule"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Schedule:
        def loop() -> Loop:
            axis = parser.parse_identifier("an axis")
            by = parser.parse_optional_keyword("by")
            return Loop(axis, parser.parse_integer(allow_boolean=False) if by else None)

        def field() -> tuple[str, Value]:
            name = parser.parse_identifier("a field of a schedule")
            parser.parse_punctuation("=")
            if name == "loops":
                return name, tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, loop))
            number = parser.parse_optional_integer(allow_boolean=False)
            return name, parser.parse_identifier("a value") if number is None else number

        pairs = parser.parse_comma_separated_list(parser.Delimiter.ANGLE, field)
        try:
            return Schedule.of(pairs)
        except ValueError as error:
            parser.raise_error(str(error))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))
