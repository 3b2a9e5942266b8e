"""Numbers of a tuning run as a person reads them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds in the unit that suits, of three figures."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def clock(seconds: float) -> str:
    """Seconds as a clock shows them, `1:05`; hours before if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
