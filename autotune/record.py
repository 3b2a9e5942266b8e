"""A record of one candidate that was tried, and the line of a log that holds it.

    {"format":1,"key":"5f0c...","op":"conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64",...,"sum":"0b1d7f42a9c35e68"}

A line is JSON in ASCII. The sum, of all that stands before it, finds damage, not malice: a line is only ever
believed about speed.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from math import isfinite
from typing import Any, cast, get_args

from autotune.outcome import Failed, FailureKind, Measured, Outcome

FORMAT = 1
"""Changes with the fields of a record and with what they mean."""
_LINE = re.compile(rb'(\{.*),"sum":"([0-9a-f]{16})"\}', re.DOTALL)
_LONGEST = 1000
"""Characters that are kept of a message."""


@dataclass(frozen=True)
class Record:
    """One candidate, what came of it, and all that the outcome depends on."""

    key: str
    """`keys.key_of` the op."""
    op: str
    """The op as it is `keys.described` for a person."""
    schedule: str
    """Canonical, as `Schedule.parse` reads it."""
    target: str
    threads: int
    machine: str
    """`identity.machine_identity()` of where it ran."""
    versions: str
    """`identity.tool_versions()` of what compiled it."""
    outcome: Outcome
    strategy: str
    """Who proposed it."""
    seed: int
    trial: int
    """Of the run, from 1."""
    when: str
    """UTC, `2026-11-26T20:12:51Z`."""

    def to_line(self) -> bytes:
        """The line of a log, without its end; raises ValueError for a time that is none."""
        values: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        if isinstance(self.outcome, Failed):
            values["outcome"]["message"] = self.outcome.message[:_LONGEST]
        body = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()[:-1]
        return b'%s,"sum":"%s"}' % (body, _sum(body))

    @classmethod
    def from_line(cls, line: bytes) -> Record:
        """Read what `to_line` wrote; raises ValueError saying what is wrong with anything else."""
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError("this is no record, or one that is cut short")
        body, written = found.groups()
        if _sum(body) != written:
            raise ValueError("the record is damaged: its checksum is another")
        try:
            return cls._of(json.loads(body + b"}"))
        except RecursionError:
            raise ValueError("this is no record: it is nested too deeply") from None

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Record:
        if (format := values.pop("format", None)) != FORMAT:
            raise ValueError(f"the format is {format!r:.20}, not {FORMAT}: another lowbit wrote it")
        names = [field.name for field in fields(cls)]
        if [*values] != names:
            raise ValueError(f"a record has the fields {', '.join(names)}")
        for name, value in values.items():
            kind = _KINDS.get(name, str)
            if type(value) is not kind:
                raise ValueError(f"{name} is of type {kind.__name__}, not {value!r:.60}")
        values["outcome"] = _outcome(values["outcome"])
        return cls(**values)


_KINDS = {"threads": int, "seed": int, "trial": int, "outcome": dict}
"""Types of the values that are no text."""


def _outcome(values: dict[str, Any]) -> Outcome:
    match values:
        case {"seconds": float(), "spread": float(), "relative": float()} if len(values) == 3:
            result = Measured(**values)
            if min(result.seconds, result.relative) <= 0 or not all(map(isfinite, values.values())):
                raise ValueError(f"{result} is no time of a call")
            return result
        case {"kind": str(kind), "message": str(message)} if len(values) == 2:
            if kind not in get_args(FailureKind):
                raise ValueError(f"{kind!r:.60} is no way to fail")
            return Failed(cast(FailureKind, kind), message)
        case _:
            raise ValueError("outcome is a time or a failure, and this is neither")


def _sum(body: bytes) -> bytes:
    return sha256(body).hexdigest()[:16].encode()
