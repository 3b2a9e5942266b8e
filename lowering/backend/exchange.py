"""Messages between processes over pipes: a line of JSON, which gives the size of the bytes that follow it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

_HEADER_LIMIT = 1 << 16
_PIECE = 1 << 16


def message(header: dict[str, Any], body: bytes) -> bytes:
    """One message."""
    return json.dumps({**header, "size": len(body)}).encode() + b"\n" + body


def complete(received: bytearray) -> tuple[dict[str, Any], bytes] | None:
    """The message that was received, or None if more of it is to come; raises ValueError if it is none."""
    end = received.find(b"\n", 0, _HEADER_LIMIT)
    if end < 0:
        if len(received) >= _HEADER_LIMIT:
            raise ValueError("no header")
        return None
    header = _header(received[: end + 1])
    if len(received) - end - 1 < header["size"]:
        return None
    return header, bytes(received[end + 1 :])


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message; raise `EOFError` if it ends early, `ValueError` if it is none."""
    line = stream.readline(_HEADER_LIMIT)
    if not line.endswith(b"\n"):
        raise EOFError
    header = _header(line)
    body = stream.read(header["size"])
    if len(body) != header["size"]:
        raise EOFError
    return header, body


def _header(line: bytes | bytearray) -> dict[str, Any]:
    header = json.loads(line)
    if not isinstance(header, dict) or type(cast(Any, header).get("size")) is not int:
        raise ValueError("no header")
    return cast(dict[str, Any], header)


class Exchange:
    """A request and its reply over two pipes that do not block: over with the reply, a failure or in time."""

    def __init__(self, pipes: tuple[int, int], request: bytes, seconds: float):
        """`pipes` are where to write and where to read; `seconds` is how long it may take."""
        self.until = time.monotonic() + seconds
        """When it is late, as `time.monotonic` counts."""
        self.reply: tuple[dict[str, Any], bytes] | None = None
        self.failed = False
        """Whether the other side is gone, or what it says is no reply."""
        self._requests, self._replies = pipes
        self._unsent, self._received = memoryview(request), bytearray()

    @property
    def late(self) -> bool:
        """Whether it took too long."""
        return self.reply is None and time.monotonic() > self.until

    def events(self) -> Iterator[tuple[int, int]]:
        """What to poll for: pipes and events."""
        yield self._replies, select.POLLIN
        if self._unsent:
            yield self._requests, select.POLLOUT

    def advance(self) -> bool:
        """Send and receive what goes without waiting; whether it is over."""
        try:
            self._send()
            self._receive()
        except (OSError, EOFError, ValueError):
            self.failed = True
        return self.reply is not None or self.failed or self.late

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[os.write(self._requests, self._unsent) :]

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.reply is None:
                read = os.read(self._replies, _PIECE)
                if not read:
                    raise EOFError
                self._received += read
                self.reply = complete(self._received)
