import random
import struct

import pytest

import lowbit
from lowering.backend.elf_check import check_object


@pytest.fixture(scope="module")
def image() -> bytes:
    return lowbit.compile(lowbit.dense((2, 40), (40, 24), "uint3", "int2")).saved().image


def section(image: bytes, kind: int) -> int:
    """Where the header of the first section of a kind lies."""
    (table,) = struct.unpack_from("<Q", image, 40)
    (count,) = struct.unpack_from("<H", image, 60)
    places = [table + 64 * index for index in range(count)]
    return next(at for at in places if struct.unpack_from("<I", image, at + 4) == (kind,))


SYMBOLS, RELOCATIONS, CODE = 2, 4, 1


@pytest.mark.parametrize(
    ("kind", "field", "layout", "value", "message"),
    [
        (CODE, 0, "<I", 1 << 20, "a section has no name"),
        (CODE, 4, "<I", 17, "is of unknown kind 17"),
        (CODE, 16, "<Q", 1 << 40, "has an address already"),
        (CODE, 24, "<Q", 1 << 40, "is cut short"),
        (CODE, 48, "<Q", 0, "is aligned to 0 bytes"),
        (CODE, 48, "<Q", 48, "is aligned to 48 bytes"),
        (SYMBOLS, 32, "<Q", 25, "a table of 25 bytes has entries of 24"),
        (SYMBOLS, 40, "<I", 99, "its symbols have no names"),
        (RELOCATIONS, 40, "<I", 99, "its relocations have no symbols or no section"),
        (RELOCATIONS, 56, "<Q", 8, "has entries of 8"),
    ],
)
def test_damaged_sections(
    image: bytes, kind: int, field: int, layout: str, value: int, message: str
) -> None:
    damaged = bytearray(image)
    struct.pack_into(layout, damaged, section(image, kind) + field, value)
    with pytest.raises(ValueError, match=f"damaged ELF object: .*{message}"):
        check_object(bytes(damaged))


@pytest.mark.parametrize(
    ("kind", "field", "layout", "value", "message"),
    [
        (SYMBOLS, 24, "<I", 1 << 20, "symbol 1 has no name"),
        (SYMBOLS, 24 + 4, "<B", 0xF2, "symbol 1 is of unknown kind"),
        (SYMBOLS, 24 + 6, "<H", 999, "symbol 1 is in no section"),
        (RELOCATIONS, 0, "<Q", 1 << 40, "relocation 0 reaches beyond its section"),
        (RELOCATIONS, 8, "<I", 99, "relocation 0 is of unknown kind 99"),
        (RELOCATIONS, 12, "<I", 1 << 20, "relocation 0 names no symbol"),
        (RELOCATIONS, 8, "<Q", 42, "relocation 0 asks for a symbol without a name"),
    ],
)
def test_damaged_tables(
    image: bytes, kind: int, field: int, layout: str, value: int, message: str
) -> None:
    damaged = bytearray(image)
    (start,) = struct.unpack_from("<Q", image, section(image, kind) + 24)
    struct.pack_into(layout, damaged, start + field, value)
    with pytest.raises(ValueError, match=f"damaged ELF object: {message}"):
        check_object(bytes(damaged))


def test_a_whole_object_is_sound_and_every_cut_is_not(image: bytes) -> None:
    check_object(image)
    random_ends = random.Random(0).sample(range(len(image)), 50)
    for end in (0, 63, 64, *random_ends, len(image) - 1):
        with pytest.raises(ValueError, match="damaged ELF object"):
            check_object(image[:end])
