"""The extra that emulation needs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra_model() -> Generator[None]:
    """Load packages of the extra `model`; raises ValueError naming it where one is not installed."""
    try:
        yield
    except ImportError as error:
        missing = error.name or "unicorn"
        raise ValueError(
            f"counting instructions needs {missing}: pip install 'lowbit[model]'"
        ) from error
