"""Two writers of one log, killed at random moments: `python tests/support/log_kills.py 300`.

Each tells on a pipe, after `append` has returned, which record it wrote. One kill in four falls in the middle
of a write: the writer writes a part of a record and kills itself, as the kernel does when it is asked to stop
between two pages.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from record_draws import took

from autotune.log import Log
from autotune.record import Record
from autotune.records import best

_TOLD = struct.Struct("<II")


@dataclass
class Told:
    """What came of all kills."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged records that are not in the log."""
    invented: int = 0
    """Records in the log that nobody wrote, or twice."""
    torn: int = 0
    """Lines that were cut short, and named."""
    other_bests: int = 0
    """Kills after which the best was not that of all records that count."""


def written(writer: int, trial: int) -> Record:
    """The record that a writer writes in a trial; its message makes some longer than a page."""
    speed = random.Random(f"{writer} {trial}").uniform(0.5, 2)
    return took(
        speed, seed=writer, trial=trial, schedule=f"{writer} {trial}", op="x" * (trial % 9 * 1000)
    )


def write(log: Log, writer: int, pipe: int, tear_at: int) -> NoReturn:
    """Append records until killed; at one trial, tear it."""
    trial = 0
    while True:
        record = written(writer, trial)
        if trial == tear_at:
            line = record.to_line()
            file = os.open(log.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(file, line[: 1 + trial * 977 % (len(line) - 1)])
            os.kill(os.getpid(), signal.SIGKILL)
        log.append(record)
        os.write(pipe, _TOLD.pack(writer, trial))
        trial += 1


def start(log: Log, writer: int, pipe: int, tear_at: int) -> int:
    """A process that writes; returns its id."""
    if child := os.fork():
        return child
    try:
        write(log, writer, pipe, tear_at)
    finally:
        os._exit(1)


def kill_writers(kills: int, seed: int = 0) -> Told:
    """Kill one of two writers so often, and look at the log each time; both write on meanwhile."""
    rng, told = random.Random(seed), Told()
    with TemporaryDirectory() as folder:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        acknowledged: set[tuple[int, int]] = set()
        while told.kills < kills:
            # A new log now and then: the sums of all reads would grow with the square of the kills.
            log, running = Log(Path(folder) / f"{told.kills}.jsonl"), dict[int, int]()
            acknowledged.clear()
            for _ in range(min(10, kills - told.kills)):
                while len(running) < 2:
                    writer = rng.getrandbits(31)
                    tear_at = rng.randrange(1, 12) if rng.random() < 0.25 else -1
                    running[start(log, writer, write_end, tear_at)] = writer
                time.sleep(rng.uniform(0, 0.02))
                child = rng.choice([*running])
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                del running[child]
                told.kills += 1
                acknowledged |= heard(read_end)
                look(log, acknowledged, told)
            for child in running:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            acknowledged |= heard(read_end)
            look(log, acknowledged, told)
            told.acknowledged += len(acknowledged)
            told.torn += len(log.read().bad)
        os.close(read_end)
        os.close(write_end)
    return told


def heard(pipe: int) -> set[tuple[int, int]]:
    """What writers acknowledged since the last time."""
    try:
        data = os.read(pipe, 1 << 16)
    except BlockingIOError:
        return set()
    return {(writer, trial) for writer, trial in _TOLD.iter_unpack(data)}


def look(log: Log, acknowledged: set[tuple[int, int]], told: Told) -> None:
    """Compare a log with what was acknowledged before it is read; others may have been added since."""
    records = log.read().records
    found = [(record.seed, record.trial) for record in records]
    told.lost += len(acknowledged - {*found})
    told.invented += len(found) - len({*found})
    told.invented += sum(record != written(record.seed, record.trial) for record in records)
    if records:
        fastest = min(found, key=lambda one: written(*one).outcome.relative)  # pyright: ignore
        (resumed,) = best(records, records[0].key, records[0].machine)
        told.other_bests += (resumed.seed, resumed.trial) != fastest


if __name__ == "__main__":
    began = time.monotonic()
    result = kill_writers(int(sys.argv[1]))
    print(f"{result} in {time.monotonic() - began:.1f} s")
    sys.exit(bool(result.lost or result.invented or result.other_bests))
