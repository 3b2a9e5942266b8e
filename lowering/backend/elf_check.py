"""Check that an object of 64 bits is sound before a linker sees it, which trusts what it reads."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")

_NULL, _PROGBITS, _SYMTAB, _STRTAB, _RELA, _NOBITS, _UNWIND = 0, 1, 2, 3, 4, 8, 0x70000001
_KINDS = (_NULL, _PROGBITS, _SYMTAB, _STRTAB, _RELA, _NOBITS, _UNWIND)
_ABSOLUTE = 0xFFF1
_LOCAL, _WEAK, _FILE = 0, 2, 4
_ALLOCATED = 2
_LARGEST_ALIGNMENT = 4096
_MOST_ZEROS = 1 << 28
_PATCHED = {0: 0, 1: 8, 2: 4, 4: 4, 9: 4, 10: 4, 11: 4, 24: 8, 25: 8, 26: 4, 41: 4, 42: 4}
"""Bytes that each kind of relocation of x86-64 writes; LLVM makes no others of what we give it."""
_BY_NAME = (4, 9, 41, 42)
"""Those by way of a table of calls or addresses, in which the linker finds a symbol by its name."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


def check_object(image: bytes) -> None:
    """Raise ValueError unless each size, index and offset of an object lies where it may.

    What the code does when it runs nobody can check.
    """
    sections = _sections(image)
    for index, section in enumerate(sections):
        where = f"section {index}"
        _expect(section.kind in _KINDS, f"{where} is of unknown kind {section.kind}")
        _expect(section.address == 0, f"{where} has an address already")
        alignment = section.alignment
        legal = alignment & (alignment - 1) == 0 and 1 <= alignment <= _LARGEST_ALIGNMENT
        legal = legal or section.kind == _NULL
        _expect(legal, f"{where} is aligned to {alignment} bytes")
        end = section.offset + section.size
        held = section.size <= _MOST_ZEROS if section.kind == _NOBITS else end <= len(image)
        _expect(section.kind == _NULL or held, f"{where} is cut short")
    names = [one for one in sections if one.kind == _STRTAB]
    _expect(
        all(one.size and image[one.offset + one.size - 1] == 0 for one in names),
        "a name does not end",
    )
    for section in sections:
        if section.kind == _SYMTAB:
            _check_symbols(image, section, sections)
        elif section.kind == _RELA:
            _check_relocations(image, section, sections)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(f"damaged ELF object: {message}")


def _sections(image: bytes) -> list[_Section]:
    _expect(len(image) >= _HEADER.size, "it is cut short in its header")
    _expect(image[:6] == b"\x7fELF\2\1", "it is not little-endian of 64 bits")
    fields: tuple[int, ...] = _HEADER.unpack_from(image)
    table, size, count, names = fields[6], *fields[11:14]
    _expect(size == _SECTION.size and count > 0, "it has no table of sections")
    _expect(table + size * count <= len(image), "it is cut short in its table of sections")
    sections = [_Section(*_SECTION.unpack_from(image, table + n * size)) for n in range(count)]
    _expect(names < count and sections[names].kind == _STRTAB, "its sections have no names")
    _expect(all(one.name < sections[names].size for one in sections), "a section has no name")
    called = [_name(image, sections[names], one.name) for one in sections]
    _expect(len(set(called)) == len(called), "two sections have one name")
    return sections


def _check_symbols(image: bytes, table: _Section, sections: list[_Section]) -> None:
    _expect(_is_kind(sections, table.link, _STRTAB), "its symbols have no names")
    names = sections[table.link]
    seen: set[bytes] = set()
    for index, (name, info, _, home, value, size) in enumerate(_rows(_SYMBOL, image, table)):
        where = f"symbol {index}"
        _expect(name < names.size, f"{where} has no name")
        _expect(home < len(sections) or home == _ABSOLUTE, f"{where} is in no section")
        _expect(info >> 4 <= _WEAK and info & 15 <= _FILE, f"{where} is of unknown kind {info}")
        if 0 < home < len(sections):
            _expect(value + size <= sections[home].size, f"{where} reaches beyond its section")
        text = _name(image, names, name)
        named = (text and text.isascii()) or info >> 4 == _LOCAL
        _expect(bool(named), f"{where} has no name of ASCII")
        _expect(not text or text not in seen, f"{where} is there twice")
        seen.add(text)


def _check_relocations(image: bytes, table: _Section, sections: list[_Section]) -> None:
    legal = _is_kind(sections, table.link, _SYMTAB) and 0 < table.info < len(sections)
    _expect(legal, "its relocations have no symbols or no section")
    symbols = list(_rows(_SYMBOL, image, sections[table.link]))
    names = sections[table.link].link
    _expect(_is_kind(sections, names, _STRTAB), "its symbols have no names")
    patched = sections[table.info]
    for index, (offset, what, _) in enumerate(_rows(_RELOCATION, image, table)):
        where, symbol, kind = f"relocation {index}", what >> 32, what & 0xFFFFFFFF
        _expect(symbol < len(symbols), f"{where} names no symbol")
        name, _, _, home, _, _ = symbols[symbol]
        _expect(kind in _PATCHED, f"{where} is of unknown kind {kind}")
        named = kind not in _BY_NAME or _name(image, sections[names], name)
        _expect(bool(named), f"{where} asks for a symbol without a name")
        inside = patched.kind != _NOBITS and offset + _PATCHED.get(kind, 0) <= patched.size
        _expect(inside, f"{where} reaches beyond its section")
        loaded = not 0 < home < len(sections) or bool(sections[home].flags & _ALLOCATED)
        _expect(loaded, f"{where} is about what is not in memory")


def _rows(row: struct.Struct, image: bytes, table: _Section) -> Iterator[tuple[int, ...]]:
    legal = table.entry == row.size and table.size % row.size == 0
    _expect(legal, f"a table of {table.size} bytes has entries of {table.entry}")
    return row.iter_unpack(image[table.offset : table.offset + table.size])


def _name(image: bytes, names: _Section, start: int) -> bytes:
    return image[names.offset + start : image.find(b"\0", names.offset + start)]


def _is_kind(sections: list[_Section], index: int, kind: int) -> bool:
    return index < len(sections) and sections[index].kind == kind
