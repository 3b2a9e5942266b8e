"""A record is its line and the line is the record; whatever else a line is, it is named."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_draws import a_record, records, summed

from autotune.outcome import Failed, Measured
from autotune.record import Record


@given(records())
def test_a_line_holds_all_of_a_record(record: Record):
    line = record.to_line()
    assert Record.from_line(line) == record
    assert line.isascii() and b"\n" not in line and json.loads(line)["key"] == record.key


@given(records(), st.data())
def test_no_part_of_a_line_is_another_record(record: Record, data: st.DataObject):
    line = record.to_line()
    at = data.draw(st.integers(0, len(line) - 1))
    for wrong in (line[:at], line[at + 1 :], line[:at] + b"?" + line[at:]):
        with pytest.raises(ValueError, match=r"cut short|checksum is another"):
            Record.from_line(wrong)


@given(records(), st.data())
def test_no_flipped_bit_is_believed(record: Record, data: st.DataObject):
    line = bytearray(record.to_line())
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match=r"cut short|checksum is another"):
        Record.from_line(bytes(line))


@given(st.binary())
def test_bytes_are_no_record(data: bytes):
    with pytest.raises(ValueError, match="no record"):
        Record.from_line(data)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 2}, "the format is 2, not 1"),
        ({"seed": "1"}, "seed is of type int, not '1'"),
        ({"trial": True}, "trial is of type int, not True"),
        ({"key": 7}, "key is of type str, not 7"),
        ({"outcome": []}, r"outcome is of type dict, not \[\]"),
        ({"outcome": {}}, "neither"),
        ({"outcome": {"seconds": 1.0, "spread": 0.0, "relative": 1}}, "neither"),
        ({"outcome": {"seconds": 0.0, "spread": 0.0, "relative": 1.0}}, "is no time of a call"),
        ({"outcome": {"seconds": 1.0, "spread": 0.0, "relative": float("nan")}}, "is no time"),
        ({"outcome": {"kind": "tired", "message": ""}}, "'tired' is no way to fail"),
        ({"color": "red"}, "a record has the fields key, op"),
    ],
)
def test_a_believed_line_is_checked_all_the_same(changed: dict[str, Any], message: str):
    values = json.loads(a_record().to_line())
    del values["sum"]
    with pytest.raises(ValueError, match=message):
        Record.from_line(summed({**values, **changed}))


def test_deep_nesting_is_an_error_like_others():
    body = b'{"format":' + b"[" * 100_000 + b"]" * 100_000
    line = b'%s,"sum":"%s"}' % (body, sha256(body).hexdigest()[:16].encode())
    with pytest.raises(ValueError, match="nested too deeply"):
        Record.from_line(line)


def test_long_messages_are_cut_and_times_are_times():
    long = Record.from_line(a_record(outcome=Failed("crash", "x" * 10_000)).to_line())
    assert long.outcome == Failed("crash", "x" * 1000)
    with pytest.raises(ValueError):
        a_record(outcome=Measured(float("nan"), 0.0, 1.0)).to_line()
