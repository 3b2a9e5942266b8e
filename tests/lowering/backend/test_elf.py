"""The symbol reader against pyelftools, and on broken files."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from lowering.backend.elf import machine_of, symbols, undefined_symbols
from lowering.backend.emit import emit_object
from lowering.backend.machine import generate_object
from lowering.backend.translate import Translated
from microkernels.target import TARGETS, Target

V3 = TARGETS["x86-64-v3"]
OBJECT = generate_object(
    f"""target triple = "{V3.triple}"
    @w = extern_weak global i32
    declare i32 @other(ptr)
    define i32 @f() {{
      %x = call i32 @other(ptr @w)
      ret i32 %x
    }}""",
    V3,
)


def test_symbols_are_those_that_pyelftools_reads(
    table: Callable[[Target, np.ndarray], Translated],
):
    image = emit_object(table(V3, np.arange(40, dtype=np.int32)), V3)
    elf = ELFFile(io.BytesIO(image))
    read = elf.get_section_by_name(".symtab")
    expected = {s.name: s["st_size"] for s in read.iter_symbols() if s.name}
    assert {symbol.name: symbol.size for symbol in symbols(image)} == expected
    held = {symbol.name: symbol for symbol in symbols(image)}
    assert held["read"].linkable and not held["table"].linkable
    offset = held["table"].offset
    assert image[offset : offset + 160] == np.arange(40, dtype=np.int32).tobytes()
    assert offset % 64 == 0
    assert machine_of(image) == 62


def test_weak_symbols_may_stay_undefined():
    assert undefined_symbols(OBJECT) == ["other"]
    assert [s.name for s in symbols(OBJECT) if s.undefined and s.weak] == ["w"]


@pytest.mark.parametrize("image", [b"", b"\x7fELF", bytes(64), b"!<arch>\n" * 20])
def test_what_is_no_object_is_refused(image: bytes):
    with pytest.raises(ValueError, match="not a little-endian ELF object"):
        symbols(image)


def test_a_shared_library_is_refused():
    image = bytearray(OBJECT)
    image[16] = 3
    with pytest.raises(ValueError, match="not a relocatable"):
        symbols(bytes(image))


@given(st.integers(0, len(OBJECT) - 1))
def test_a_truncated_object_is_refused(length: int):
    with pytest.raises(ValueError):
        symbols(OBJECT[:length])


@given(st.lists(st.tuples(st.integers(0, len(OBJECT) - 1), st.integers(0, 255)), max_size=8))
def test_a_damaged_object_is_read_or_refused(changes: list[tuple[int, int]]):
    image = bytearray(OBJECT)
    for place, value in changes:
        image[place] = value
    try:
        symbols(bytes(image))
    except ValueError:
        return
