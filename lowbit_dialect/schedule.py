"""`#lowbit.schedule`: how an op is executed, as one frozen, printable value.

    #lowbit.schedule<algorithm = direct, microkernel = popcount_32x8, pixels = 4, vectors = 2, unroll = 2,
                      taps = columns, order = rows>

Any legal schedule gives the same bits. Only passes consume schedules; heuristics, search, records and
solvers produce them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

CHOICES = {
    "algorithm": ("direct", "im2col"),
    "taps": ("none", "columns"),
    "order": ("channels", "rows", "pixels"),
    "planes": ("outer", "inner"),
    "parallel": ("none", "rows", "channels"),
}
"""Values of the fields that are names of a few."""

NUMBERS = ("pixels", "vectors", "unroll", "prefetch", "strip")
"""The fields that are numbers."""

LARGEST = 1024
"""What a number is at most: so many words ahead prefetch nothing of use, and no block is as large."""


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
    """Which loops over kernel taps are unrolled: `none` or `columns`."""
    order: str = ""
    """The outermost loop: over blocks of output `channels`, whose weights then stay near; over `rows`, so
    that the inputs they read do; or within rows over tiles of `pixels`, whose inputs stay nearest."""
    planes: str = ""
    """Where the loop over pairs of bit planes stands: `outer`, around those over the taps, or `inner`: every
    operand is read once, into sums of their own for each shift. Kernels that read no planes ignore it."""
    prefetch: int = 0
    """Words of the reduction that weights are prefetched ahead."""
    strip: int = 0
    """Rows of outputs whose tables are made at a time, where the cache then holds them. Kernels that read no
    tables, single taps, several images and several threads have all tables made before."""
    parallel: str = ""
    """What several threads share out: `none`, `rows` (of all images; blocks of pixels where a window walks
    in a straight line) or blocks of output `channels`. One thread does not look at it. Where blocks of
    channels share a word of a packed result, `channels` is `rows`. Only the loops of the op itself are meant:
    what gathers and packs for it before is shared out by its own size."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in ("", *choices):
                raise ValueError(f"{name} is one of {', '.join(choices)}, not {value!r:.60}")
        kernel = self.microkernel
        if type(kernel) is not str or not re.fullmatch(r"([A-Za-z_][\w$.]*)?", kernel, re.ASCII):
            raise ValueError(f"microkernel is a name, not {kernel!r:.60}")
        for name in NUMBERS:
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= LARGEST:
                raise ValueError(f"{name} is a number from 1 to {LARGEST}, not {value!r}")

    def completed(self, default: Schedule) -> Schedule:
        """Fill the open fields from `default`."""
        return replace(default, **self._closed())

    def _closed(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self._closed().items())

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str | int]]) -> Schedule:
        """Build a schedule from fields as they are written; raises ValueError naming a wrong one."""
        known = [f.name for f in fields(cls)]
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name not in known:
                raise ValueError(f"a schedule has no {name!r:.60}: it has {', '.join(known)}")
            if name in values:
                raise ValueError(f"a schedule has {name} once, not twice")
            if not value:
                raise ValueError(f"{name} is not {value!r}: leave it out to have it chosen")
            values[name] = value
        return cls(**values)

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read the printed form."""
        pairs = [item.split("=") for item in text.split(",") if item.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{text!r:.60} is no schedule: expected 'name = value, ...'")
        written = [(name.strip(), value.strip()) for name, value in pairs]
        return cls.of((n, int(v) if re.fullmatch("-?[0-9]{1,9}", v) else v) for n, v in written)


@irdl_attr_definition
class ScheduleAttr(Data[Schedule]):
    """A schedule on an op."""

    name = "lowbit.schedule"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Schedule:
        def field() -> tuple[str, str | int]:
            name = parser.parse_identifier("a field of a schedule")
            parser.parse_punctuation("=")
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
