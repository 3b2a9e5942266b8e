"""Charts of many points as inline SVG: curves of steps, and dots of one quantity against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lowbit.bench.charts import LEFT, RIGHT, WIDTH, Axis, grid_across, grid_up, line, svg, tag, text

COLOURS = 5
"""Classes `series0` to `series4`, which the page colours; more curves begin again."""
_TOP, _BOTTOM = 16, 300


@dataclass(frozen=True)
class Curve:
    """Values that hold from one point to the next."""

    name: str
    points: Sequence[tuple[float, float]]


def steps(curves: Sequence[Curve], across: str, unit: str) -> str:
    """Curves of shares, from 0 to 1, over counts from 0; each has its name at its end."""
    furthest = max(x for curve in curves for x, _ in curve.points)
    x = Axis(0, max(8.0, furthest) * 1.12, LEFT, WIDTH - RIGHT, log=False)
    y = Axis(0, 1.05, _BOTTOM, _TOP, log=False)
    parts = [*grid_across(x, _TOP, _BOTTOM, ""), *grid_up(y, x, 0.01, unit)]
    taken: list[float] = []
    for index, curve in enumerate(curves):
        class_ = f"series{index % COLOURS}"
        at = [(x.at(px), y.at(py)) for px, py in curve.points]
        path = "".join(f" H {px:.1f} V {py:.1f}" for px, py in at[1:])
        (sx, sy), (ex, ey) = at[0], at[-1]
        tip = tag("title", escape(curve.name))
        parts.append(tag("path", tip, d=f"M {sx:.1f} {sy:.1f}{path}", class_=f"curve {class_}"))
        parts.append(tag("circle", cx=ex, cy=ey, r=3, class_=class_))
        below = ey + 4
        while any(abs(below - other) < 12 for other in taken):
            below += 12
        taken.append(below)
        parts.append(text(curve.name, ex + 7, below, "name"))
    parts.append(text(across, (x.start + x.end) / 2, _BOTTOM + 36, "title"))
    return svg(_BOTTOM + 44, parts)


@dataclass(frozen=True)
class Dot:
    """One of many points, of a series by number."""

    x: float
    y: float
    series: int
    tip: str


def against(dots: Sequence[Dot], across: str, up: str) -> str:
    """Dots of two quantities in the same unit, both logarithmic, and the line where they are equal."""
    values = [value for dot in dots for value in (dot.x, dot.y)]
    low, high = min(values) / 1.3, max(values) * 1.3
    bottom = 420
    x = Axis(low, high, LEFT, WIDTH - RIGHT)
    y = Axis(low, high, bottom, _TOP)
    equal = line(x.start, y.start, x.end, y.end, "slope")
    return _dots(dots, x, y, [equal], across, up)


def scatter(dots: Sequence[Dot], across: str, up: str) -> str:
    """Dots of two quantities in units of their own."""
    x, y = (_around([getattr(dot, name) for dot in dots]) for name in ("x", "y"))
    axes = Axis(*x, LEFT, WIDTH - RIGHT, log=False), Axis(*y, _BOTTOM, _TOP, log=False)
    return _dots(dots, *axes, [], across, up)


def _around(values: Sequence[float]) -> tuple[float, float]:
    """A little less than the least and a little more than the most."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.08 * abs(high) or 1.0
    return low - room, high + room


def _dots(dots: Sequence[Dot], x: Axis, y: Axis, parts: list[str], across: str, up: str) -> str:
    bottom = y.start
    parts = [*grid_across(x, _TOP, bottom, ""), *grid_up(y, x), *parts]
    for dot in dots:
        tip = tag("title", escape(dot.tip))
        class_ = f"many series{dot.series % COLOURS}"
        parts.append(tag("circle", tip, cx=x.at(dot.x), cy=y.at(dot.y), r=3, class_=class_))
    parts.append(text(across, (x.start + x.end) / 2, bottom + 36, "title"))
    parts.append(text(up, 8, _TOP + 10))
    return svg(bottom + 44, parts)
