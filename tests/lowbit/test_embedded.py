"""Objects for small processors: what their code asks for and what they bring."""

import re
from pathlib import Path

import pytest

import lowbit
from lowbit.code_generation import generate
from lowering.backend.elf import sizes, undefined_symbols
from lowering.backend.emit import emit_assembly

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_w2a2.onnx"
TARGETS = ("cortex-m4", "cortex-m7", "rpi3-armv7", "rv64gcv")


def programs() -> dict[str, lowbit.Program]:
    """A network with thresholds, pools and floats; windows whose borders are divided by; wide sums."""
    shapes = (1, 7, 7, 40), (3, 3, 40, 9)
    return {
        "digits": lowbit.import_model(DIGITS),
        "bits": lowbit.conv2d(*shapes, "uint1", "odd1", padding=1, strides=2),
        "bytes": lowbit.conv2d(*shapes, "uint8", "i8", padding=1),
        "floats": lowbit.conv2d(*shapes, "f32", "f32", padding=1),
    }


@pytest.mark.parametrize("target", TARGETS)
def test_code_divides_no_i64_and_objects_need_nothing(target: str, tmp_path: Path):
    for name, program in programs().items():
        text = generate(program, target).translated.ir
        # `__aeabi_ldivmod` of a library does that.
        divides = re.search(r"\b[su](div|rem) i64", text)
        assert target == "rv64gcv" or not divides, name
        image = lowbit.export(program, target, tmp_path, name=f"f_{name}").object.read_bytes()
        assert undefined_symbols(image) == [] and sizes(image).writable == 0, name


def test_riscv_counts_lanes_in_one_instruction_where_it_has_one():
    code = generate(programs()["bits"], "rv64gcv,+zvbb")
    assert "vcpop.v" in emit_assembly(code.translated, code.target, constants=False)


def test_floats_without_an_instruction_pass_over_nan():
    text = generate(programs()["digits"], "cortex-m7").translated.ir
    assert 'call float @"llvm.maxnum' not in text and "fcmp uno float" in text
