"""`source=records` of `lowbit-plan`: ops get the schedules that records have for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256

from autotune.identity import machine_identity
from autotune.records import Library, record_files
from autotune.space import Space
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import ScheduleAttr
from microkernels.target import Target


def pin_recorded(ops: Iterable[LinearOp], target: Target, threads: int) -> None:
    """Pin on ops what records know; warns, in a line each, of files and records that are not used."""
    library = Library(record_files())
    for op in ops:
        space = Space(op, target, threads)
        found = library.find(op, target, machine_identity(), threads, space.refusal)
        if found is not None:
            op.properties["schedule"] = ScheduleAttr(found)
    for problem in library.problems:
        warnings.warn(problem, stacklevel=2)


def fingerprint() -> str:
    """A hash of what `pin_recorded` goes by: the machine and the files of records as they are now."""
    digest = sha256(machine_identity().encode())
    for path in record_files():
        with suppress(OSError):
            digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()
