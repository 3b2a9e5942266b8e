"""Damaged and forged logs: `python tests/support/log_mutants.py 1000`.

A program is compiled with `schedule="records"` from logs that hold legal schedules of its op, each log after
some faults. Whatever it then runs as, its results are those of the reference; and of every log each line
either holds a record or is named.
"""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

import numpy as np
from record_draws import damaged, forged, took

import lowbit
from autotune.identity import machine_identity, tool_versions
from autotune.keys import described, key_of
from autotune.log import Log
from autotune.records import user_file
from autotune.space import Space
from lowbit.pipeline import lower
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target

PROGRAM = lowbit.conv2d((1, 5, 6, 40), (3, 3, 40, 24), "uint2", "odd1", padding=1)


@dataclass
class Told:
    """What came of all mutants."""

    mutants: int = 0
    bad_lines: int = 0
    unnamed: int = 0
    """Lines that neither hold a record nor are named."""
    warned: int = 0
    """Mutants of which the compiler said that something is not used."""
    recorded: int = 0
    """Mutants whose schedule came from the log all the same."""
    schedules: set[Schedule] = field(default_factory=set[Schedule], repr=False)
    """All that the program ran as."""
    wrong: int = 0
    """Schedules with other results than the reference."""


def mutants(count: int, seed: int = 0) -> Told:
    """Compile from so many logs."""
    rng, told = random.Random(seed), Told()
    lines = legal_lines(rng)
    for _ in range(count):
        data = b"".join(line + b"\n" for line in rng.sample(lines, rng.randint(1, 12)))
        if rng.random() < 0.4:
            data += b"".join(
                forged(rng.choice(lines), rng) + b"\n" for _ in range(rng.randint(1, 6))
            )
        for _ in range(rng.randrange(4)):
            data = damaged(data, rng) or b"?"
        attempt(data, told)
    told.wrong = sum(not right(schedule) for schedule in told.schedules)
    return told


def op_of() -> LinearOp:
    """The one op of the program, as it is planned."""
    module = lower(PROGRAM.module, until="graph")
    return next(op for op in module.walk() if isinstance(op, LinearOp))


def legal_lines(rng: random.Random) -> list[bytes]:
    """Lines of logs that hold legal schedules of the op."""
    op = op_of()
    space = Space(op, host_target())
    about = {
        "key": key_of(op),
        "op": described(op),
        "target": str(host_target()),
        "machine": machine_identity(),
        "versions": tool_versions(),
    }
    drawn = [space.sample(rng) for _ in range(24)]
    return [took(rng.uniform(0.5, 2), schedule=str(one), **about).to_line() for one in drawn]


def attempt(data: bytes, told: Told) -> None:
    """Plan the program with one log as that of the user."""
    user_file().write_bytes(data)
    contents = Log(user_file()).read()
    written = sum(bool(line.strip()) for line in data.split(b"\n"))
    told.mutants += 1
    told.bad_lines += len(contents.bad)
    told.unnamed += written - len(contents.bad) - len(contents.records)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        module = lower(PROGRAM.module, schedule="records", until="plan")
    told.warned += bool(said)
    assert bool(contents.bad) <= bool(said), "bad lines are told"
    schedule = next(op.schedule for op in module.walk() if isinstance(op, LinearOp) and op.schedule)
    told.recorded += str(schedule.data) in {record.schedule for record in contents.records}
    told.schedules.add(schedule.data)


def right(schedule: Schedule) -> bool:
    """Whether the program has the results of the reference when it runs so."""
    x, w = operands()
    kernel = lowbit.compile(PROGRAM, schedule=schedule)
    return np.array_equal(kernel(x, w), lowbit.reference(PROGRAM, x, w))


def operands() -> tuple[Array, Array]:
    """Data for the program."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (1, 5, 6, 40), np.int8)
    return x, rng.choice(np.array([-1, 1], np.int8), (3, 3, 40, 24))


if __name__ == "__main__":
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        user_file().parent.mkdir()
        os.chdir(folder)
        result = mutants(int(sys.argv[1]))
    ran = len(result.schedules)
    print(f"{result}, {ran} schedules, in {time.monotonic() - began:.1f} s")
    sys.exit(bool(result.unnamed or result.wrong))
