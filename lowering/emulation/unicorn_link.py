"""Link a relocatable ELF object that needs nothing else, for AArch64 and ARM."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import Any

from lowering.emulation.extra import extra_model
from lowering.emulation.memory import Code

ALLOCATED, EXECUTED = 2, 4


def _page(place: int, to: int) -> int:
    return ((to >> 12) - (place >> 12)) & 0x1FFFFF


def _low(shift: int) -> Callable[[int, int], int]:
    return lambda place, to: (to & 0xFFF) >> shift << 10


def _adr(place: int, to: int) -> int:
    page = _page(place, to)
    return (page & 3) << 29 | page >> 2 << 5


def _branch(place: int, to: int) -> int:
    return (to - place) // 4 & 0x3FFFFFF


PATCHES: dict[int, Callable[[int, int], int]] = {
    275: _adr,
    277: _low(0),
    278: _low(0),
    282: _branch,
    283: _branch,
    284: _low(1),
    285: _low(2),
    286: _low(3),
    299: _low(4),
    311: _adr,
    312: _low(3),
}
"""The bits that each kind of relocation of AArch64 adds to an instruction, some by way of a table."""
INDIRECT = 311, 312
WORDS = {
    "AArch64": {257: ("<Q", False), 261: ("<i", True)},
    "ARM": {2: ("<I", False), 3: ("<i", True)},
}
"""Relocations that write a word of data, and whether it counts from its place."""


def link(image: bytes, address: int) -> tuple[Code, list[tuple[int, int]]]:
    """An object at an address, and where its constants lie; every symbol that it names must be its own."""
    with extra_model():
        elf: Any = import_module("elftools.elf.elffile").ELFFile(BytesIO(image))
        relocations: Any = import_module("elftools.elf.relocation").RelocationSection
    loaded, places, constants = bytearray(), dict[int, int](), list[tuple[int, int]]()
    for number, section in enumerate(elf.iter_sections()):
        if section["sh_flags"] & ALLOCATED and section["sh_type"] in ("SHT_PROGBITS", "SHT_NOBITS"):
            loaded += bytes(-len(loaded) % max(1, section["sh_addralign"]))
            places[number] = address + len(loaded)
            # ARM has constants among its code.
            if not section["sh_flags"] & EXECUTED or elf.get_machine_arch() == "ARM":
                constants.append((places[number], places[number] + section["sh_size"]))
            loaded += section.data()
    loaded += bytes(-len(loaded) % 8)
    table, slots = address + len(loaded), dict[int, int]()
    words = WORDS[elf.get_machine_arch()]
    for section in elf.iter_sections():
        if isinstance(section, relocations) and section["sh_info"] in places:
            symbols = elf.get_section(section["sh_link"])
            for one in section.iter_relocations():
                symbol = symbols.get_symbol(one["r_info_sym"])
                place, kind = places[section["sh_info"]] + one["r_offset"], one["r_info_type"]
                at = place - address
                to = places[symbol["st_shndx"]] + symbol["st_value"]
                if kind in words:
                    word, relative = words[kind]
                    held = (
                        one["r_addend"]
                        if one.is_RELA()
                        else struct.unpack_from("<i", loaded, at)[0]
                    )
                    struct.pack_into(word, loaded, at, to + held - place * relative)
                    continue
                to += one["r_addend"]
                if kind in INDIRECT:
                    to = slots.setdefault(to, table + 8 * len(slots))
                (word,) = struct.unpack_from("<I", loaded, at)
                struct.pack_into("<I", loaded, at, word | PATCHES[kind](place, to))
    loaded += struct.pack(f"<{len(slots)}Q", *slots)
    constants.append((table, table + 8 * len(slots)))
    known, functions = dict[str, int](), dict[str, int]()
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_shndx"] in places:
            known[symbol.name] = places[symbol["st_shndx"]] + symbol["st_value"]
            if symbol["st_info"]["type"] == "STT_FUNC":
                functions[symbol.name] = known[symbol.name]
    return Code(bytes(loaded), address, known, functions), constants
