"""Which instructions products of bytes become."""

import pytest

import lowbit


@pytest.mark.parametrize(
    ("target", "activation", "weight", "has", "lacks"),
    [
        ("x86-64-v2", "uint4", "int4", "pmaddubsw", "vpmadd"),
        ("x86-64-v3", "uint4", "int4", "vpmaddubsw", "zmm"),
        ("x86-64-v3", "i8", "i8", "vpmaddwd", "vpmaddubsw"),
        ("alderlake", "uint8", "i8", "vpdpbusd", "vpmadd"),
        ("alderlake", "i8", "i8", "vpdpbusd", "vpmadd"),
        ("x86-64-v4", "i8", "int7", "vpmaddubsw", "vpdpbusd"),
        ("x86-64-v4-vpopcntdq", "i8", "i8", "vpdpbusd", "vpmadd"),
        ("x86-64-v4-vpopcntdq", "i8", "uint8", "vpdpbusd", "vpmadd"),
    ],
)
def test_a_target_gets_what_it_has(target: str, activation: str, weight: str, has: str, lacks: str):
    program = lowbit.dense((20, 64), (64, 32), activation, weight)
    text = lowbit.compile(program, target).assembly()
    assert has in text
    assert lacks not in text
