"""`#lowbit.schedule`: how an op is executed, as one frozen, printable value.

    #lowbit.schedule<algorithm = direct, microkernel = popcount_xor_i32x8, pixels = 4,
                      vectors = 2, unroll = 2, taps = columns>

Any legal schedule gives the same bits. Only passes consume schedules; heuristics, search, records and
solvers produce them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

CHOICES = {
    "algorithm": ("direct", "im2col"),
    "taps": ("none", "columns", "all"),
    "order": ("channels", "rows", "pixels"),
    "planes": ("outer", "inner"),
    "parallel": ("none", "rows", "channels"),
}
"""Values of the fields that are names of a few."""


@dataclass(frozen=True, order=True)
class Schedule:
    """A schedule of one `conv2d` or `dense`. A field at its default is open: whoever plans decides it."""

    algorithm: str = ""
    """`direct`: a loop nest over the input where it lies; `im2col`: over windows gathered before."""
    microkernel: str = ""
    """Name of the register-block kernel."""
    pixels: int = 0
    """Output pixels of a register block."""
    vectors: int = 0
    """Vectors of output channels of a register block."""
    unroll: int = 0
    """Words of the reduction unrolled in the innermost loop."""
    taps: str = ""
    """Which loops over kernel taps are unrolled: `none`, `columns` or `all`."""
    order: str = ""
    """The outermost loop: over blocks of output `channels`, whose weights then stay near; over `rows`, so
    that the inputs they read do; or within rows over tiles of `pixels`, whose inputs stay nearest."""
    planes: str = ""
    """Where the loop over pairs of bit planes stands: `outer`, around those over the taps, or `inner`: every
    operand is read once, into sums of their own for each shift."""
    prefetch: int = 0
    """Words of the reduction that weights are prefetched ahead."""
    parallel: str = ""
    """What several threads share out: `none`, `rows` (of all images; blocks of pixels where a window walks
    in a straight line) or blocks of output `channels`. One thread does not look at it."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in ("", *choices):
                raise ValueError(f"{name} is one of {', '.join(choices)}, not '{value}'")

    def completed(self, default: Schedule) -> Schedule:
        """Fill the open fields from `default`."""
        return replace(default, **self._closed())

    def _closed(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self._closed().items())

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Schedule:
        """Build a schedule from field values; raises ValueError naming an unknown or wrong one."""
        kinds: dict[str, type[Any]] = {f.name: type(f.default) for f in fields(cls)}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"a schedule has no '{name}': it has {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise ValueError(f"{name} of a schedule is of type {kinds[name].__name__}")
            if value == 0:
                raise ValueError(f"{name} of a schedule is at least 1")
        return replace(cls(), **values)

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read the printed form."""
        pairs = [item.split("=") for item in text.split(",") if item.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"'{text}' is no schedule: expected 'name = value, ...'")
        values = {name.strip(): value.strip() for name, value in pairs}
        return cls.of({k: int(v) if v.isdigit() else v for k, v in values.items()})


@irdl_attr_definition
class ScheduleAttr(Data[Schedule]):
    """A schedule on an op."""

    name = "lowbit.schedule"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Schedule:
        values: dict[str, str | int] = {}

        def field() -> None:
            name = parser.parse_identifier("a field of a schedule")
            parser.parse_punctuation("=")
            number = parser.parse_optional_integer(allow_boolean=False, allow_negative=False)
            values[name] = parser.parse_identifier("a value") if number is None else number

        parser.parse_comma_separated_list(parser.Delimiter.ANGLE, field)
        try:
            return Schedule.of(values)
        except ValueError as error:
            parser.raise_error(str(error))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))
