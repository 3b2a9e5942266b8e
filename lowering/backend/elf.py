"""Read the sections and symbols of a relocatable ELF object: little-endian, 32 or 64 bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PROGBITS, _SYMTAB, _NOBITS = 1, 2, 8
_WRITABLE, _ALLOCATED, _EXECUTED = 1, 2, 4
_UNDEFINED = 0
_LOCAL, _WEAK = 0, 2
_FUNCTION = 2


@dataclass(frozen=True)
class Symbol:
    """One named entry of a symbol table."""

    name: str
    undefined: bool
    weak: bool
    linkable: bool
    """Whether another object may refer to it."""
    function: bool
    offset: int
    """Where its bytes begin in the file; -1 if the file does not hold them."""
    size: int


@dataclass(frozen=True)
class Sizes:
    """Bytes that an object takes in memory."""

    text: int
    constants: int
    writable: int


@dataclass(frozen=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int


def machine_of(image: bytes) -> int:
    """Return the machine number of an object; raise `ValueError` if it is no relocatable ELF object."""
    _header(image)
    return int(struct.unpack_from("<H", image, 18)[0])


def symbols(image: bytes) -> list[Symbol]:
    """List the named symbols of an object; raise `ValueError` if it is none or is cut short."""
    sections = _sections(image)
    return [
        symbol
        for section in sections
        if section.kind == _SYMTAB
        for symbol in _table(image, section, sections)
    ]


def sizes(image: bytes) -> Sizes:
    """Sizes of what is in memory when the code runs, without tables of unwinding, which nothing needs."""
    found = {"text": 0, "constants": 0, "writable": 0}
    for section in _sections(image):
        if section.flags & _ALLOCATED and section.kind in (_PROGBITS, _NOBITS):
            writable, executed = section.flags & _WRITABLE, section.flags & _EXECUTED
            found["writable" if writable else "text" if executed else "constants"] += section.size
    return Sizes(**found)


def undefined_symbols(image: bytes) -> list[str]:
    """Name what an object needs from elsewhere, sorted."""
    # The linker makes this one up; large code asks for it.
    return sorted(
        symbol.name
        for symbol in symbols(image)
        if symbol.undefined and not symbol.weak and symbol.name != "_GLOBAL_OFFSET_TABLE_"
    )


def _header(image: bytes) -> bool:
    """Check the file header; return whether the object is of 64 bits."""
    if len(image) < 64 or image[:4] != b"\x7fELF" or image[4] not in (1, 2) or image[5] != 1:
        raise ValueError("not a little-endian ELF object")
    if struct.unpack_from("<H", image, 16)[0] != 1:
        raise ValueError("not a relocatable ELF object")
    return image[4] == 2


def _sections(image: bytes) -> list[_Section]:
    wide = _header(image)
    start, layout = (40, "<Q") if wide else (32, "<I")
    table = struct.unpack_from(layout, image, start)[0]
    entry, count = struct.unpack_from("<HH", image, 58 if wide else 46)
    if entry != (64 if wide else 40) or table + entry * count > len(image):
        raise ValueError("ELF object cut short in its section table")
    sections: list[_Section] = []
    for index in range(count):
        at = table + index * entry
        kind, flags = struct.unpack_from("<IQ" if wide else "<II", image, at + 4)
        offset, size = struct.unpack_from(
            "<QQ" if wide else "<II", image, at + (24 if wide else 16)
        )
        link = struct.unpack_from("<I", image, at + (40 if wide else 24))[0]
        if kind != _NOBITS and offset + size > len(image):
            raise ValueError(f"ELF object cut short in section {index}")
        sections.append(_Section(kind, flags, offset, size, link))
    return sections


def _table(image: bytes, table: _Section, sections: list[_Section]) -> Iterator[Symbol]:
    wide = _header(image)
    entry = struct.Struct("<IBBHQQ" if wide else "<IIIBBH")
    if table.link >= len(sections):
        raise ValueError("ELF object whose symbols have no names")
    names = sections[table.link]
    for at in range(table.offset, table.offset + table.size - entry.size + 1, entry.size):
        fields: tuple[int, ...] = entry.unpack_from(image, at)
        if wide:
            name, info, _, home, value, size = fields
        else:
            name, value, size, info, _, home = fields
        if not name:
            continue
        section = sections[home] if _UNDEFINED < home < len(sections) else None
        yield Symbol(
            name=_name(image, names, name),
            undefined=home == _UNDEFINED,
            weak=info >> 4 == _WEAK,
            linkable=home != _UNDEFINED and info >> 4 != _LOCAL,
            function=info & 15 == _FUNCTION,
            offset=section.offset + value if section and section.kind != _NOBITS else -1,
            size=size,
        )


def _name(image: bytes, names: _Section, start: int) -> str:
    first, last = names.offset + start, names.offset + names.size
    end = image.find(b"\0", first, last)
    if end < 0:
        raise ValueError("ELF object with a symbol whose name does not end")
    return image[first:end].decode("utf-8", "replace")
