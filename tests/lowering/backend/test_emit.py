"""Objects and assembly: reproducible, complete, for every target."""

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256

import capstone
import numpy as np
import pytest

from lowering.backend.elf import symbols
from lowering.backend.emit import emit_assembly, emit_object
from lowering.backend.machine import BackendError
from lowering.backend.translate import Translated, translate
from microkernels.isa import aarch64, arm, riscv, x86
from microkernels.target import TARGETS, Target

from .conftest import parse

V3 = TARGETS["x86-64-v3"]
POPCOUNT = """
llvm.func @popcount(%p: !llvm.ptr) {
  %x = llvm.load %p {alignment = 64 : i64} : !llvm.ptr -> vector<8xi64>
  %y = llvm.call_intrinsic "llvm.ctpop.v8i64"(%x) : (vector<8xi64>) -> vector<8xi64>
  llvm.store %y, %p {alignment = 64 : i64} : vector<8xi64>, !llvm.ptr
  llvm.return
}
"""
HASH = """
import sys, hashlib
from lowering.backend.emit import emit_object
from lowering.backend.translate import Translated
from microkernels.target import TARGETS
text = sys.stdin.read()
image = emit_object(Translated(text, {"table": bytes(range(160))}), TARGETS["x86-64-v3"])
print(hashlib.sha256(image).hexdigest())
"""


@pytest.mark.parametrize(
    "name", [*TARGETS, *x86.CPUS, *aarch64.CPUS, *arm.CPUS, *arm.M_CPUS, *riscv.CPUS]
)
def test_every_target_gets_an_object(name: str, add: Callable[[Target], Translated]):
    target = Target.parse(name)
    assert [s.name for s in symbols(emit_object(add(target), target)) if s.linkable] == ["add"]


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("x86-64", "xmm", "popcnt\t"),
        ("x86-64-v2", "popcnt\t", "ymm"),
        ("x86-64-v3", "vpshufb", "zmm"),
        ("x86-64-v4", "vpshufb", "vpopcnt"),
        ("x86-64-v4-vpopcntdq", "vpopcntq", "vpshufb"),
        ("x86-64-v4-vpopcntdq,vector_bits=256", "vpopcntq", "zmm"),
    ],
)
def test_a_level_uses_what_it_has(name: str, has: str, lacks: str):
    target = Target.parse(name)
    text = emit_assembly(translate(parse(POPCOUNT), target), target)
    assert lacks not in text
    if name != "x86-64-v2":  # LLVM prefers vector arithmetic to eight scalar counts
        assert has in text


def test_the_object_holds_the_instructions_of_the_assembly():
    target = TARGETS["x86-64-v4-vpopcntdq"]
    image = emit_object(translate(parse(POPCOUNT), target), target)
    (code,) = (s for s in symbols(image) if s.name == "popcount")
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    held = [i.mnemonic for i in engine.disasm(image[code.offset :][: code.size], 0)]
    assert "vpopcntq" in held and held[-1] == "ret"


def test_objects_are_the_same_in_every_process(table: Callable[..., Translated]):
    translated = table(V3, np.arange(160, dtype=np.uint8).view(np.int32))
    here = sha256(emit_object(translated, V3)).hexdigest()
    assert sha256(emit_object(translated, V3)).hexdigest() == here
    for _ in range(2):
        child = subprocess.run(
            [sys.executable, "-c", HASH], input=translated.ir, capture_output=True, text=True
        )
        assert child.stdout.strip() == here, child.stderr


def test_assembly_holds_the_constants_or_their_size(table: Callable[..., Translated]):
    values = np.frombuffer(b"constants in text, all of it".ljust(32), np.int32)
    translated = table(V3, values)
    assert "constants in text, all of it" in emit_assembly(translated, V3)
    short = emit_assembly(translated, V3, constants=False)
    assert "constants in text" not in short and ".zero\t32" in short


def test_a_constant_that_nothing_reads_is_no_fault(table: Callable[..., Translated]):
    values = np.arange(4, dtype=np.int32)
    translated = table(V3, values)
    extra = Translated(translated.ir, {**translated.constants, "gone": b"1234"})
    assert emit_object(extra, V3) == emit_object(translated, V3)


def test_a_constant_that_does_not_fit_is_refused(table: Callable[..., Translated]):
    translated = table(V3, np.arange(4, dtype=np.int32))
    with pytest.raises(BackendError, match="no room for the 17 bytes of table"):
        emit_object(Translated(translated.ir, {"table": bytes(17)}), V3)


def test_undefined_symbols_are_named():
    text = """
    llvm.func @elsewhere(i32) -> i32
    llvm.func @f(%x: i32) -> i32 {
      %y = llvm.call @elsewhere(%x) : (i32) -> i32
      llvm.return %y : i32
    }
    """
    translated = translate(parse(text), V3)
    with pytest.raises(BackendError, match=r"undefined in the object: elsewhere$"):
        emit_object(translated, V3)
    assert emit_object(translated, V3, imports={"elsewhere"})


def test_an_intrinsic_that_does_not_exist_is_named():
    text = """
    llvm.func @f(%x: i32) -> i32 {
      %y = llvm.call_intrinsic "llvm.popcount.i32"(%x) : (i32) -> i32
      llvm.return %y : i32
    }
    """
    with pytest.raises(BackendError, match=r"llvm\.popcount\.i32"):
        emit_object(translate(parse(text), V3), V3)
