"""What an interpreter or a notebook shows of a value: never more than a screen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

MOST_LISTED = 6
"""Inputs or outputs that stand on a line."""
MOST_ROWS = 40
MOST_CHARACTERS = 120
"""Of a cell."""


def listed(items: Sequence[str]) -> str:
    """Items on a line, as many as fit."""
    shown = [shortened(item) for item in items[:MOST_LISTED]]
    more = len(items) - len(shown)
    return ", ".join([*shown, f"and {more} more"] if more else shown)


def counted(count: int, what: str) -> str:
    """A number of things in words."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text, cut where it is too long to read."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a notebook; rows beyond a screen are counted, not shown."""
    shown = list(rows[:MOST_ROWS])
    if len(rows) > len(shown):
        shown.append([f"and {len(rows) - len(shown)} more", *[""] * (len(head) - 1)])
    cells = [_row("th", head), *(_row("td", row) for row in shown)]
    return f"<table>{''.join(cells)}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    inner = (f'<{tag} style="text-align: left">{escape(shortened(cell))}</{tag}>' for cell in cells)
    return f"<tr>{''.join(inner)}</tr>"
