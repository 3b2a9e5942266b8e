"""Records in use: what was tried before, what was best, and what the logs on this machine know of an op.

Files are asked in turn, and the first that knows a legal schedule has it: the user's, which `lowbit tune`
writes; the project's, in the working directory; and those that ship with lowbit. Within one, times of
this very machine come before those of another with the same core, and times of these versions before older
ones. Records change speed, never results: what is legal is decided anew, and anything else is passed over.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from statistics import median

from autotune.identity import core_of, tool_versions
from autotune.keys import described, distance, key_of
from autotune.log import Contents, Log
from autotune.outcome import Failed, Measured, Outcome
from autotune.record import Record
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

Refusal = Callable[[Schedule], str | None]
"""Why a schedule is illegal; None if it is not."""
PROJECT_FILE = Path("lowbit-records.jsonl")
"""In the working directory: what a project keeps beside its sources for everybody."""
SHIPPED = Path(__file__).parent / "shipped"
"""The folder of those that come with lowbit, a file a processor (`tests/support/ship_records.py`)."""
_CACHES = re.compile(r",caches=[^,]*")


def user_file() -> Path:
    """Where the records of this user lie by the rules of the system; `lowbit tune` makes it."""
    told = os.environ.get("XDG_DATA_HOME", "")
    base = Path(told) if os.path.isabs(told) else Path.home() / ".local" / "share"
    return base / "lowbit" / "records.jsonl"


def record_files() -> tuple[Path, ...]:
    """The files that are asked, in turn: the user's, the project's, those shipped."""
    return (user_file(), PROJECT_FILE, *sorted(SHIPPED.glob("*.jsonl")))


def query(
    records: Iterable[Record],
    *,
    key: str | None = None,
    machine: str | None = None,
    target: Target | None = None,
    threads: int | None = None,
    versions: str | None = None,
) -> list[Record]:
    """Records of one op, machine, target, ...: of any where None is given. Sizes of caches may differ."""
    code = None if target is None else _code(str(target))
    return [
        record
        for record in records
        if key in (None, record.key)
        and machine in (None, record.machine)
        and code in (None, _code(record.target))
        and threads in (None, record.threads)
        and versions in (None, record.versions)
    ]


def best(records: Iterable[Record], key: str, machine: str, count: int = 1) -> list[Record]:
    """The fastest schedules of an op on a machine, each once; none that ever failed there."""
    return ranked(query(records, key=key, machine=machine))[:count]


def ranked(records: Iterable[Record]) -> list[Record]:
    """Of each schedule that never failed the last record, the fastest first.

    A schedule that was measured several times counts by the median, or the luckiest would win.
    """
    times: dict[str, list[float]] = defaultdict(list)
    last: dict[str, Record] = {}
    failed: set[str] = set()
    for record in records:
        if isinstance(record.outcome, Measured):
            times[record.schedule].append(record.outcome.relative)
            last[record.schedule] = record
        elif record.outcome.kind != "lost":
            failed.add(record.schedule)
    return [last[s] for s in sorted(times, key=lambda s: median(times[s])) if s not in failed]


def tried(records: Iterable[Record]) -> dict[str, Outcome]:
    """What came last of each schedule, failures too; one whose worker was lost says nothing of itself."""
    return {
        record.schedule: record.outcome
        for record in records
        if not (isinstance(record.outcome, Failed) and record.outcome.kind == "lost")
    }


def like(records: Iterable[Record], op: str, count: int = 1) -> list[Record]:
    """The best record of each of the ops that are nearest to a `described` one."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.op].append(record)
    far = {other: distance(op, other) for other in groups}
    near = sorted((other for other in groups if isfinite(far[other])), key=far.__getitem__)
    return [record for other in near for record in ranked(groups[other])[:1]][:count]


def best_of(records: Iterable[Record]) -> list[Record]:
    """The best record of each op on each machine, for a target and a number of threads."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.key, record.machine, record.target, str(record.threads)].append(record)
    return [record for group in groups.values() for record in ranked(group)[:1]]


def merge(files: Iterable[str | Path], into: str | Path) -> Contents:
    """Add to a log the records of others that it lacks; return these, and the bad lines of those files."""
    log = Log(into)
    known = set(log.read().records)
    read = [Log(path).read() for path in files]
    found = dict.fromkeys(record for contents in read for record in contents.records)
    lacking = tuple(record for record in found if record not in known)
    log.extend(lacking)
    return Contents(lacking, tuple(line for contents in read for line in contents.bad))


class Library:
    """Files of records in the order in which they are asked, each read once."""

    def __init__(self, files: Sequence[str | Path]):
        self.problems: list[str] = []
        """A sentence for each file that cannot be read or has bad lines, and each op with illegal records."""
        self._shelves = [self._shelf(Log(path)) for path in files]

    def _shelf(self, log: Log) -> dict[str, list[Record]]:
        try:
            contents = log.read()
        except OSError as error:
            self.problems.append(f"{log.path}: {error.strerror}: its records are not used")
            return {}
        if contents.bad:
            self.problems.append(f"{contents.bad[0]}: {_not_used(len(contents.bad), 'line')}")
        by_key: dict[str, list[Record]] = defaultdict(list)
        for record in contents.records:
            by_key[record.key].append(record)
        return by_key

    def find(
        self, op: LinearOp, target: Target, machine: str, threads: int, refusal: Refusal
    ) -> Schedule | None:
        """The schedule that the first file which knows one has for an op, a target and a machine.

        What the op pins itself is pinned in it, too.
        """
        own = op.schedule.data if op.schedule else Schedule()
        refused: list[str] = []
        for record in self._candidates(key_of(op), target, machine, threads):
            schedule, why = _read(record.schedule, refusal)
            if why is not None:
                refused.append(why)
            elif own.completed(schedule) == schedule:
                break
        else:
            schedule = None
        if refused:
            count = _not_used(len(refused), "record")
            self.problems.append(f"{described(op)}: {refused[0]}: {count}")
        return schedule

    def times(
        self, op: LinearOp, target: Target, machine: str, threads: int, refusal: Refusal
    ) -> dict[Schedule, float]:
        """Seconds of the schedules of an op that were measured on a machine or, of the same core, on others.

        What failed or is illegal is left out, without a word: `find` has it.
        """
        found: dict[Schedule, float] = {}
        for record in self._candidates(key_of(op), target, machine, threads):
            schedule, why = _read(record.schedule, refusal)
            if why is None and isinstance(record.outcome, Measured):
                found.setdefault(schedule, record.outcome.seconds)
        return found

    def _candidates(self, key: str, target: Target, machine: str, threads: int) -> Iterator[Record]:
        for shelf in self._shelves:
            yield from _preferred(
                query(shelf.get(key, ()), target=target, threads=threads), machine
            )


def _preferred(records: Sequence[Record], machine: str) -> list[Record]:
    """Records of one op, this machine's first, then those of its core; the best first of each."""
    same = query(records, machine=machine)
    core = core_of(machine)
    others = [r for r in records if r.machine != machine and core_of(r.machine) == core]
    now = tool_versions()
    groups = (query(same, versions=now), same, query(others, versions=now), others)
    return list(dict.fromkeys(record for group in groups for record in ranked(group)))


def _read(text: str, refusal: Refusal) -> tuple[Schedule, str | None]:
    """A schedule, and why it is none that can be used."""
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        return Schedule(), str(error)
    return schedule, refusal(schedule)


def _not_used(count: int, what: str) -> str:
    return f"{count} {what}s are not used" if count > 1 else f"1 {what} is not used"


def _code(target: str) -> str:
    """A target but for its caches, of which code knows nothing."""
    return _CACHES.sub("", target)
