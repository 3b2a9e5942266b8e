"""Code in this process: right, alive as long as it may be called, refused where it cannot run."""

import ctypes
import gc
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from lowering.backend.elf import symbols
from lowering.backend.emit import emit_object
from lowering.backend.host import host_target, missing_on_host
from lowering.backend.jit import Jit
from lowering.backend.machine import BackendError, parse_module, target_machine
from lowering.backend.translate import Translated, translate
from microkernels.target import TARGETS, Target
from tests.support.tiers import X86

from .conftest import parse

HOST = host_target()


def test_a_function_runs(add: Callable[[Target], Translated]):
    jit = Jit(add(HOST), HOST)
    call = jit.function("add", ctypes.c_int32, ctypes.c_int32, ctypes.c_int32)
    assert call(20, 22) == 42
    assert jit.address("add") % 16 == 0


def test_a_function_keeps_its_code(add: Callable[[Target], Translated]):
    call = Jit(add(HOST), HOST).function("add", ctypes.c_int32, ctypes.c_int32, ctypes.c_int32)
    gc.collect()
    others = [Jit(add(HOST), HOST) for _ in range(5)]
    assert call(1, 2) == 3
    assert len({other.address("add") for other in others}) == 5


@pytest.mark.parametrize("linkage", ["internal", "private", "external"])
@pytest.mark.parametrize("size", [1, 4, 8, 1000, 70_000])
def test_constants_arrive(table: Callable[..., Translated], size: int, linkage: str):
    values = np.random.default_rng(size).integers(-(2**31), 2**31, size, dtype=np.int32)
    jit = Jit(table(HOST, values, linkage), HOST)
    read = jit.function("read", ctypes.c_int32, ctypes.c_int64)
    for index in {0, size // 2, size - 1}:
        assert read(index) == values[index]
    if linkage == "external":
        assert jit.address("table") % 64 == 0


def test_llvm_does_not_read_the_zeros_that_stand_for_a_constant(
    table: Callable[..., Translated],
):
    text = table(HOST, np.array([7, 8, 9, 10], np.int32))
    ir = text.ir.replace('i64 %".1"\n', "i64 2\n")  # an index known at compile time
    assert ir != text.ir
    module, options = parse_module(ir), llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(target_machine(HOST), options)
    builder.getModulePassManager().run(module, builder)
    jit = Jit(Translated(str(module), text.constants), HOST)
    assert jit.function("read", ctypes.c_int32, ctypes.c_int64)(0) == 9


def test_an_object_is_loaded(table: Callable[..., Translated]):
    image = emit_object(table(HOST, np.arange(100, dtype=np.int32)), HOST)
    jit = Jit(image, HOST)
    assert jit.function("read", ctypes.c_int32, ctypes.c_int64)(99) == 99
    assert jit.image == image


def test_imports_are_linked():
    text = """
    llvm.func @back(i32) -> i32
    llvm.func @f(%x: i32) -> i32 {
      %y = llvm.call @back(%x) : (i32) -> i32
      llvm.return %y : i32
    }
    """
    back = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(lambda x: 3 * x)
    address = ctypes.cast(back, ctypes.c_void_p).value
    assert address is not None
    translated = translate(parse(text), HOST)
    jit = Jit(translated, HOST, imports={"back": address})
    assert jit.function("f", ctypes.c_int32, ctypes.c_int32)(5) == 15
    for code in (translated, jit.image):
        with pytest.raises(BackendError, match="undefined in the object: back"):
            Jit(code, HOST)


def test_a_missing_name_is_an_error_that_lists_the_others(add: Callable[[Target], Translated]):
    with pytest.raises(BackendError, match="no symbol sub; there are add"):
        Jit(add(HOST), HOST).address("sub")


def test_a_target_that_cannot_run_here_is_refused(add: Callable[[Target], Translated]):
    lacking = next((TARGETS[n] for n in reversed(X86) if missing_on_host(TARGETS[n])), None)
    target = lacking or Target.parse("x86-64-v3,+xop")
    with pytest.raises(BackendError, match=r"cannot run the code: target .* needs"):
        Jit(add(target), target)


def test_a_target_of_another_architecture_is_refused(add: Callable[[Target], Translated]):
    for code in (add(TARGETS["rpi3"]), emit_object(add(TARGETS["rpi3"]), TARGETS["rpi3"])):
        with pytest.raises(BackendError, match="target rpi3 is for aarch64, and this machine is"):
            Jit(code, TARGETS["rpi3"])
    with pytest.raises(BackendError, match="cannot load the object"):
        Jit(emit_object(add(TARGETS["rpi3"]), TARGETS["rpi3"]), HOST)


@pytest.mark.parametrize("cut", [0, 10, 63, 64, 200])
def test_a_truncated_object_is_refused(add: Callable[[Target], Translated], cut: int):
    image = emit_object(add(HOST), HOST)
    with pytest.raises(BackendError, match="cannot load the object"):
        Jit(image[:cut], HOST)
    with pytest.raises(BackendError, match="cannot load the object"):
        Jit(image[:-1], HOST)


def test_an_object_for_another_machine_is_refused(add: Callable[[Target], Translated]):
    image = bytearray(emit_object(add(HOST), HOST))
    assert symbols(bytes(image))
    image[18] = 183
    with pytest.raises(BackendError, match="not for x86_64"):
        Jit(bytes(image), HOST)
