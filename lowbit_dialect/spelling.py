"""Guess what was meant by a word that is none of those known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """`; did you mean X?`, or nothing if no known word is near."""
    close = get_close_matches(word, list(dict.fromkeys(known)), n=most)
    return f"; did you mean {' or '.join(close)}?" if close else ""
