"""Archives of objects, as `ar rcs` writes them: `libNAME.a`, the same bytes every time."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_MAGIC = b"!<arch>\n"


def archive(name: str, image: bytes, symbols: Sequence[str]) -> bytes:
    """An archive of one object, with the index of the `symbols` that it defines.

    `name` is that of the file without `.o`; one too long for its field is cut, as nothing looks for it.
    """
    names = b"".join(symbol.encode() + b"\0" for symbol in symbols)
    size = 4 * (1 + len(symbols)) + len(names)
    first = len(_MAGIC) + 60 + size + size % 2
    index = struct.pack(f">{1 + len(symbols)}I", len(symbols), *[first] * len(symbols)) + names
    return _MAGIC + _member("/", index) + _member(f"{name[:13]}.o/", image)


def _member(name: str, held: bytes) -> bytes:
    """A header of text (name, time, owner, group, mode, size) and the bytes, their number made even."""
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(held):<10}`\n"
    return header.encode() + held + b"\n" * (len(held) % 2)
