"""Charts as inline SVG: a roofline, and bars of ratios. Colours come from the page by class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
"""Of every chart, in units of its own; the page scales it."""
LEFT, RIGHT, _ROW = 76, 24, 22
"""Margins beside a chart, and the height of a row of bars."""
_LETTER = 6.6
"""Width of a letter of a label."""


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element: `inside` is markup, attributes are text; `class_` is `class`, `a_b` is `a-b`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>"


def _number(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def text(words: str, x: float, y: float, class_: str = "label", **attributes: object) -> str:
    """Words at a point."""
    return tag("text", escape(words), x=float(x), y=float(y), class_=class_, **attributes)


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = True

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, value = (
            (math.log(v) for v in (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values: steps of 1, 2 or 5 times a power of ten, powers alone over more than three."""
        if not self.log:
            rounds = (s * 10.0**e for e in range(-3, 7) for s in (1, 2, 5))
            step = min(step for step in rounds if 8 * step >= self.high - self.low)
            first = math.ceil(self.low / step)
            return [step * n for n in range(first, int(self.high / step) + 1)]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1,) if self.high > 1000 * self.low else (1, 2, 5)
        values = (s * 10.0**e for e in range(first, last + 1) for s in steps)
        return [value for value in values if self.low <= value <= self.high]


@dataclass(frozen=True)
class Point:
    """A layer on a roofline."""

    name: str
    intensity: float
    """Multiply-adds a byte."""
    rate: float
    """Multiply-adds a second."""
    tip: str


def roofline(
    points: Sequence[Point], ceiling: float, slopes: Mapping[str, float], unit: str
) -> str:
    """Rates over intensities, below a ceiling and the lines of bandwidths, in bytes a second, by name."""
    height, bottom, top = 440, 392, 16
    ridges = [ceiling / rate for rate in slopes.values()]
    x = Axis(
        min([*ridges, *(p.intensity for p in points)]) / 3,
        max([*ridges, *(p.intensity for p in points)]) * 3,
        LEFT,
        WIDTH - RIGHT,
    )
    y = Axis(
        min(p.rate for p in points) / 8, max([ceiling, *(p.rate for p in points)]) * 2, bottom, top
    )
    parts = [*grid_across(x, top, bottom, ""), *grid_up(y, x, 1e9)]
    parts += _ceiling(x, y, ceiling, slopes)
    at = [(x.at(point.intensity), y.at(point.rate)) for point in points]
    taken = [(px - 5, py + 4, 10.0) for px, py in at]
    for point, (px, py) in zip(points, at):
        lx, ly = _free(px, py, len(point.name) * _LETTER, taken)
        parts.append(text(point.name, lx, ly, "name"))
    for point, (px, py) in zip(points, at):
        tip = tag("title", escape(point.tip))
        parts.append(tag("circle", tip, cx=px, cy=py, r=5, class_="dot"))
    parts.append(text(f"{unit} multiply-adds a byte", (x.start + x.end) / 2, height - 8, "title"))
    parts.append(text("G/s", 8, top + 10))
    return svg(height, parts)


def _ceiling(x: Axis, y: Axis, ceiling: float, slopes: Mapping[str, float]) -> list[str]:
    above = y.at(ceiling)
    first = ceiling / max(slopes.values())
    parts = [line(x.at(first), above, x.end, above, "roof")]
    label = f"{ceiling / 1e9:.0f} G/s"
    parts.append(text(label, x.end - 4, above - 8, text_anchor="end"))
    turn = math.degrees(math.atan2(y.start - y.at(y.low * 10), x.at(x.low * 10) - x.start))
    for name, rate in slopes.items():
        start = max(x.low, y.low / rate)
        px, py = x.at(start), y.at(start * rate)
        parts.append(line(px, py, x.at(ceiling / rate), above, "slope"))
        words = f"{name}, {rate / 1e9:.0f} GB/s"
        # along its line, a little above it and away from its foot
        move = f"translate({px:.1f} {py:.1f}) rotate({-turn:.1f}) translate(12 -5)"
        parts.append(text(words, 0, 0, transform=move))
    return parts


def _free(
    px: float, py: float, width: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where a name fits near a point: the nearest place beside, above or below that nothing takes.

    Places are the left ends of base lines, with widths; a line takes 12 in height.
    """
    places = [
        (px + side, py + 4 + 6 * step * sign)
        for step in range(10)
        for sign in (-1, 1)
        for side in (8.0, -8 - width, -width / 2)
    ]
    for lx, ly in places:
        if all(abs(ly - ty) >= 12 or lx + width <= tx or tx + tw <= lx for tx, ty, tw in taken):
            taken.append((lx, ly, width))
            return lx, ly
    return places[0]


@dataclass(frozen=True)
class Bar:
    """One bar: its value, what is written at its end, and its class."""

    value: float
    label: str
    class_: str
    tip: str


def bars(
    rows: Sequence[tuple[str, Sequence[Bar]]], mark: str, *, log: bool = False, unit: str = "x"
) -> str:
    """Horizontal bars from 0, or in `log` from 1, in named rows; `mark` names the line at 1, if any."""
    values = [bar.value for _, row in rows for bar in row]
    thick = _ROW - 6 if all(len(row) == 1 for _, row in rows) else 10
    heights = [len(row) * (thick + 2) + 6 for _, row in rows]
    top, bottom = 24, 24 + sum(heights)
    low = min(0.8, min(values) / 1.2) if log else 0.0
    x = Axis(low, max([1.0, *values]) * (1.5 if log else 1.15), LEFT, WIDTH - RIGHT, log)
    parts, y, base = grid_across(x, top, bottom, unit), float(top), x.at(1.0 if log else 0.0)
    for (name, row), height in zip(rows, heights):
        parts.append(text(_cut(name), LEFT - 8, y + height / 2 + 1, "name", text_anchor="end"))
        for index, bar in enumerate(row):
            end, above = x.at(bar.value), y + 2 + index * (thick + 2)
            left, right = sorted((base, end))
            shape = {"x": left, "y": above, "width": right - left, "height": thick, "rx": 2}
            parts.append(tag("rect", tag("title", escape(bar.tip)), class_=bar.class_, **shape))
            parts.append(text(bar.label, right + 5, above + thick / 2 + 4, "value"))
        y += height
    if mark:
        one = x.at(1.0)
        parts.append(line(one, top - 4, one, bottom, "mark"))
        parts.append(text(mark, one, top - 9, text_anchor="middle"))
    return svg(bottom + 26, parts)


def _cut(name: str) -> str:
    """The end of a name that does not fit beside a chart."""
    fitting = int((LEFT - 8) / _LETTER)
    return name if len(name) <= fitting else f"…{name[1 - fitting :]}"


def grid_across(x: Axis, top: float, bottom: float, unit: str) -> list[str]:
    """Lines at the ticks of a horizontal axis, and their values below."""
    return [
        part
        for tick in x.ticks()
        for part in (
            line(x.at(tick), top, x.at(tick), bottom, "grid"),
            text(f"{tick:g}{unit}", x.at(tick), bottom + 16, text_anchor="middle"),
        )
    ]


def grid_up(y: Axis, x: Axis, scale: float = 1.0, unit: str = "") -> list[str]:
    """Lines at the ticks of a vertical axis, and their values beside, over `scale`."""
    return [
        part
        for tick in y.ticks()
        for part in (
            line(x.start, y.at(tick), x.end, y.at(tick), "grid"),
            text(f"{tick / scale:g}{unit}", LEFT - 8, y.at(tick) + 4, text_anchor="end"),
        )
    ]


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A line from point to point."""
    ends = {"x1": float(x1), "y1": float(y1), "x2": float(x2), "y2": float(y2)}
    return tag("line", class_=class_, **ends)


def svg(height: float, parts: Iterable[str]) -> str:
    """A chart of so many units in height."""
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img")
