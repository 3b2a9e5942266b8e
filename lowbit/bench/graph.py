"""A graph as inline SVG: boxes from top to bottom, and lines from each to those that read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lowbit.bench.charts import RIGHT, WIDTH, svg, tag, text

_LEFT, _HEIGHT, _GAP = 150, 34, 16
_LETTERS = 105
"""Of a line that fits in a box."""


@dataclass(frozen=True)
class Box:
    """A node: two lines of words, how much of it is filled, and the boxes before that it reads."""

    words: tuple[str, str]
    share: float
    reads: tuple[int, ...]
    tip: str


def graph(boxes: Sequence[Box]) -> str:
    """Boxes in order; what is read by the next box goes straight there, all else round on the left."""
    parts: list[str] = []
    longest = max((at - one for at, box in enumerate(boxes) for one in box.reads), default=1)
    width = WIDTH - RIGHT - _LEFT
    for at, box in enumerate(boxes):
        top = _top(at)
        for one in box.reads:
            parts.append(_edge(one, at, longest))
        frame = {"x": _LEFT, "y": top, "height": _HEIGHT, "rx": 4}
        parts.append(tag("rect", width=box.share * width, class_="share", **frame))
        parts.append(tag("rect", tag("title", escape(box.tip)), width=width, class_="box", **frame))
        for line, words in enumerate(box.words):
            cut = words if len(words) <= _LETTERS else f"{words[: _LETTERS - 1]}…"
            kind = "label" if line else "name"
            parts.append(text(cut, _LEFT + 8, top + 14 + 14 * line, kind))
    return svg(_top(len(boxes)), parts)


def _top(at: int) -> float:
    return 8.0 + at * (_HEIGHT + _GAP)


def _edge(start: int, end: int, longest: int) -> str:
    if end == start + 1:
        below, x = _top(start) + _HEIGHT, _LEFT + 40
        return tag("path", d=f"M {x} {below:.1f} V {_top(end):.1f}", class_="edge")
    # The further, the wider: within the margin, with a third of its width as the reach of a curve.
    reach = _LEFT - (_LEFT - 10) * min(1.0, (end - start) / longest) * 4 / 3
    first, last = _top(start) + _HEIGHT * 0.7, _top(end) + _HEIGHT * 0.3
    path = (
        f"M {_LEFT} {first:.1f} C {reach:.1f} {first:.1f} {reach:.1f} {last:.1f} {_LEFT} {last:.1f}"
    )
    return tag("path", d=path, class_="edge")
