"""Logs of records: files of lines, of which only the end is ever written.

Any number of processes may append to a log at the same time, and be killed at any moment: what an `append`
that has returned wrote stays, and what was cut short is a line that readers name and pass over. The file
system has to append in one piece, as local ones do and NFS does not.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autotune.record import Record


@dataclass(frozen=True)
class BadLine:
    """A line that holds no record."""

    path: Path
    line: int
    """From 1."""
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}"


@dataclass(frozen=True)
class Contents:
    """What a log holds, in its order."""

    records: tuple[Record, ...] = ()
    bad: tuple[BadLine, ...] = ()


class Log:
    """A file of records; it and its folder need not be there yet. It is not kept open."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def append(self, record: Record) -> None:
        """Add a record; when this returns it is on the disk. Raises OSError naming the file."""
        self.extend((record,))

    def extend(self, records: Iterable[Record]) -> None:
        """Add records, one write each; when this returns they are on the disk."""
        lines = [record.to_line() + b"\n" for record in records]
        try:
            is_new = not self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = os.open(self.path, flags, 0o644)
            try:
                for line in lines:
                    _append(file, line)
                os.fsync(file)
            finally:
                os.close(file)
            if is_new:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def read(self) -> Contents:
        """All records, and the lines that hold none; raises OSError naming a file that cannot be read."""
        if not self.path.exists():
            return Contents()
        if not self.path.is_file():  # a pipe would wait for a writer
            raise OSError(errno.EINVAL, "this is no regular file", str(self.path))
        lines = self.path.read_bytes().split(b"\n")
        records: list[Record] = []
        bad: list[BadLine] = []
        for number, line in enumerate(lines, 1):
            if line := line.strip():
                try:
                    records.append(Record.from_line(line))
                except ValueError as error:
                    bad.append(BadLine(self.path, number, str(error)))
        return Contents(tuple(records), tuple(bad))


def _append(file: int, line: bytes) -> None:
    """Write a line behind whatever the file ends with, an unfinished line of a dead writer too."""
    while True:
        text = line if _starts_line(file, os.fstat(file).st_size) else b"\n" + line
        whole = os.write(file, text) == len(text)  # where the disk is full, the next one says so
        if whole and _starts_line(file, os.lseek(file, 0, os.SEEK_CUR) - len(line)):
            return
        # Another writer was killed since we looked, and this record stands behind its unfinished line.


def _starts_line(file: int, offset: int) -> bool:
    return offset == 0 or os.pread(file, 1, offset - 1) == b"\n"


def _sync_folder(folder: Path) -> None:
    """Have the name of a new file on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
