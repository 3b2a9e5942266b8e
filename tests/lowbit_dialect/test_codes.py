"""Code types: the table of DESIGN, planes, storage, text."""

from __future__ import annotations

import numpy as np
import pytest
from dialect_text import context
from hypothesis import given
from hypothesis import strategies as st
from strategies import code_types, fill, fills, seeds
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.codes import (
    CODE_SPELLINGS,
    CodeType,
    IntType,
    OddType,
    TernaryType,
    UIntType,
    parse_code,
)

CODES = [parse_code(spelling) for spelling in CODE_SPELLINGS]


def meaning(kind: str, bits: int, planes: list[int]) -> int:
    """The decoded value of plane bits, as the table says it."""
    if kind == "uint":
        return sum(2**i * b for i, b in enumerate(planes))
    if kind == "odd":
        return sum(2**i * (2 * b - 1) for i, b in enumerate(planes))
    top = -(2 ** (bits - 1)) * planes[-1]
    return top + sum(2**i * b for i, b in enumerate(planes[:-1]))


@pytest.mark.parametrize("kind", ["uint", "int", "odd"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_code_is_the_sum_over_its_planes(kind: str, bits: int):
    code = parse_code(f"{kind}{bits}")
    words = np.arange(2**bits, dtype=np.uint8)
    values = [
        meaning(kind, bits, [(word >> i) & 1 for i in range(bits)]) for word in range(2**bits)
    ]
    assert code.decode(words).tolist() == values
    assert code.encode(np.array(values)).tolist() == words.tolist()
    assert sorted(values) == list(code.values())
    assert code.steps == 2**bits - 1
    assert len(code.plane_weights) == code.planes == bits


def test_ternary_has_a_mask_and_a_sign():
    code = TernaryType()
    assert code.encode(np.array([0, 1, -1])).tolist() == [0b00, 0b01, 0b11]
    assert code.decode(np.array([0, 1, 3], np.uint8)).tolist() == [0, 1, -1]
    assert (code.planes, code.steps, list(code.values())) == (2, 2, [-1, 0, 1])


@given(code_types(), fills(), seeds())
def test_decode_undoes_encode(code: CodeType, kind: str, seed: int):
    values = fill(kind, (3, 50), code, seed)
    again = code.decode(code.encode(values))
    assert again.dtype == values.dtype == code.storage
    assert np.array_equal(again, values)
    assert code.contains(values) and code.stray(values) is None


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.spelling)
def test_storage_is_the_narrowest(code: CodeType):
    kinds = [np.iinfo(kind) for kind in (np.uint8, np.int8, np.int16)]
    fitting = [k for k in kinds if k.min <= code.minimum and code.maximum <= k.max]
    assert code.storage == fitting[0].dtype


@given(code_types(), st.integers(-600, 600))
def test_contains_what_it_can_decode(code: CodeType, value: int):
    assert code.contains(np.array([code.maximum, value])) == (value in code.values())
    stray = code.stray(np.array([code.minimum, value]))
    assert stray == (None if value in code.values() else value)


def test_nothing_is_contained_in_nothing():
    assert all(code.contains(np.array([], np.int8)) for code in CODES)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.spelling)
def test_text(code: CodeType):
    assert Parser(context(), str(code)).parse_type() == code
    assert parse_code(code.spelling) == code


@pytest.mark.parametrize("kind", [UIntType, IntType, OddType])
@pytest.mark.parametrize("bits", [-1, 0, 9, 64])
def test_there_are_one_to_eight_bits(kind: type[UIntType], bits: int):
    with pytest.raises(VerifyException, match=f"{kind.name} has 1 to 8 bits, not {bits}"):
        kind(bits)


@pytest.mark.parametrize(
    "text", ["", "uint", "uint0", "uint9", "odd12", "ternary1", "float8", "UINT2"]
)
def test_other_spellings_are_refused(text: str):
    with pytest.raises(ValueError, match=f"unknown code type '{text}': expected uint1..uint8"):
        parse_code(text)
