"""Count what a protobuf file holds before it is parsed, so that a small file cannot ask for much memory.

Two bytes can stand for an empty node that takes a hundred in memory. The walk visits every field of every
message, at a few per microsecond, and stops at the limits.
"""

from __future__ import annotations

from typing import Any

from lowbit_dialect.importers.onnx_model import ImportFailed

MAX_FIELDS = 500_000
MAX_DEPTH = 12
MAX_PACKED = 1 << 26
"""Bytes of variable-length integers in packed lists; each can become eight bytes."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.fields = 0
        self.packed = 0

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7
        raise ImportFailed("the file is truncated or no ONNX file: a number does not end")

    def walk(self, message: Any, at: int, end: int, depth: int) -> None:
        """Visit the fields of one message in `[at, end)`; `message` is its protobuf descriptor."""
        if depth > MAX_DEPTH:
            raise ImportFailed(
                f"the file nests messages deeper than {MAX_DEPTH}; ONNX graphs do not"
            )
        while at < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise ImportFailed(f"the file holds more than {MAX_FIELDS} fields, the limit here")
            tag, at = self.varint(at, end)
            at = self.skip(message.fields_by_number.get(tag >> 3), tag & 7, at, end, depth)

    def skip(self, field: Any, wire: int, at: int, end: int, depth: int) -> int:
        """Pass over the value of one field, into it if it is a message."""
        if wire == VARINT:
            return self.varint(at, end)[1]
        if wire not in (FIXED64, LENGTH, FIXED32):
            raise ImportFailed("the file is no ONNX file: it holds a field of unknown form")
        size = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
        if wire == LENGTH:
            size, at = self.varint(at, end)
        if at + size > end:
            raise ImportFailed("the file is truncated or no ONNX file: a field ends past its end")
        if wire == LENGTH and field is not None:
            if field.message_type is not None:
                self.walk(field.message_type, at, at + size, depth + 1)
            elif field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
                self.packed += size
            elif field.type == field.TYPE_STRING:
                self.check_text(at, at + size)
        if self.packed > MAX_PACKED:
            raise ImportFailed(f"the file holds integer lists of more than {MAX_PACKED} bytes")
        return at + size

    def check_text(self, at: int, end: int) -> None:
        """Names are UTF-8; the protobuf package passes others on as bytes."""
        try:
            self.data[at:end].decode()
        except UnicodeDecodeError as error:
            raise ImportFailed("the file holds a name that is not UTF-8") from error


def bound_fields(data: bytes, descriptor: Any) -> None:
    """Raise ImportFailed unless `data` is well formed and within the limits of this module."""
    _Reader(data).walk(descriptor, 0, len(data), 0)
