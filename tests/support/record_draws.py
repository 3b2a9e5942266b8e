"""What tests of records draw: records, and lines of logs that were damaged or forged."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from hashlib import sha256
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from autotune.outcome import Failed, FailureKind, Measured
from autotune.record import Record

TIMES = st.floats(1e-9, 1e3)
TEXTS = st.text(max_size=30)
OUTCOMES = st.one_of(
    st.builds(Measured, TIMES, st.floats(0, 1), TIMES),
    st.builds(Failed, st.sampled_from(get_args(FailureKind)), TEXTS),
)


def records() -> SearchStrategy[Record]:
    """Any record that there can be."""
    counts = st.integers(0, 2**63)
    return st.builds(
        Record,
        key=TEXTS,
        op=TEXTS,
        schedule=TEXTS,
        target=TEXTS,
        threads=counts,
        machine=TEXTS,
        versions=TEXTS,
        outcome=OUTCOMES,
        strategy=TEXTS,
        seed=st.integers(-(2**70), 2**70),
        trial=counts,
        when=TEXTS,
    )


def a_record(**values: Any) -> Record:
    """A record with some fields of one's own."""
    plain = Record(
        key="0" * 32,
        op="conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64",
        schedule="pixels = 4, vectors = 2",
        target="x86-64-v3",
        threads=1,
        machine="AuthenticAMD 26/2 x86-64-v3,cpu=znver5; AMD EPYC; 48K/1024K/32768K",
        versions="lowbit 1",
        outcome=Measured(1e-3, 1e-5, 1.0),
        strategy="random",
        seed=0,
        trial=1,
        when="2026-11-26T20:12:51Z",
    )
    return replace(plain, **values)


def took(relative: float, **values: Any) -> Record:
    """A record of a candidate that took so many times as long as another."""
    return a_record(outcome=Measured(relative * 1e-3, 1e-5, relative), **values)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes of a file after a fault: flipped, cut, doubled, moved, overwritten or joined lines."""
    at, until = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    until = min(until, at + rng.choice((1, 8, 200, 5000)))
    match rng.randrange(6):
        case 0:
            flipped = bytearray(data)
            flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 1:
            return data[:at] + data[until:]
        case 2:
            return data[:until] + data[at:]
        case 3:
            return data[:at] + rng.randbytes(until - at) + data[until:]
        case 4:
            return data[:at] + b"\0" * (until - at) + data[until:]
        case _:
            return data.replace(b"\n", rng.choice((b"", b"\r\n", b"\r", b"\n\n")), rng.randrange(5))


def forged(line: bytes, rng: random.Random) -> bytes:
    """A line whose checksum is right and of which one value is another."""
    values = json.loads(line)
    del values["sum"]
    name = rng.choice([*values, "schedule", "schedule"])
    wrong = (
        None,
        True,
        -1,
        2.5,
        10**400,
        "",
        "\n",
        "pixels = 0",
        "loops = [x]",
        [[]],
        {"seconds": "1"},
    )
    values[name] = rng.choice((*wrong, *SCHEDULES))
    if rng.random() < 0.1:
        del values[rng.choice([*values])]
    return summed(values)


SCHEDULES = (
    "microkernel = none_8x8, pixels = 4",
    "pixels = 1024, vectors = 1024, unroll = 1024",
    "algorithm = im2col, pixels = 1",
    "pixels = 3, vectors = 1, unroll = 1",
    "taps = columns, taps = none",
    "pixels",
)
"""Some illegal, some slow, some no schedules."""


def summed(values: dict[str, Any]) -> bytes:
    """A line of values with the checksum that it needs to be believed."""
    body = json.dumps(values, separators=(",", ":")).encode()[:-1]
    return b'%s,"sum":"%s"}' % (body, sha256(body).hexdigest()[:16].encode())
