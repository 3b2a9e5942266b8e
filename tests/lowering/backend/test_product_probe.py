"""The probes multiply right, and consist of the instructions they are named after."""

import re
from collections import Counter

import capstone
import pytest
from products import of_a_product

from lowering.backend.elf import symbols
from lowering.backend.host import missing_on_host
from lowering.backend.machine import BackendError, generate_object
from lowering.backend.product_probe import KINDS, product_ir, product_probe
from microkernels.target import Target
from tests.support.tiers import X86

INSTRUCTIONS = {
    ("x86-64", "i8"): {"pmaddwd": 16, "paddd": 25},
    ("x86-64", "f32"): {"mulps": 16, "addps": 23},
    ("x86-64-v3", "i8"): {"vpmaddubsw": 16, "vpmaddwd": 16, "vpaddd": 24},
    ("x86-64-v3", "i16"): {"vpmaddwd": 24, "vpaddd": 30},
    ("x86-64-v3", "f32"): {"vfmadd231ps": 24},
    ("x86-64-v4", "i8"): {"vpmaddubsw": 16, "vpmaddwd": 16, "vpaddd": 25},
    ("x86-64-v4,+avx512vnni", "i8"): {"vpdpbusd": 24},
    ("x86-64-v4-vpopcntdq", "i8"): {"vpdpbusd": 24},
    ("x86-64-v4-vpopcntdq", "i16"): {"vpdpwssd": 24},
    ("x86-64-v4-vpopcntdq", "f32"): {"vfmadd231ps": 24},
    ("x86-64-v4-vpopcntdq,vector_bits=256", "i8"): {"vpdpbusd": 24},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*X86, "x86-64-v3,vector_bits=64"])
@pytest.mark.parametrize("rounds", [1, 3, 1000])
def test_a_probe_sums_the_products_it_says(name: str, rounds: int, kind: str):
    target = Target.parse(name)
    if missing_on_host(target):
        with pytest.raises(BackendError, match="cannot run the code"):
            product_probe(target, kind)
        return
    probe = product_probe(target, kind)
    narrow = kind == "i8" and target.vector_bits > 64
    assert probe.run(rounds) == rounds * probe.macs * of_a_product(kind, narrow) % 2**32


@pytest.mark.parametrize(("name", "kind"), INSTRUCTIONS)
def test_a_probe_is_made_of_its_instructions(name: str, kind: str):
    target = Target.parse(name)
    image = generate_object(product_ir(target, kind)[0], target)
    (code,) = (s for s in symbols(image) if s.name == "probe")
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    instructions = list(engine.disasm(image[code.offset :][: code.size], 0))
    counts = Counter(i.mnemonic for i in instructions)
    expected = INSTRUCTIONS[name, kind]
    assert {name: counts[name] for name in expected} == expected
    wide = [i for i in instructions if "zmm" in i.op_str]
    assert bool(wide) == (target.vector_bits == 512)


@pytest.mark.parametrize(("kind", "opcode"), [("i8", b"\x50"), ("i16", b"\x52")])
def test_vnni_without_avx512_has_the_shorter_encoding(kind: str, opcode: bytes):
    target = Target.parse("x86-64-v3,+avxvnni")
    image = generate_object(product_ir(target, kind)[0], target)
    (code,) = (s for s in symbols(image) if s.name == "probe")
    # Capstone does not know these: VEX of three bytes, vectors of 256 bits
    assert len(re.findall(rb"\xc4.." + opcode, image[code.offset :][: code.size], re.S)) == 24
