"""What of a module reaches LLVM IR, and what goes beside it."""

import numpy as np
import pytest
from xdsl.dialects import llvm
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, TensorType, f32, i16

from lowering.backend.machine import BackendError
from lowering.backend.translate import translate
from microkernels.target import TARGETS, Target

from .conftest import ADD, READ, add_table, parse

V3 = TARGETS["x86-64-v3"]


def test_functions_say_what_they_may_use():
    ir = translate(parse(ADD), Target.parse("znver3")).ir
    assert 'define i32 @"add"(i32 %".1", i32 %".2") #0' in ir
    assert "attributes #0 = { nounwind" in ir
    for part in ('"target-cpu"="znver3"', '"no-builtins"', "+avx2", "-avx512f"):
        assert part in ir
    assert 'target triple = "x86_64-unknown-linux-gnu"' in ir
    assert 'target datalayout = "e-m:e' in ir


def test_wider_registers_than_the_abi_aligns_the_stack_for_are_spilled_to_their_alignment():
    realigned = {
        name for name, one in TARGETS.items() if "stackrealign" in translate(parse(ADD), one).ir
    }
    assert realigned == {name for name, one in TARGETS.items() if one.simd_bits > 128}


def test_constants_go_beside_the_text_and_the_module_stays():
    module = parse(READ)
    values = np.arange(1000, dtype=np.int32)
    add_table(module, values, linkage="private")
    before = str(module)
    translated = translate(module, V3)
    assert str(module) == before
    assert translated.constants == {"table": values.tobytes()}
    assert (
        '@"table" = internal externally_initialized constant [1000 x i32] zeroinitializer, align 64'
        in translated.ir
    )


def test_a_splat_is_written_out():
    module = parse(READ)
    splat = DenseIntOrFPElementsAttr.from_list(TensorType(i16, [3, 2]), [-2])
    array = llvm.LLVMArrayType(2, i16)
    module.body.block.add_op(
        llvm.GlobalOp(llvm.LLVMArrayType(3, array), "table", "internal", constant=True, value=splat)
    )
    assert translate(module, V3).constants["table"] == b"\xfe\xff" * 6


def test_floats_are_bytes_too():
    module = parse(READ)
    values = np.array([0.5, -1.25], np.float32)
    dense = DenseIntOrFPElementsAttr(TensorType(f32, [2]), BytesAttr(values.tobytes()))
    array = llvm.LLVMArrayType(2, f32)
    module.body.block.add_op(llvm.GlobalOp(array, "table", "internal", constant=True, value=dense))
    assert translate(module, V3).constants["table"] == values.tobytes()


def test_a_variable_keeps_its_value_in_the_text():
    module = parse(READ)
    dense = DenseIntOrFPElementsAttr.from_list(TensorType(i16, [2]), [1, 2])
    array = llvm.LLVMArrayType(2, i16)
    held = llvm.GlobalOp(array, "table", "internal", value=dense, alignment=32, section=".mine")
    module.body.block.add_op(held)
    translated = translate(module, V3)
    assert translated.constants == {}
    assert 'global [2 x i16] [i16 1, i16 2], section ".mine", align 32' in translated.ir


def test_a_private_function_is_not_exported():
    module = parse(ADD)
    (function,) = module.ops
    function.properties["sym_visibility"] = type(function.sym_name)("private")
    assert 'define internal i32 @"add"' in translate(module, V3).ir


def test_a_constant_of_the_wrong_size_is_refused():
    module = parse(READ)
    dense = DenseIntOrFPElementsAttr.from_list(TensorType(i16, [4]), [1, 2, 3, 4])
    held = llvm.GlobalOp(
        llvm.LLVMArrayType(3, i16), "table", "internal", constant=True, value=dense
    )
    module.body.block.add_op(held)
    with pytest.raises(BackendError, match=r"@table of type .* takes 6 bytes, not 8"):
        translate(module, V3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("builtin.module {}", "Conversion not implemented for op: builtin.module"),
        (
            'llvm.func @f() {\n %p = "llvm.intr.stacksave"() : () -> !llvm.ptr\n llvm.return\n}',
            "llvm.intr.stacksave",
        ),
        (
            "llvm.func @f() {\n %p = llvm.mlir.addressof @nowhere : !llvm.ptr\n llvm.return\n}",
            "nowhere",
        ),
        (
            'builtin.module attributes {llvm.target_triple = "aarch64-unknown-linux-gnu"} {}',
            "the module is for aarch64-unknown-linux-gnu",
        ),
    ],
)
def test_what_has_no_translation_is_named(text: str, message: str):
    module = parse(text if "attributes" in text else f"builtin.module {{\n{text}\n}}")
    with pytest.raises(BackendError, match=message):
        translate(module, V3)
