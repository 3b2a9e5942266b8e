"""Which ops that only move data are worth a task's trouble."""

from __future__ import annotations

from xdsl.ir import SSAValue

from lowbit_dialect.layout import storage_bytes
from lowbit_dialect.ops.common import shaped
from lowering.loops.tasks import Share

BYTES_PER_NANOSECOND = 10
"""A guess, low enough for what is not vectorised to count as well."""


def worth_sharing(share: Share | None, *moved: SSAValue) -> Share | None:
    """`share`, or None where one thread moves the bytes of these memrefs in no time."""
    bytes = sum(storage_bytes(shaped(value)) for value in moved)
    return share if share and bytes // BYTES_PER_NANOSECOND >= share.least else None
